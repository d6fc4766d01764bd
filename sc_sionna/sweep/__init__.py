"""The Monte-Carlo engine: points, stop rules, a store that survives SIGKILL, records that say where a number is from.

``engine`` runs points batch by batch and decides when each has enough; ``store`` keeps every finished batch; ``progress`` is
what the user sees meanwhile; ``record`` and ``provenance`` write what was found and how; ``compare`` sets two records side
by side. None of them knows what a system is: a caller hands in ``evaluate(point, batch) -> counts``.
"""

from sc_sionna.sweep.compare import Comparison, compare, exactness
from sc_sionna.sweep.engine import PointResult, run_sweep, stored_results
from sc_sionna.sweep.point_record import PointRecord, point_records
from sc_sionna.sweep.points import Point, StopRule
from sc_sionna.sweep.progress import Progress, make_progress
from sc_sionna.sweep.record import Record, make_record, read_record, write_record
from sc_sionna.sweep.scores import MeanScore, Outcome, ScoreSummary
from sc_sionna.sweep.store import Store, StoredBatch, remove_store

__all__ = [
    "Comparison",
    "MeanScore",
    "Outcome",
    "Point",
    "PointRecord",
    "PointResult",
    "Progress",
    "Record",
    "ScoreSummary",
    "StopRule",
    "Store",
    "StoredBatch",
    "compare",
    "exactness",
    "make_progress",
    "make_record",
    "point_records",
    "read_record",
    "remove_store",
    "run_sweep",
    "stored_results",
    "write_record",
]
