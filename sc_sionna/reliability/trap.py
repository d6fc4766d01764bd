"""A module and a working folder in which nothing may happen: what does was imported or written without a word."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sc_sionna.core import plugins
from sc_sionna.reliability.outcome import Outcome

MODULE = "fuzz_trap"


class Trap:
    """Within it the path holds a module that leaves a file when it is imported, and the process works in an empty folder.

    folder : an empty one
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.here = folder, folder / "here"
        self.sprung = folder / "ran"

    def __enter__(self) -> Trap:
        self.here.mkdir()
        (self.folder / f"{MODULE}.py").write_text(
            f"import pathlib\npathlib.Path({str(self.sprung)!r}).touch()\nclass Trap:\n    pass\n"
        )
        self._back = Path.cwd()
        os.chdir(self.here)
        sys.path.insert(0, str(self.folder))
        self._allowed = set(plugins._allowed)
        return self

    def __exit__(self, *_: object) -> None:
        os.chdir(self._back)
        sys.path.remove(str(self.folder))
        sys.modules.pop(MODULE, None)
        plugins._allowed.clear()
        plugins._allowed.update(self._allowed)

    def report(self, case: str, outcome: Outcome, named: bool = False, written: tuple[str, ...] = ()) -> None:
        """Count what a case did that it may not, and clear it away.

        named : the user named the module in this case
        written : names in the working folder that the case may make
        """
        if self.sprung.exists() and not named:
            outcome.intrusion(case, f"imported {MODULE}")
        self.sprung.unlink(missing_ok=True)
        sys.modules.pop(MODULE, None)
        plugins._allowed.clear()
        plugins._allowed.update(self._allowed)
        for path in sorted(self.here.rglob("*"), reverse=True):
            if path.relative_to(self.here).parts[0] not in written and path.is_file():
                outcome.intrusion(case, f"wrote {path.relative_to(self.here)}")
            path.rmdir() if path.is_dir() else path.unlink()
