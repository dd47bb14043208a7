"""The bundled subset of Fashion-MNIST: 10,000 of its 70,000 images, for examples and tests."""

from __future__ import annotations

import numpy as np

from .datasets import packaged

FILE_NAME = "fashion_mnist_10k.npz"
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def load_fashion_mnist() -> tuple[np.ndarray, np.ndarray]:
    """Load 10,000 images of clothes, 1,000 of each of ten classes, in random order.

    Returns
    -------
    X : ndarray of shape (10000, 784), dtype uint8
        Grey values 0 to 255 of 28 x 28 pixels, row by row.
    y : ndarray of shape (10000,), dtype uint8
        0 to 9; :data:`CLASSES` has the names.

    Raises
    ------
    FileNotFoundError
        If the file is neither installed with the package nor in a checkout's ``datasets/``.

    Notes
    -----
    Drawn with ``numpy.random.default_rng(0)``, 1,000 images of each class without replacement out
    of training and test part together (the file's ``index`` has their positions), then permuted.
    Compressed as LZMA inside the npz, which `numpy.load` reads. MIT licence, (c) 2017 Zalando SE.

    References
    ----------
    Xiao, Rasul & Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms, 2017.
    """
    found = packaged(FILE_NAME)
    if not found.is_file():
        raise FileNotFoundError(f"{FILE_NAME} is neither installed with ensprune nor at {found}.")
    with found.open("rb") as stream, np.load(stream) as file:
        return file["X"], file["y"]
