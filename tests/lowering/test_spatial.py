"""Padding, cropping, upsampling and resizing layers, lowered, against Keras."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kexport.errors import LoweringError
from kexport.ir import TensorType, symbol
from kexport.ir.evaluate import evaluate
from kexport.loading.spec import Provenance
from lowering.one_layer import check, expected, lower_alone, sample, spec
from support.comparing import assert_close

SHAPES = {1: (2, 11, 4), 2: (2, 9, 8, 4), 3: (2, 6, 7, 5, 4)}
FORMATS = ["channels_last", "channels_first"]


def placed(shape: tuple[int, ...], data_format: str) -> tuple[int, ...]:
    return (shape[0], shape[-1], *shape[1:-1]) if data_format == "channels_first" else shape


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    ("rank", "amount"),
    [
        (1, 2),
        (1, (1, 2)),
        (1, (0, 3)),
        (2, 1),
        (2, (2, 1)),
        (2, ((1, 2), (0, 3))),
        (3, 1),
        (3, (2, 0, 1)),
        (3, ((1, 2), (0, 3), (1, 1))),
    ],
)
def test_padding_and_cropping(rank: int, amount: Any, data_format: str) -> None:
    shape = placed(SHAPES[rank], data_format)
    formats = {"data_format": data_format} if rank > 1 else {}
    if formats or data_format == "channels_last":
        check(f"Cropping{rank}D", shape, symbolic=(0, 2), cropping=amount, **formats)
    check(f"ZeroPadding{rank}D", shape, symbolic=(0, 2), padding=amount, data_format=data_format)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_integers_are_moved_as_they_are(dtype: str) -> None:
    check("ZeroPadding2D", SHAPES[2], dtype=dtype, padding=1)
    check("Cropping2D", SHAPES[2], dtype=dtype, cropping=1)
    check("UpSampling2D", SHAPES[2], dtype=dtype, size=2)


def test_cropping_everything_is_refused() -> None:
    with pytest.raises(LoweringError, match="leaves something"):
        lower_alone(spec("Cropping1D", cropping=[4, 4]), TensorType("float32", (1, 8, 2)))


@pytest.mark.parametrize("amount", [[1, 2, 3], [[1, 2, 3], [1, 2]], [[-1, 0], [0, 0]], "all"])
def test_amounts_that_are_none_are_refused(amount: Any) -> None:
    with pytest.raises(LoweringError, match="padding"):
        lower_alone(
            spec("ZeroPadding2D", padding=amount, data_format="channels_last"),
            TensorType("float32", (1, 8, 8, 2)),
        )


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("symbolic", [(), (0, 2)], ids=["static", "dynamic"])
@pytest.mark.parametrize(
    ("rank", "size"),
    [(1, 1), (1, 3), (2, 2), (2, (1, 3)), (2, 1), (3, 2), (3, (1, 2, 3)), (3, (2, 1, 1)), (3, 1)],
)
def test_upsampling(rank: int, size: Any, data_format: str, symbolic: tuple[int, ...]) -> None:
    if rank == 1 and data_format == "channels_first":
        return
    formats = {"data_format": data_format} if rank > 1 else {}
    check(f"UpSampling{rank}D", placed(SHAPES[rank], data_format), symbolic=symbolic, size=size, **formats)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos3", "lanczos5"])
def test_upsampling_by_interpolation(interpolation: str, data_format: str) -> None:
    shape = placed(SHAPES[2], data_format)
    symbolic = (0, 2) if interpolation == "bilinear" else (0,)
    check(
        "UpSampling2D",
        shape,
        symbolic=symbolic,
        size=(2, 3),
        interpolation=interpolation,
        data_format=data_format,
    )


@pytest.mark.parametrize("interpolation", ["area", "gaussian", "mitchellcubic", "bicubic", "lanczos5"])
@pytest.mark.parametrize("size", [(2, 3), (1, 2)])
def test_interpolations_of_keras_2(interpolation: str, size: tuple[int, int]) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    x = sample((2, 7, 5, 3))
    layer = spec("UpSampling2D", size=size, interpolation=interpolation, data_format="channels_last")
    (computed,) = evaluate(
        lower_alone(layer, TensorType("float32", x.shape), Provenance("2.15.0", "tensorflow", "h5")), [x]
    )
    assert_close(
        computed, tensorflow.image.resize(x, (7 * size[0], 5 * size[1]), method=interpolation).numpy()
    )


@pytest.mark.parametrize("interpolation", ["bicubic", "lanczos3"])
@pytest.mark.parametrize("antialias", [False, True])
def test_models_of_jax_have_the_cubic_kernel_itself(interpolation: str, antialias: bool) -> None:
    jax = pytest.importorskip("jax")
    x = sample((2, 7, 5, 3))
    layer = spec(
        "Resizing",
        **{**RESIZING, "height": 11, "width": 3, "interpolation": interpolation, "antialias": antialias},
    )
    (computed,) = evaluate(
        lower_alone(layer, TensorType("float32", x.shape), Provenance("3.15.0", "jax", "live")), [x]
    )
    wanted = jax.image.resize(
        x, (2, 11, 3, 3), "cubic" if interpolation == "bicubic" else interpolation, antialias=antialias
    )
    assert_close(computed, np.asarray(wanted))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("size", [(4, 12), (15, 3), (9, 8)])
@pytest.mark.parametrize("antialias", [False, True])
def test_resizing(size: tuple[int, int], interpolation: str, data_format: str, antialias: bool) -> None:
    shape = placed(SHAPES[2], data_format)
    check(
        "Resizing",
        shape,
        height=size[0],
        width=size[1],
        interpolation=interpolation,
        antialias=antialias,
        data_format=data_format,
    )


@settings(max_examples=60)
@given(
    lengths=st.tuples(*[st.integers(1, 30)] * 4),
    interpolation=st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos3"]),
    ratio=st.sampled_from(["stretch", "crop_to_aspect_ratio", "pad_to_aspect_ratio"]),
    antialias=st.booleans(),
    dtype=st.sampled_from(["float32", "uint8", "int8", "int32"]),
)
def test_any_resizing(
    lengths: tuple[int, int, int, int], interpolation: str, ratio: str, antialias: bool, dtype: str
) -> None:
    # Keras itself fails to pad integers.
    assume(dtype == "float32" or ratio != "pad_to_aspect_ratio")
    height, width, tall, wide = lengths
    how = {} if ratio == "stretch" else {ratio: True}
    graph = check_resizing(
        (2, height, width, 3),
        dtype,
        height=tall,
        width=wide,
        interpolation=interpolation,
        antialias=antialias,
        **how,
    )
    assert graph.outputs[0].shape == (2, tall, wide, 3)


def check_resizing(shape: tuple[int, ...], dtype: str, **arguments: Any) -> Any:
    """As ``check``; integers may differ by one where a sum falls on a half."""
    if dtype == "float32":
        return check("Resizing", shape, **arguments)
    x = sample(shape, dtype)
    layer, wanted = expected("Resizing", arguments, x)
    graph = lower_alone(layer, TensorType(dtype, shape))
    (computed,) = evaluate(graph, [x])
    assert computed.dtype == wanted.dtype
    assert np.abs(computed.astype(int) - wanted.astype(int)).max() <= 1
    assert (computed != wanted).mean() <= 0.1
    return graph


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(("height", "width"), list(itertools.product([4, 9, 12], [3, 8, 11])))
def test_center_crop(height: int, width: int, data_format: str) -> None:
    check("CenterCrop", placed(SHAPES[2], data_format), height=height, width=width, data_format=data_format)


def test_fill_value() -> None:
    check("Resizing", (1, 4, 9, 2), height=6, width=6, pad_to_aspect_ratio=True, fill_value=2.5)


DYNAMIC = TensorType("float32", (1, symbol("height"), symbol("width"), 3))
RESIZING = {"height": 4, "width": 5, "data_format": "channels_last"}


def test_bilinear_resizing_takes_any_length() -> None:
    check("Resizing", SHAPES[2], symbolic=(0, 1, 2), height=5, width=13)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"interpolation": "bicubic"}, "'bicubic' needs a known height and width"),
        ({"antialias": True}, "needs a known height and width"),
        ({"crop_to_aspect_ratio": True}, "Cropping to a ratio needs"),
        ({"pad_to_aspect_ratio": True}, "Padding to a ratio needs"),
        ({"interpolation": "sinc"}, "interpolation is one of"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "Only one of"),
        ({"height": 0}, "positive integers"),
        ({"pad_to_aspect_ratio": True, "fill_mode": "edge"}, "fill_mode is"),
    ],
)
def test_what_cannot_be_resized_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(LoweringError, match=message):
        lower_alone(spec("Resizing", **{**RESIZING, **config}), DYNAMIC)


def test_keras_2_returns_floats() -> None:
    layer = spec("Resizing", **RESIZING)
    graph = lower_alone(layer, TensorType("uint8", (1, 9, 8, 3)), Provenance("2.15.0", "tensorflow", "h5"))
    assert graph.outputs[0].dtype == "float32"
