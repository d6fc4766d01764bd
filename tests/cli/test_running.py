"""How commands end: one line whatever happens, on whatever streams the process was given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sc_sionna.cli.running import run_command
from sc_sionna.core import strict_json
from sc_sionna.core.errors import UserError
from sc_sionna.core.terminal import one_line
from tests.sims.helpers import ROOT

SCRIPT = """
import sys, time
from typing import Annotated
import typer
from sc_sionna.cli.running import run_command, run_line

app = typer.Typer()

@app.command()
def main(what: Annotated[str, typer.Argument()], wait: bool = False) -> None:
    def work():
        print(what, flush=True)
        if wait:
            time.sleep(60)
    run_command(work)

run_line(app)
"""


def start(*arguments: str, **options) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    environment |= options.pop("env", {})
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.Popen(command, text=True, env=environment, **options)


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_signal_ends_the_work_and_says_how_to_go_on(number: int, code: int, word: str) -> None:
    process = start("working", "--wait", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (
        code,
        f"{word}; finished batches and epochs are kept, the same command goes on from there\n",
    )


def test_sigterm_runs_what_gives_locks_and_scratch_files_back() -> None:
    done = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)
        finally:
            done.append("given back")

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        run_command(work)
    assert caught.value.code == 143
    assert done == ["given back"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_character_that_the_output_lacks_is_spelled() -> None:
    for encoding in ("ascii", "latin-1"):
        process = start("ε = 0.05", stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PYTHONIOENCODING": encoding})
        out, errors = process.communicate(timeout=30)
        assert (process.returncode, errors, out) == (0, "", "\\u03b5 = 0.05\n")


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_stop_the_work_nor_land_in_a_file(tmp_path: Path, closed: str) -> None:
    code = "open('kept', 'w').write('x'); from sc_sionna.core.startup import start_backend; start_backend()"
    script = tmp_path / "run.py"
    script.write_text(
        "import typer\nfrom sc_sionna.cli.running import run_command, run_line\n"
        "from sc_sionna.core.errors import UserError\napp = typer.Typer()\n@app.command()\n"
        f"def main() -> None:\n    def work():\n        {code}\n        raise UserError('x = 1: bad')\n"
        "    run_command(work)\nrun_line(app)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} run.py {closed}"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert (tmp_path / "kept").read_text() == "x"


def test_a_word_that_cannot_be_parsed_is_one_line_without_escape_sequences() -> None:
    process = start("a", "--nosuch\x1b[2J\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert "\x1b" not in errors


def test_what_the_machine_lacks_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def full() -> None:
        with open("/dev/full", "w") as file:  # as a full disk answers
            file.write("x")

    def deep() -> None:
        deep()

    def large() -> None:
        raise MemoryError

    for work, words in ((full, "No space left on device"), (deep, "nested too deeply"), (large, "out of memory")):
        with pytest.raises(SystemExit) as caught:
            run_command(work)
        assert caught.value.code == 2
        line = capsys.readouterr().err
        assert line.startswith("error: ")
        assert line.count("\n") == 1
        assert words in line


def test_names_reach_the_terminal_spelled() -> None:
    assert one_line("a\nb\x1b[31mc\x9b\u202e\u2028é ε") == "a\\nb\\x1b[31mc\\x9b\\u202e\\u2028é ε"
    assert (
        str(UserError("system = 'x\x1b]0;title\x07\r\n': unknown")) == "system = 'x\\x1b]0;title\\x07\\r\\n': unknown"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested deeper than 32"),
        ("[" * 40 + "]" * 40, "nested deeper than 32"),
        ('{"a":' * 33 + "1" + "}" * 33, "nested deeper than 32"),
        ("9" * 4300, "an integer of 4300 digits"),
        ("9" * 10_000, "an integer of 10000 digits"),
        ("1e999", "out of range"),
        ("-1e999", "out of range"),
        ("NaN", "not a finite number"),
        ('{"a": 1, "a": 2}', "occurs twice"),
        ("{", "Expecting"),
    ],
)
def test_json_from_outside_is_bounded(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        strict_json.loads(text)
    assert len(str(caught.value)) < 120


def test_json_that_is_in_bounds_is_what_json_says() -> None:
    assert strict_json.loads('{"a": [1, 2.5, null, true, "x"], "b": 123456789012345678}') == {
        "a": [1, 2.5, None, True, "x"],
        "b": 123456789012345678,
    }
