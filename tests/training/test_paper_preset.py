"""The paper's own size (224 x 224, 14 layers, 12 heads) builds and takes a training step within 16 GiB."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_GIB = 16

STEP = """
import json, resource, sys, time
from pathlib import Path
from sc_sionna.core.startup import start_backend
start_backend()
import numpy as np
from sc_sionna.data.common import Images
from sc_sionna.settings.presets import make_preset
from sc_sionna.training.loop import Trainer
from sc_sionna.training.step import make_step

preset = make_preset("paper", "masked-vqvae", train={"channel": "link", "channel_ramp": 0.0, "warmup_epochs": 0.0})
draws = np.random.default_rng(0)
count = preset.train.batch_size
pixels = draws.integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)
images = Images("noise", "train", pixels, np.arange(count, dtype=np.int32) % 10, tuple("0123456789"))
trainer = Trainer(preset, images, images, Path(sys.argv[1]))
began = time.monotonic()
found = {"parameters": trainer.model.count_params()}
for task in ("reconstruct", "classify"):
    optimizer = trainer._optimizer(1)
    optimizer.build(trainer.model.trainable_variables)
    before = trainer.model.encoder.trainable_variables[0].numpy().copy()
    found[task] = trainer._epoch(make_step(trainer.model, preset.train, task, optimizer), task, 0)
    after = trainer.model.encoder.trainable_variables[0].numpy()
    found[task]["moved"] = float(np.abs(after - before).max())
found["seconds"] = time.monotonic() - began
found["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps(found))
"""


@pytest.mark.slow
def test_one_step_within_16_gib(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-c", STEP, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():
        print(f"\n{found['parameters']:,} parameters, {found['peak_gib']:.1f} GiB, {found['seconds']:.0f} s")
    assert found["parameters"] > 14 * 7_000_000  # 12 · 768² in each of 14 blocks
    assert found["peak_gib"] < LIMIT_GIB
    for task in ("reconstruct", "classify"):
        assert "skipped_steps" not in found[task]  # a loss that is not finite is skipped and counted
        assert 0 < found[task]["moved"] < 0.1
    # an untrained classifier of ten classes is near ln 10, with label smoothing too
    assert found["classify"]["task"] == pytest.approx(math.log(10), rel=0.5)
    assert 0 < found["reconstruct"]["task"] < 2  # mean squares of pixels in [0, 1], or of normalised ones
