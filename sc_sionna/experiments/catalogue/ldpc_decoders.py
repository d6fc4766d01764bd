"""Block error rate over Eb/N0 of the layered LDPC decoder and of Sionna's, on the same codewords and the same noise."""

from __future__ import annotations

from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.experiments.catalogue.entry import Entry, Numbers, Options, Run
from sc_sionna.experiments.ldpc import Curve, LdpcSettings, PublicRate
from sc_sionna.figures.decoders import gaps
from sc_sionna.settings import Settings
from sc_sionna.sweep import Record

CURVES = (  # points of one decoder alone are where its own curve reaches a block error rate of 0.01
    Curve(k=64, n=128, ebno_db=(1.0, 2.0, 2.5, 3.0, 3.4), sionna=(3.6,)),
    Curve(k=256, n=512, ebno_db=(1.0, 1.5, 1.9, 2.2)),
    Curve(k=784, n=1568, ebno_db=(1.0, 1.3, 1.5, 1.7)),
    Curve(k=1000, n=3000, ebno_db=(0.3, 0.6, 0.8, 0.95), sionna=(1.05,)),
    Curve(k=512, n=1024, ebno_db=(2.0,)),
    Curve(k=3840, n=7680, ebno_db=(0.85, 1.0, 1.1, 1.15), sionna=(1.25, 1.34), layered=(1.2,)),
    Curve(k=8448, n=12672, ebno_db=(1.65, 1.72, 1.78, 1.82), sionna=(1.92, 2.0, 2.05), layered=(1.86, 1.9)),
)
PUBLIC = PublicRate(k=512, n=1024, ebno_db=2.0, fer=0.0028, source="AFF3CT, 20 flooding sum-product iterations")
QUICK = (Curve(k=64, n=128, ebno_db=(1.0, 2.0, 2.5)), Curve(k=256, n=512, ebno_db=(1.0, 1.5)))


class Own(Settings):
    """Which codes."""

    only: Numbers = Field((), description="only the codes with these numbers of information bits, a,b,c; default all")


def runs(options: Options, own: Own) -> list[Run]:
    """One record; a quick one has two short codes and few errors."""
    curves = tuple(c for c in options.pick(CURVES, QUICK) if not own.only or c.k in own.only)
    if not curves:
        known = ", ".join(str(c.k) for c in options.pick(CURVES, QUICK))
        raise UserError(f"only = {', '.join(f'{k:g}' for k in own.only)}: no such code; choose among {known}")
    stop = {"errors": options.pick(200, 20), "max_batches": 100_000, **options.changes.get("stop", {})}
    public = PUBLIC if any((c.k, c.n) == (PUBLIC.k, PUBLIC.n) for c in curves) else None
    name = "ldpc_decoders" + ("_" + "_".join(f"{k:g}" for k in own.only) if own.only else "")
    return [Run(name + options.pick("", "_quick"), LdpcSettings(curves=curves, public=public, stop=stop))]


def print_summary(record: Record) -> None:
    """Layered minus Sionna at both block error rates, by code."""
    for row in gaps(record):
        if row.gap_db is not None:
            print(f"({row.k}, {row.n}) at BLER {row.rate}: {row.gap_db:+.3f} dB")


ENTRY = Entry(
    "the layered LDPC decoder beside Sionna's, block error rates of seven codes",
    "ldpc-decoders",
    runs,
    Own,
    takes=frozenset(),
    groups=("stop",),
    summary=print_summary,
)
