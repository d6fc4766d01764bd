"""``sc-sionna bench``: each prints a ratio against a plain alternative that was measured in the same run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sc_sionna.benchmarks.attack import bench_attack, format_attack
from sc_sionna.benchmarks.decoder import bench_decoder, format_decoder
from sc_sionna.benchmarks.link import bench_link, format_link
from sc_sionna.benchmarks.sweep import bench_sweep, format_sweep
from sc_sionna.core.atomic import write_text
from sc_sionna.core.errors import UserError
from sc_sionna.sweep.provenance import device_description, git_commit, versions

BENCHMARKS: dict[str, Callable[[bool], str]] = {
    "decoder": lambda quick: format_decoder(bench_decoder(quick)),
    "link": lambda quick: format_link(bench_link(quick)),
    "sweep": lambda quick: format_sweep(bench_sweep(quick)),
    "attack": lambda quick: format_attack(bench_attack(quick)),
}


def run_benchmark(what: str, quick: bool, out: Path | None = None) -> None:
    """Run one benchmark, or ``all``, print it, and write it with the machine's description to ``out`` if given."""
    if what != "all" and what not in BENCHMARKS:
        raise UserError(f"bench {what!r}: unknown; choose {', '.join(BENCHMARKS)}, or all")
    sections = []
    for name in BENCHMARKS if what == "all" else (what,):
        text = BENCHMARKS[name](quick)
        print(text, end="\n\n", flush=True)
        sections.append(f"## bench {name}\n\n{text}\n")
    if out is not None:
        write_text(out, f"# Benchmarks\n\n{_machine(what, quick)}\n\n" + "\n".join(sections))
        print(f"written to {out}")


def _machine(what: str, quick: bool) -> str:
    device, found, commit = device_description(), versions(), git_commit()
    command = f"python -m sc_sionna bench {what}" + (" --quick" if quick else "")
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, commit {(commit or {}).get('hash', 'unknown')[:12]}; "
        f"{device['cpu']}, {device['cores']} cores, {device['system']}; "
        + ", ".join(f"{name} {version}" for name, version in found.items())
        + ".\nA shared machine: ratios hold, absolute times drift."
    )
