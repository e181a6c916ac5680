"""Convolution layers, lowered, against Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kexport.errors import LoweringError
from kexport.ir import TensorType, symbol
from kexport.ir.evaluate import evaluate
from kexport.loading.spec import Provenance
from lowering.one_layer import check, lower_alone, sample, spec
from support.comparing import assert_close

SHAPES = {1: (2, 11, 4), 2: (2, 9, 8, 4), 3: (2, 6, 7, 5, 4)}

CASES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    *(
        (f"Conv{rank}D", shape, {"filters": 6, "kernel_size": 3, **arguments})
        for rank, shape in SHAPES.items()
        for arguments in (
            {},
            {"padding": "same", "activation": "relu"},
            {"padding": "same", "strides": 2, "use_bias": False},
            {"kernel_size": 2, "strides": 3},
            {"kernel_size": 2, "dilation_rate": 2, "padding": "same"},
            {"groups": 2, "padding": "same"},
            {"kernel_size": 1},
            {"data_format": "channels_first", "padding": "same", "strides": 2},
            {"data_format": "channels_first"},
        )
    ),
    ("Conv1D", SHAPES[1], {"filters": 5, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}),
    ("Conv1D", SHAPES[1], {"filters": 5, "kernel_size": 4, "padding": "causal", "strides": 2}),
    ("Conv2D", SHAPES[2], {"filters": 5, "kernel_size": (1, 5), "strides": (2, 1), "padding": "same"}),
    ("Conv2D", SHAPES[2], {"filters": 5, "kernel_size": (2, 3), "dilation_rate": (1, 3)}),
    *(
        (f"Conv{rank}DTranspose", shape, {"filters": 3, "kernel_size": 3, **arguments})
        for rank, shape in SHAPES.items()
        for arguments in (
            {},
            {"strides": 2, "padding": "same", "activation": "relu"},
            {"kernel_size": 2, "strides": 3, "use_bias": False},
            {"kernel_size": 2, "strides": 3, "padding": "same"},
            {"kernel_size": 4, "strides": 2, "padding": "same"},
            {"kernel_size": 5, "strides": 1, "padding": "same"},
            {"strides": 3, "padding": "same", "output_padding": 1},
            {"strides": 3, "output_padding": 2},
            {"data_format": "channels_first", "strides": 2, "padding": "same"},
        )
    ),
    ("Conv2DTranspose", SHAPES[2], {"filters": 3, "kernel_size": (3, 2), "dilation_rate": 2}),
    ("Conv2DTranspose", SHAPES[2], {"filters": 3, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}),
    *(
        (f"{kind}Conv{rank}D", SHAPES[rank], {"kernel_size": 3, **arguments})
        for kind, more in (("Depthwise", {}), ("Separable", {"filters": 5}))
        for rank in (1, 2)
        for arguments in (
            more,
            {**more, "strides": 2, "padding": "same", "depth_multiplier": 2, "activation": "relu"},
            {**more, "dilation_rate": 2, "padding": "same", "use_bias": False},
            {**more, "dilation_rate": 2, "strides": 2, "padding": "same"},
            {**more, "data_format": "channels_first", "depth_multiplier": 3, "padding": "same"},
        )
    ),
]


def named(case: tuple[str, tuple[int, ...], dict[str, Any]]) -> str:
    return "-".join([case[0], *(f"{key}={value}" for key, value in case[2].items())])


@pytest.mark.parametrize("case", CASES, ids=named)
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_layer(case: tuple[str, tuple[int, ...], dict[str, Any]], dynamic: bool) -> None:
    name, shape, arguments = case
    channels = 1 if arguments.get("data_format") == "channels_first" else len(shape) - 1
    given = (*shape[:1], shape[-1], *shape[1:-1]) if channels == 1 else shape
    check(name, given, symbolic=[a for a in range(len(shape)) if dynamic and a != channels], **arguments)


per_axis = st.integers(1, 4)


@settings(max_examples=60)
@given(
    rank=st.integers(1, 3),
    data=st.data(),
    padding=st.sampled_from(["valid", "same"]),
    first=st.booleans(),
    groups=st.sampled_from([1, 1, 2, 4]),
    strided=st.booleans(),
)
def test_any_convolution(
    rank: int, data: st.DataObject, padding: str, first: bool, groups: int, strided: bool
) -> None:
    window = data.draw(st.tuples(*[per_axis] * rank))
    steps = data.draw(st.tuples(*[per_axis] * rank))
    spatial = data.draw(st.tuples(*[st.integers(1, 12)] * rank))
    dilations = (1,) * rank if strided else steps
    reaches = [d * (w - 1) + 1 for w, d in zip(window, dilations, strict=True)]
    assume(padding == "same" or all(n >= r for n, r in zip(spatial, reaches, strict=True)))
    check(
        f"Conv{rank}D",
        (2, 4, *spatial) if first else (2, *spatial, 4),
        filters=4,
        kernel_size=window,
        strides=steps if strided else (1,) * rank,
        dilation_rate=dilations,
        padding=padding,
        groups=groups,
        data_format="channels_first" if first else "channels_last",
    )


@settings(max_examples=60)
@given(
    data=st.data(),
    window=per_axis,
    stride=per_axis,
    length=st.integers(1, 8),
    same=st.booleans(),
    extra=st.booleans(),
)
def test_any_transposed_convolution(
    data: st.DataObject, window: int, stride: int, length: int, same: bool, extra: bool
) -> None:
    # TensorFlow takes the output lengths of which a convolution makes the input's length again; an output_padding of none
    # with `same` and an even window is an empty step, which it does not take.
    possible = [n for n in range(stride) if not same or 0 < window % 2 + n <= stride]
    assume(possible)
    output_padding = data.draw(st.sampled_from(possible)) if extra else None
    check(
        "Conv1DTranspose",
        (2, length, 3),
        filters=2,
        kernel_size=window,
        strides=stride,
        padding="same" if same else "valid",
        output_padding=output_padding,
    )


KERNEL = {"kernel": np.ones((3, 3, 4, 2), np.float32), "bias": np.ones(2, np.float32)}
CONV = {
    "filters": 2, "kernel_size": [3, 3], "strides": [1, 1], "padding": "same", "dilation_rate": [1, 1], "groups": 1,
    "activation": "linear", "use_bias": True, "data_format": "channels_last",
}  # fmt: skip
IMAGE = TensorType("float32", (1, 8, 8, 4))


def test_lists_and_single_numbers_are_arguments_too() -> None:
    graph = lower_alone(spec("Conv2D", KERNEL, **{**CONV, "strides": 2, "dilation_rate": None}), IMAGE)
    assert graph.outputs[0].shape == (1, 4, 4, 2)


def test_integers_are_computed_in_the_compute_dtype() -> None:
    graph = lower_alone(spec("Conv2D", KERNEL, **CONV), TensorType("uint8", (1, 8, 8, 4)))
    assert graph.outputs[0].dtype == "float32"


@pytest.mark.parametrize(
    ("config", "x", "message"),
    [
        ({}, TensorType("float32", (1, 8, 4)), "2 spatial dimensions"),
        ({}, TensorType("float32", (1, 8, 8, 3)), "does not fit the input"),
        ({"groups": 2}, IMAGE, "groups=2 does not fit"),
        ({"padding": "valid"}, TensorType("float32", (1, 8, 2, 4)), "too small for the window"),
        ({"padding": "reflect"}, IMAGE, "'valid', 'same', 'causal' or 'full'"),
        ({"kernel_size": [5, 3]}, IMAGE, r"has the kernel_size \(5, 3\)"),
        ({"strides": [1, 1, 1]}, IMAGE, "strides is an integer or 2 of them"),
        ({"data_format": "nchw"}, IMAGE, "data_format is"),
        ({}, TensorType("float32", (1, 8, 8, symbol("c"))), "number of channels must be known"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(config: dict[str, Any], x: TensorType, message: str) -> None:
    with pytest.raises(LoweringError, match=message) as caught:
        lower_alone(spec("Conv2D", KERNEL, **{**CONV, **config}), x)
    assert "'model/layer'" in str(caught.value)


def test_full_padding_of_keras_1() -> None:
    graph = lower_alone(spec("Conv2D", KERNEL, **{**CONV, "padding": "full"}), IMAGE)
    assert graph.outputs[0].shape == (1, 10, 10, 2)


@pytest.mark.parametrize(("padding", "length"), [("same", 5), ("same", 6), ("valid", 7), ("valid", 8)])
def test_the_output_shape_of_keras_1(padding: str, length: int) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    x, kernel = sample((2, 3, 3, 4)), sample((3, 3, 2, 4), seed=6)
    config = {
        "padding": padding,
        "strides": [2, 2],
        "output_shape": [None, length, length, 2],
        "use_bias": False,
    }
    layer = spec("Conv2DTranspose", {"kernel": kernel}, **{**CONV, **config})
    (computed,) = evaluate(lower_alone(layer, TensorType("float32", x.shape)), [x])
    wanted = tensorflow.nn.conv2d_transpose(x, kernel, (2, length, length, 2), 2, padding.upper()).numpy()
    assert_close(computed, wanted)


def test_a_transposed_convolution_is_valid_or_same() -> None:
    weights = {"kernel": np.ones((3, 3, 2, 4), np.float32), "bias": KERNEL["bias"]}
    with pytest.raises(LoweringError, match="padding is 'valid' or 'same'"):
        lower_alone(spec("Conv2DTranspose", weights, **{**CONV, "padding": "full"}), IMAGE)


@pytest.mark.parametrize(
    ("x", "shape", "message"),
    [
        (IMAGE, [None, 9], "output_shape has"),
        (TensorType("float32", (1, symbol("h"), 8, 4)), [None, 9, 9, 2], "known lengths"),
    ],
)
def test_an_output_shape_that_does_not_do_is_refused(x: TensorType, shape: list[Any], message: str) -> None:
    weights = {"kernel": np.ones((3, 3, 2, 4), np.float32), "bias": KERNEL["bias"]}
    with pytest.raises(LoweringError, match=message):
        lower_alone(spec("Conv2DTranspose", weights, **{**CONV, "output_shape": shape}), x)


def test_a_missing_weight_is_named() -> None:
    with pytest.raises(LoweringError, match="'bias' is missing"):
        lower_alone(spec("Conv2D", {"kernel": KERNEL["kernel"]}, **CONV), IMAGE)


def test_valid_is_the_same_on_every_backend() -> None:
    layer = spec("Conv2D", KERNEL, **{**CONV, "padding": "valid", "strides": [2, 2]})
    for backend in ("theano", "mxnet", "cntk"):
        assert lower_alone(layer, IMAGE, Provenance("2.3.1", backend, "h5")).outputs[0].shape == (1, 3, 3, 2)
