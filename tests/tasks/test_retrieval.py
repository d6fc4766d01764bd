"""The contrastive loss, nearest neighbours and recall by hand, and noise that moves the query away."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from sc_sionna.attacks.ball import random_sign_noise
from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.core.errors import UserError
from sc_sionna.semantic.codec import make_masking
from sc_sionna.tasks import make_codec, make_task
from sc_sionna.tasks.retrieval import average_precision_at_r, hits_at, nearest_others, supervised_contrastive
from tests.blocks import TINY

NAMED = TINY.with_(task="sc_sionna.tasks.retrieval:Retrieval")


def unit(count: int, size: int = 6, seed: int = 1) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((count, size))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_contrastive_loss_by_hand() -> None:
    z, labels, tau = unit(7).astype(np.float64), np.array([0, 1, 0, 2, 1, 0, 3]), 0.1
    losses = []
    for i in range(7):
        others = [a for a in range(7) if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        below = np.log(sum(np.exp(z[i] @ z[a] / tau) for a in others))
        if positives:  # labels 2 and 3 occur once
            losses.append(-np.mean([z[i] @ z[p] / tau - below for p in positives]))
    got = supervised_contrastive(ops.convert_to_tensor(z.astype(np.float32)), labels.astype(np.int32))
    assert len(losses) == 5
    assert float(got) == pytest.approx(np.mean(losses), rel=1e-5)


def test_contrastive_loss_of_a_batch_without_pairs_is_zero() -> None:
    assert float(supervised_contrastive(ops.convert_to_tensor(unit(3)), np.arange(3, dtype=np.int32))) == 0.0


@pytest.mark.parametrize("block", [1, 7, 64])
def test_nearest_neighbours_are_exact_in_any_block(block: int) -> None:
    x = unit(40)
    x[11] = x[5]  # equally similar to every query
    similarity = x.astype(np.float64) @ x.T.astype(np.float64)
    np.fill_diagonal(similarity, -np.inf)
    found = nearest_others(x, x, 39, own=np.arange(40), block=block)
    for query, row in enumerate(found):
        assert query not in row
        values = similarity[query, row]
        assert (np.diff(values) <= 1e-6).all()
        if query not in (5, 11):
            assert list(row).index(11) == list(row).index(5) + 1
    np.testing.assert_array_equal(found, nearest_others(x, x, 39, own=np.arange(40)))


def test_recall_and_average_precision_by_hand() -> None:
    gallery_labels = np.array([0, 0, 1, 1, 1])
    nearest = np.array([[2, 0, 1, 3], [2, 0, 3, 4]])
    labels = np.array([0, 1])
    hits = hits_at(nearest, labels, gallery_labels, (1, 2))
    assert hits[1].tolist() == [False, True]
    assert hits[2].tolist() == [True, True]
    # query 0: R = 2, right at rank 2 of (1, 2): P(2) = 1/2; query 1: R = 3, right at 1 and 3: 1 + 2/3
    found = average_precision_at_r(nearest, labels, gallery_labels, np.array([2, 3]))
    np.testing.assert_allclose(found, [0.5 / 2, (1 + 2 / 3) / 3])


@pytest.mark.parametrize(
    ("vectors", "count", "words"),
    [
        (unit(3), 3, "k = 3: a gallery of 3 images has 2 to choose from; lower k"),
        (unit(0), 1, "k = 1: a gallery of 0 images has 0 to choose from"),
        (unit(3) * np.array([[1], [np.nan], [1]], np.float32), 1, "embedding of query 1: not a finite number"),
    ],
)
def test_what_cannot_be_compared(vectors: np.ndarray, count: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        nearest_others(vectors, vectors, count, own=np.arange(len(vectors)))


def test_score_is_recall_at_1_among_the_others() -> None:
    x = unit(4)
    pairs = np.concatenate([x, x + 0.01 * unit(4, seed=2)])
    labels = np.tile(np.arange(4), 2)
    assert make_task(NAMED).score(pairs, labels).tolist() == [1.0] * 8
    assert make_task(NAMED).score(pairs, np.arange(8)).tolist() == [0.0] * 8


def test_noise_moves_the_query_away_more_than_random_signs() -> None:
    codec = make_codec(NAMED).initialise()
    random = np.random.default_rng(5)
    images, labels = random.random((4, 16, 16, 3)).astype(np.float32), np.arange(4, dtype=np.int32)
    keep = np.tile(np.arange(8, dtype=np.int32) * 2, (4, 1))
    victim = CodecVictim(codec, make_masking(NAMED), known=(keep,))
    settings = SourceAttackSettings(epsilon=0.05, steps=8, loss="retrieval", random_start=True, batch_size=4)

    def embedding(x: np.ndarray) -> np.ndarray:
        found = ops.convert_to_numpy(codec(x, keep, np.zeros(4, np.float32))["embedding"])
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
        return found

    def similarity(x: np.ndarray) -> float:
        return float((embedding(images) * embedding(x)).sum(axis=1).mean())

    attacked = SourceAttack(victim, settings).craft(images, labels, np.random.default_rng(6)).images
    controls = [similarity(random_sign_noise(images, 0.05, np.random.default_rng(seed))) for seed in range(3)]
    assert similarity(attacked) < min(controls)
