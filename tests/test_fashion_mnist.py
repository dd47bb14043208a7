"""The bundled images are what the loader says they are."""

import numpy as np

from ensprune.fashion_mnist import CLASSES, load_fashion_mnist


def test_ten_thousand_images_a_thousand_of_each_class():
    X, y = load_fashion_mnist()
    assert X.shape == (10_000, 784)
    assert X.dtype == np.uint8
    assert np.bincount(y).tolist() == [1000] * len(CLASSES)
    assert X.max() == 255
    assert len(np.unique(X, axis=0)) > 9_900
