"""RandomCrop at inference, as each version of Keras has it."""

from __future__ import annotations

import numpy as np
import pytest

from kexport.ir.evaluate import evaluate
from kexport.loading.spec import Provenance
from kexport.lowering import lower
from lowering.one_layer import keras
from lowering.specs import one_layer
from support.comparing import assert_close

SHAPES = [(9, 8), (9, 20), (17, 6), (3, 4), (5, 7)]


def cropped(version, image, **more):
    spec = one_layer(
        (None, *image.shape[1:]),
        "RandomCrop",
        Provenance(version, "tensorflow", "keras"),
        height=5,
        width=7,
        **more,
    )
    return evaluate(lower(spec), [image])[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("version", ["2.15.0", "3.0.5", "3.5.0"])
def test_until_3_5_the_largest_part_of_the_ratio_is_resized(version, shape):
    from keras.src.utils.image_utils import smart_resize

    image = np.random.default_rng(1).normal(size=(1, *shape, 3)).astype(np.float32)
    assert_close(cropped(version, image), np.asarray(smart_resize(image, (5, 7))))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("version", ["3.6.0", "3.7.0"])
def test_in_3_6_and_3_7_a_window_begins_where_that_part_does(version, shape):
    height, width = shape
    image = np.random.default_rng(1).normal(size=(1, *shape, 3)).astype(np.float32)
    # `get_random_transformation` and `transform_images` in random_crop.py, 3.6.0.
    top = int((height - max(min(height, int(width * 5 / 7)), 1)) / 2)
    left = int((width - max(min(width, int(height * 7 / 5)), 1)) / 2)
    window = image[:, top : top + 5, left : left + 7]
    wanted = window if window.shape[1:3] == (5, 7) else np.asarray(keras().ops.image.resize(window, (5, 7)))
    assert_close(cropped(version, image), wanted)


@pytest.mark.parametrize("version", ["3.8.0", "3.10.0", "3.15.1", "3"])
def test_since_3_8_images_stay_as_they_are(version):
    image = np.random.default_rng(1).normal(size=(1, 9, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(cropped(version, image), image)
