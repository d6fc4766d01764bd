"""What a trained code carries beyond the class: its indices, images lost on the link, and a decoder of frozen indices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from pydantic import Field

from sc_sionna.core import rng
from sc_sionna.core.atomic import write_text
from sc_sionna.core.backend import compile_function, value_and_grad
from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.data.common import Images, to_float
from sc_sionna.experiments.closed_form import ClosedForm, ClosedFormSettings
from sc_sionna.schemes import Batch, MaskedVqvaeScheme, describe_scheme, load_scheme_codec
from sc_sionna.semantic.codebook import usage
from sc_sionna.semantic.codec import SemanticCodec, make_masking
from sc_sionna.semantic.content import payload_content, variance_within
from sc_sionna.semantic.decoder import Decoder, ReconstructHead
from sc_sionna.settings import LARGEST, Decibel
from sc_sionna.sweep import Record
from sc_sionna.sweep.metrics import wilson

BATCH = 128
TOLD_SNR_DB = 18.0  # to a decoder that asks for it, where nothing is lost


def batches(images: Images, seed: int) -> Iterator[Batch]:
    """All images in order, float, each batch with its number."""
    for number, start in enumerate(range(0, len(images), BATCH)):
        pixels = to_float(images.pixels[start : start + BATCH])
        yield Batch(pixels, images.labels[start : start + BATCH], number, seed)


def share(hits: int, trials: int) -> dict[str, Any]:
    """Counts with their rate and its Wilson 95 % interval; None for what was not tried."""
    return {"count": hits, "of": trials, "rate": hits / trials if trials else None, "interval": wilson(hits, trials)}


def payload_of(codec: SemanticCodec, images: Images, seed: int) -> dict[str, Any]:
    """Content of the payloads of ``images`` and error-free accuracy, with one draw of the mask for each image."""
    masking = make_masking(codec.settings)
    forward = compile_function(lambda *inputs: codec(*inputs, training=False))
    found: dict[str, list[np.ndarray]] = {"features": [], "indices": [], "keep": [], "predicted": []}
    for batch in batches(images, seed):
        keep = masking(len(batch.labels), rng.generator(seed, "mask", batch.index))
        outputs = forward(batch.images, keep, np.full(len(keep), TOLD_SNR_DB, np.float32))
        found["keep"].append(keep)
        found["predicted"].append(ops.convert_to_numpy(outputs["logits"]).argmax(-1))
        for name in ("features", "indices"):
            found[name].append(ops.convert_to_numpy(outputs[name]))
    features, indices, keep, predicted = (np.concatenate(found[name]) for name in found)
    counts = np.bincount(indices.ravel(), minlength=codec.settings.codebook.size)
    return {
        "error_free": share(int((predicted == images.labels).sum()), len(images)),
        "most_frequent_share": float(np.mean([np.bincount(row).max() / len(row) for row in indices])),
        "variance_within": variance_within(features),
        **payload_content(indices, keep, predicted),
        **usage(counts),
    }


def over_the_link(system: MaskedVqvaeScheme, images: Images, snr_db: float, seed: int) -> dict[str, Any]:
    """Accuracy over the link, and that of the images whose payload did not arrive as it was sent."""
    right = failed = right_of_failed = 0
    for batch in batches(images, seed):
        outputs = system.transmit(batch, snr_db)
        hits = outputs["predictions"] == batch.labels
        lost = (np.asarray(outputs["bits"]) != np.asarray(outputs["received_bits"])).any(axis=1)
        right, failed, right_of_failed = right + hits.sum(), failed + lost.sum(), right_of_failed + hits[lost].sum()
    return {
        "snr_db": snr_db,
        "accuracy": share(int(right), len(images)),
        "failed": share(int(failed), len(images)),
        "accuracy_of_failed": share(int(right_of_failed), int(failed)),
    }


class FrozenDecoder(keras.Model):
    """A fresh decoder from the codec's frozen indices to the image; ``call(received [B, N, D], keep [B, N]) -> images``."""

    def __init__(self, codec: SemanticCodec) -> None:
        super().__init__()
        settings = codec.settings.with_(decoder={"knows_snr": False})
        self.decoder = Decoder(settings, name="decoder")
        self.head = ReconstructHead(settings, name="reconstruct")

    def call(self, received: Any, keep: Any) -> Any:
        """Reconstructed images ``[B, H, W, 3]``; no SNR is told."""
        return self.head(self.decoder(received, keep, None))


