"""The processor class: what it tells apart, and that stores and records of an attacked sweep name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sc_sionna.attacks.threats import source_threat
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import record_of, run_experiment
from sc_sionna.sweep import Store, compare, exactness, provenance
from sc_sionna.sweep.provenance import processor_class
from tests.sweep.fakes import accuracy_record


def test_the_class_names_instruction_set_threads_and_what_chooses_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in provenance.CHOOSERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(provenance.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(provenance, "_threads", lambda cores: 2)
    found = []
    for flags in ("fpu sse4_1 avx avx2", "fpu sse4_1 avx avx2 avx512f avx512_vnni amx_bf16", "fpu"):
        monkeypatch.setattr(provenance, "_cpu_field", lambda *names, flags=flags: flags)
        found.append(processor_class().split(", ")[:2])
    assert found == [["x86_64 avx2", "2 threads"], ["x86_64 amx_bf16", "2 threads"], ["x86_64", "2 threads"]]
    plain = processor_class()
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert processor_class() == f"{plain}, TF_ENABLE_ONEDNN_OPTS=0"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert "ONEDNN_MAX_CPU_ISA=AVX2" in processor_class()
    monkeypatch.setattr(provenance, "_threads", lambda cores: 64)
    assert "64 threads" in processor_class()


def test_an_attacked_sweep_keeps_what_was_crafted_and_where(tiny_weights: Path, tmp_path: Path) -> None:
    threat = (source_threat(0.1, steps=2),)
    settings = AccuracySettings(systems=("masked-vqvae",), snr_db=(3, 40), max_images=8, batch_size=4, threats=threat)
    job = AccuracyExperiment(settings, weights=tiny_weights)
    results, seconds = run_experiment(job, tmp_path / "s.sqlite", quiet=True)
    record = record_of(job, "noise", results, seconds)
    assert record.device["processors"] == [processor_class()]
    run_settings = {k: v for k, v in job.record_settings().items() if k != "stop"} | {"made_with": job.made_with()}
    with Store(tmp_path / "s.sqlite", run_settings) as store:
        rows = list(store.rows())
    assert {row.processor for *_, row in rows} == {processor_class()}
    marks: dict[tuple[bool, int], set[str | None]] = {}
    for key, number, row in rows:
        marks.setdefault((key.endswith(threat[0].label), number), set()).add(row.crafted)
    assert marks[False, 0] == marks[False, 1] == {None}
    assert all(len(marks[True, number]) == 1 for number in (0, 1))  # crafted once, whatever the SNR
    assert marks[True, 0] != marks[True, 1]
    assert job.crafted(job.points()[-1], 0) in marks[True, 0]


def test_records_are_compared_exactly_on_the_same_class_and_versions_only() -> None:
    record = accuracy_record()
    assert exactness(record, record)[0]
    other = record.model_copy(update={"device": {**record.device, "processors": ["another"]}})
    assert exactness(record, other) == (False, f"made on {processor_class()}, here on another")
    unnamed = record.model_copy(update={"device": {"cpu": "AMD EPYC"}})
    assert exactness(unnamed, record) == (False, "the record does not name its processor class")
    newer = record.model_copy(update={"versions": {**record.versions, "keras": "9"}})
    assert exactness(record, newer)[1] == f"made with keras {record.versions['keras']}, here 9"
    first = record.points[0]
    assert first.counts is not None
    counts = {**first.counts, "correct": first.counts["correct"] - 1}
    changed = first.model_copy(update={"counts": counts, "first_batch": counts})
    for a in (record, other, unnamed, newer):
        found = compare(a, record.model_copy(update={"points": (changed,)}))
        assert [c.agree for c in found] == [a is not record]
