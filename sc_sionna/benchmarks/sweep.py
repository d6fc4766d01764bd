"""The main job by stage, and beside it the same counts made plainly: Sionna's decoder, nothing reused between SNRs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from sc_sionna.benchmarks.timing import interleaved
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings

SNRS_DB = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0)


class _Stages:
    """Seconds per stage; a stage's time excludes that of the stages called within it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = [0.0]

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + took - self._inner.pop()
            self._inner[-1] += took

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Time every call of ``owner.attribute``."""
        function: Callable[..., Any] = getattr(owner, attribute)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self._stage(name):
                return function(*args, **kwargs)

        object.__setattr__(owner, attribute, timed)

    def watch(self, system: Any) -> None:
        if system.payload == "indices":
            self.wrap(system, "_source", "mask, encoder, indices")
            links = [system.link]
        else:
            self.wrap(system, "_source", "JPEG streams")
            make = system._link

            def link(num_blocks: int) -> Any:
                new = num_blocks not in system._links
                made = make(num_blocks)
                if new:
                    self._watch_link(made)
                return made

            object.__setattr__(system, "_link", link)
            links = list(system._links.values())
        self.wrap(system, "_predict", "semantic decoder, classifier")
        self.wrap(system, "counts", "counting")
        for made in links:
            self._watch_link(made)

    def _watch_link(self, link: Any) -> None:
        self.wrap(link, "transmitter", "CRC, encoder, mapper")
        self.wrap(link.mimo, "meet", "channel, precoder")
        self.wrap(link, "over_the_air", "noise, LMMSE, demapper")
        self.wrap(link.receiver, "call", "LDPC decoder, CRC")


@dataclass(frozen=True)
class SweepBench:
    """``seconds``: way of working → total; ``stages``: the same by stage; ``same_counts``: with Sionna's decoder."""

    points: int
    images: int
    seconds: dict[str, float]
    stages: dict[str, dict[str, float]]
    same_counts: bool

    @property
    def ratio(self) -> float:
        """Speed of the main job, times the plain way's."""
        return self.seconds["plain"] / self.seconds["as shipped"]


def bench_sweep(quick: bool = False) -> SweepBench:
    """Run the main job on the digits as shipped, with Sionna's decoder, and plainly; about two minutes on two cores."""
    snrs_db = SNRS_DB[4:6] if quick else SNRS_DB
    settings = AccuracySettings(snr_db=snrs_db, max_images=128 if quick else None)
    ways = {
        "as shipped": _Way(settings, "auto", reuse=True),
        "Sionna's decoder": _Way(settings, "sionna", reuse=True),
        "plain": _Way(settings, "sionna", reuse=False),
    }
    timing = interleaved(ways, repetitions=1, warm_up=0)  # minutes each; a way compiles when it is built
    stages = {
        name: way.watch.seconds | {"other": timing.seconds[name] - sum(way.watch.seconds.values())}
        for name, way in ways.items()
    }
    same = timing.results["Sionna's decoder"] == timing.results["plain"]
    first = ways["as shipped"].experiment
    return SweepBench(len(first.points()), len(first.images), timing.seconds, stages, same)


class _Way:
    """The main job with one decoder, its systems built, compiled and watched; called, it counts every batch.

    reuse : whether a batch's sources and error-free images are worked on once for all SNRs
    """

    def __init__(self, settings: AccuracySettings, decoder: Literal["auto", "sionna"], reuse: bool) -> None:
        self.experiment, self.reuse, self.watch = (
            AccuracyExperiment(settings.with_(link={"decoder": decoder})),
            reuse,
            _Stages(),
        )
        self.experiment.prepare()
        points = self.experiment.points()
        self.experiment.evaluate(points[0], 0), self.experiment.evaluate(points[1], 0)  # compiles
        for name in settings.labels:
            self.experiment.scheme(name).forget()
            self.watch.watch(self.experiment.scheme(name))

    def __call__(self, _: int) -> list[dict[str, int]]:
        counts: list[dict[str, int]] = []
        for point in self.experiment.points():
            for batch in range(self.experiment.max_batches or 0):
                if not self.reuse:
                    self.experiment.scheme(point.system).forget()
                counts.append(self.experiment.evaluate(point, batch).counts)
        return counts


def format_sweep(bench: SweepBench) -> str:
    """The measurements as a Markdown table."""
    ways = list(bench.seconds)
    names = list(dict.fromkeys(name for way in ways for name in bench.stages[way]))
    lines = [
        f"Main job on the digits, {bench.points} points of {bench.images} images, compiled beforehand; *plain*: Sionna's "
        "decoder, sources and error-free images worked on at every SNR anew",
        "",
        "| seconds | " + " | ".join(ways) + " |",
        "|---" * (len(ways) + 1) + "|",
        *(f"| {name} | " + " | ".join(f"{bench.stages[w].get(name, 0.0):.2f}" for w in ways) + " |" for name in names),
        "| total | " + " | ".join(f"{bench.seconds[way]:.2f}" for way in ways) + " |",
        "",
        f"{bench.ratio:.1f} times the plain way; counts with Sionna's decoder, reused or plain: "
        + ("equal" if bench.same_counts else "DIFFERENT"),
    ]
    return "\n".join(lines)
