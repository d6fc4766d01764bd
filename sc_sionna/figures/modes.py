"""Block error rates of a link's modes against SNR, and the most bits per channel use under a target, from a record alone."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from sc_sionna.figures import style
from sc_sionna.sweep.metrics import BLOCK_ERROR_RATE
from sc_sionna.sweep.record import Record

TARGETS = (0.1, 0.01)


def rates_by_mode(record: Record) -> dict[str, dict[float, float]]:
    """Block error rate of every mode by SNR in dB, points that were run."""
    rates: dict[str, dict[float, float]] = {}
    for point in record.points:
        if point.value is not None:
            rates.setdefault(point.system, {})[point.snr_db] = point.value
    return rates


def best_bits(record: Record, target: float, num_streams: int | None = None) -> dict[float, int]:
    """By SNR in dB the most bits of a mode whose block error rate is at most ``target``; 0 where none is.

    num_streams : only the modes with so many streams; None for all
    """
    found: dict[float, int] = {}
    for name, rates in rates_by_mode(record).items():
        mode = record.notes["modes"][name]
        if num_streams in (None, mode["num_streams"]):
            for snr_db, rate in rates.items():
                found[snr_db] = max(found.get(snr_db, 0), mode["bits"] if rate <= target else 0)
    return dict(sorted(found.items()))


def plot_modes(record: Record, path: Path, title: str | None = None) -> None:
    """Left the block error rate of every mode, right the most bits per use, by the number of streams.

    UserError for a record that is not one of modes.
    """
    modes = style.part_of(record, "notes", "modes")
    uses = record.settings["channel_uses"]
    ranks = sorted({mode["num_streams"] for mode in modes.values()})
    looks = {rank: {"color": style.COLOURS[number % len(style.COLOURS)]} for number, rank in enumerate(ranks)}
    with style.context():
        figure = Figure(figsize=(11, 4.8), layout="constrained")
        rates_axes, bits_axes = figure.subplots(1, 2)
        for name, rates in rates_by_mode(record).items():
            seen = [(snr_db, rate) for snr_db, rate in sorted(rates.items()) if rate > 0]
            rates_axes.plot(*zip(*seen, strict=True), linewidth=0.8, alpha=0.8, **looks[modes[name]["num_streams"]])
        rates_axes.set(yscale="log", xlabel="SNR (dB)", ylabel=BLOCK_ERROR_RATE.name.replace("_", " ").capitalize())
        rates_axes.set_title("every modulation and code rate; zeros left out", fontsize="medium")
        for rank in ranks:
            found = best_bits(record, TARGETS[0], rank)
            label = f"{rank} stream{'s' if rank > 1 else ''}"
            shown = [bits / uses for bits in found.values()]
            bits_axes.plot(list(found), shown, ":", marker=".", label=label, **looks[rank])
        for target, line in zip(TARGETS, ("-", "--"), strict=True):
            found = best_bits(record, target)
            shown = [bits / uses for bits in found.values()]
            bits_axes.plot(list(found), shown, line, color="black", label=f"best of all, error rate {target:g}")
        bits_axes.set(xlabel="SNR (dB)", ylabel="Information bits per channel use", ylim=(0, None))
        bits_axes.set_title(f"the most that meets a block error rate of {TARGETS[0]:g}", fontsize="medium")
        least = min(point.counts["blocks"] for point in record.points if point.counts)
        most = max(point.counts["blocks"] for point in record.points if point.counts)
        note = f"{len(modes)} modes, {least:,} to {most:,} blocks per point"
        style.finish_figure(figure, bits_axes, title, note)
        style.save(figure, path)


def plot_code_words(record: Record, path: Path, title: str | None = None) -> None:
    """Block error rate of every code word against the distance of the SNR from capacity, coloured by its symbols.

    UserError for a record that is not one of code words.
    """
    words = style.part_of(record, "notes", "words")
    lengths = sorted({word["symbols"] for word in words.values()})
    with style.context():
        figure = Figure(figsize=(6.8, 4.6), layout="constrained")
        axes = figure.subplots()
        for number, length in enumerate(lengths):
            axes.plot([], [], color=style.COLOURS[number % len(style.COLOURS)], label=f"{length} symbols")
        for name, rates in rates_by_mode(record).items():
            word = words[name]
            colour = style.COLOURS[lengths.index(word["symbols"]) % len(style.COLOURS)]
            seen = [(snr_db - word["limit_db"], rate) for snr_db, rate in sorted(rates.items()) if rate > 0]
            axes.plot(*zip(*seen, strict=True), linewidth=0.8, alpha=0.8, color=colour)
        axes.set(yscale="log", xlabel="SNR per symbol above that of capacity (dB)")
        axes.set_ylabel(BLOCK_ERROR_RATE.name.replace("_", " ").capitalize())
        note = f"{len(words)} code words; capacity of bit-interleaved coded modulation; zeros left out"
        style.finish_figure(figure, axes, title, note)
        style.save(figure, path)