def train_frozen_decoder(codec: SemanticCodec, train: Images, epochs: int, seed: int) -> FrozenDecoder:
    """Least mean squared error over all pixels; codec and codebook stay as they are."""
    rng.set_global_seeds(seed, "frozen decoder")
    model, masking = FrozenDecoder(codec), make_masking(codec.settings)
    model(np.zeros((1, codec.num_kept, codec.settings.code_dim), np.float32), np.arange(codec.num_kept)[None])
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(train) // BATCH))
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(model.trainable_variables)
    assert codec.codebook is not None
    codebook = codec.codebook

    def step(images: Any, keep: Any) -> Any:
        snr_db = ops.full((ops.shape(images)[0],), TOLD_SNR_DB, dtype="float32")
        received = ops.stop_gradient(codebook.decode(codec.encode(images, keep, snr_db)[1]))

        def loss() -> tuple[Any, Any]:
            error = ops.mean(ops.square(model(received, keep) - images))
            return error, error

        (error, _), gradients = value_and_grad(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return error

    compiled = compile_function(step)
    for epoch in range(epochs):
        generator = rng.generator(seed, "frozen decoder", epoch)
        order = generator.permutation(len(train))
        for start in range(0, len(train), BATCH):
            pixels = to_float(train.pixels[order[start : start + BATCH]])
            compiled(pixels, masking(len(pixels), generator))
    return model


def reconstruction_of(codec: SemanticCodec, train: Images, test: Images, epochs: int, seed: int) -> dict[str, Any]:
    """Reconstruction of ``test`` from frozen indices beside the mean training image of the predicted class.

    PSNR in dB from the mean squared error over all images, and the gain with its 95 % interval over images (paired; the
    logarithm of the ratio of means, linearised).
    """
    model, masking = train_frozen_decoder(codec, train, epochs, seed), make_masking(codec.settings)
    means = np.stack([to_float(train.pixels[train.labels == c]).mean(axis=0) for c in range(len(train.classes))])
    assert codec.codebook is not None
    errors: dict[str, list[np.ndarray]] = {"frozen": [], "mean": []}
    for batch in batches(test, seed):
        keep = masking(len(batch.labels), rng.generator(seed, "mask", batch.index))
        outputs = codec(batch.images, keep, np.full(len(keep), TOLD_SNR_DB, np.float32), training=False)
        predicted = ops.convert_to_numpy(outputs["logits"]).argmax(-1)
        shown = ops.convert_to_numpy(model(codec.codebook.decode(outputs["indices"]), keep))
        for name, image in (("frozen", shown), ("mean", means[predicted])):
            errors[name].append(np.square(image - batch.images).mean(axis=(1, 2, 3)))
    frozen, mean = (np.concatenate(errors[name]).astype(np.float64) for name in errors)
    gain = 10 * np.log10(mean.mean() / frozen.mean())
    deviation = 10 / np.log(10) * (mean / mean.mean() - frozen / frozen.mean()).std(ddof=1) / np.sqrt(len(mean))
    return {
        "psnr_db": float(-10 * np.log10(frozen.mean())),
        "psnr_db_of_class_mean": float(-10 * np.log10(mean.mean())),
        "gain_db": float(gain),
        "interval_db": [float(gain - 1.96 * deviation), float(gain + 1.96 * deviation)],
        "training_images": len(train),
        "epochs": epochs,
        "images": len(test),
    }


class ContentSettings(ClosedFormSettings):
    """Which code is looked at, and how."""

    kind: Literal["codec-content"] = "codec-content"
    preset: str = Field("digits", description="the preset whose trained scheme is looked at")
    dataset: str = Field("digits", description="the data set of the images")
    system: str = Field("masked-vqvae", description="a scheme with a codebook")
    snr_db: tuple[Decibel, ...] = Field((3.0, 18.0), min_length=1, description="the SNRs of the link in dB")
    max_images: int | None = Field(None, ge=1, le=LARGEST, description="the number of test images; null for all")
    train_images: int = Field(10_000, ge=1, le=LARGEST, description="training images of the decoder of frozen indices")
    epochs: int = Field(4, ge=1, le=1000, description="its epochs")
    seed: int = Field(1, ge=0, le=LARGEST, description="the run seed")


class ContentExperiment(ClosedForm):
    """Payload, link and reconstruction of one trained code. The decoder of frozen indices is trained anew in each run."""

    tolerance = 0.05  # another processor trains another decoder of frozen indices, and rounds other features
    shown_as = "{name}.md"

    def __init__(self, settings: ContentSettings, data_dir: Path | None = None, weights: Path | None = None) -> None:
        super().__init__(settings, data_dir, weights)
        self.codec, preset = load_scheme_codec(settings.system, settings.preset, weights)
        if self.codec.codebook is None:
            raise UserError(f"system = {settings.system!r}: sends no indices; name a masked-vqvae scheme")
        size = preset.codec.image_size
        self.test = load(settings.dataset, "test", data_dir, size).shuffled(settings.max_images)
        self.train = load(settings.dataset, "train", data_dir, size).head(settings.train_images)
        self.data_set = f"{settings.dataset}, {len(self.test)} test images"
        self.scheme = MaskedVqvaeScheme(settings.system, self.codec, preset.link)

    def inputs(self) -> dict[str, Any]:
        """SHA-256 of the weights, of the test images, and of the training images."""
        description = describe_scheme(self.settings.system, self.settings.preset, self.weights)[1]
        return {
            "weights_sha256": {self.settings.system: description["sha256"]},
            "images_sha256": self.test.sha256(),
            "train_sha256": self.train.sha256(),
        }

    def values(self) -> dict[str, Any]:
        """What the indices say, what the link makes of them, and how well an image can be rebuilt from them."""
        s = self.settings
        return {
            "payload": payload_of(self.codec, self.test, s.seed),
            "link": [over_the_link(self.scheme, self.test, snr_db, s.seed) for snr_db in s.snr_db],
            "reconstruction": reconstruction_of(self.codec, self.train, self.test, s.epochs, s.seed),
        }

    def draw(self, record: Record, path: Path) -> None:
        """Three tables as a Markdown file."""
        write_text(path, as_markdown(record))


def as_markdown(record: Record) -> str:
    """The numbers of a record as sentences and rows."""
    payload, rebuilt = record.values["payload"], record.values["reconstruction"]
    free = payload["error_free"]
    low, high = rebuilt["interval_db"]
    lines = [
        f"# Content of the code of {record.settings['system']}, {record.data_set}",
        "",
        "| | |",
        "|---|---|",
        f"| accuracy, error-free | {_percent(free)} |",
        f"| different indices of an image | {payload['distinct_indices']:.1f} |",
        f"| most frequent index, share of the places | {100 * payload['most_frequent_share']:.0f} % |",
        f"| H(index given position and predicted class) | {payload['index_entropy_bits']:.2f} bits |",
        f"| variance of the features within images | {100 * payload['variance_within']:.0f} % |",
        f"| codes in use, perplexity | {payload['codes_used']}, {payload['perplexity']:.0f} |",
        f"| collapsed | {'yes' if payload['collapsed'] else 'no'} |",
    ]
    for row in record.values["link"]:
        lines += [
            f"| accuracy at {row['snr_db']:g} dB | {_percent(row['accuracy'])} |",
            f"| of the images received wrongly there | {_percent(row['accuracy_of_failed'])} |",
        ]
    lines += [
        f"| PSNR from frozen indices | {rebuilt['psnr_db']:.2f} dB |",
        f"| PSNR of the mean image of the predicted class | {rebuilt['psnr_db_of_class_mean']:.2f} dB |",
        f"| gain | {rebuilt['gain_db']:+.2f} dB [{low:+.2f}, {high:+.2f}] |",
    ]
    return "\n".join(lines) + "\n"


def _percent(found: dict[str, Any]) -> str:
    if found["rate"] is None:
        return "none of 0"
    low, high = found["interval"]
    return f"{100 * found['rate']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of {found['of']}"
