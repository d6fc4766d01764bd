"""CIFAR-10 (Krizhevsky 2009) by Keras's download, for machines with a network."""

from __future__ import annotations

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.data.common import Images, part_of_train

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def load_cifar10(split: str) -> Images:
    """The lossless original; raises UserError where it cannot be downloaded."""
    import keras

    try:
        (train_x, train_y), (test_x, test_y) = keras.datasets.cifar10.load_data()
    except Exception as error:  # keras wraps every network failure in a bare Exception
        raise UserError(
            f"dataset = 'cifar10': the download failed ({str(error).splitlines()[0]}); "
            "give --data-dir with a local folder cifar10/train/CLASS/FILE"
        ) from None
    if split == "test":
        return Images("cifar10", split, test_x, test_y.ravel().astype(np.int32), CLASSES)
    labels = train_y.ravel().astype(np.int32)
    chosen = part_of_train(labels, split)
    return Images("cifar10", split, train_x[chosen], labels[chosen], CLASSES)
