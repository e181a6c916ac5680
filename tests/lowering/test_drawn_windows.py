"""Convolutions and pools of drawn windows, strides, dilations, paddings and layouts, against Keras, in NumPy and on the targets' runtimes."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kexport.ir import TensorType
from kexport.ir.evaluate import evaluate
from lowering.live_model import on_targets
from lowering.one_layer import expected, lower_alone, sample
from support.comparing import assert_close

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
rank = st.integers(1, 3)
window = st.integers(1, 4)
layout = st.sampled_from(["channels_last", "channels_first"])
same = st.sampled_from(["valid", "same"])


def check(class_name: str, shape: tuple[int, ...], **arguments: Any) -> None:
    """The layer on ``shape``, channels last (without the batch), in the layout that ``arguments`` name."""
    if arguments.get("data_format") == "channels_first":
        shape = (shape[-1], *shape[:-1])
    x = sample((2, *shape))
    layer, wanted = expected(class_name, arguments, x)
    graph = lower_alone(layer, TensorType("float32", x.shape))
    assert_close(evaluate(graph, [x])[0], wanted)
    on_targets(lambda: lower_alone(layer, TensorType("float32", x.shape)), [x], [wanted])


def sizes(data: st.DataObject, count: int, each: st.SearchStrategy[int] = window) -> tuple[int, ...]:
    return data.draw(st.tuples(*[each] * count))


def image(data: st.DataObject, padding: str, reach: tuple[int, ...], channels: int) -> tuple[int, ...]:
    """Lengths that leave something of an image whose windows are ``reach`` wide."""
    lengths = sizes(data, len(reach), st.integers(1, 9))
    assume(padding != "valid" or all(n >= r for n, r in zip(lengths, reach, strict=True)))
    return (*lengths, channels)


@FEW
@given(
    data=st.data(),
    rank=rank,
    padding=same,
    groups=st.sampled_from([1, 1, 2, 4]),
    bias=st.booleans(),
    form=layout,
)
def test_convolution(
    data: st.DataObject, rank: int, padding: str, groups: int, bias: bool, form: str
) -> None:
    kernel, steps = sizes(data, rank), sizes(data, rank, st.integers(1, 3))
    ones, strided = (1,) * rank, data.draw(st.booleans())  # TensorFlow strides or dilates, never both
    dilations = ones if strided else steps
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True))
    if rank == 1 and form == "channels_last" and data.draw(st.booleans()):
        padding = "causal"
    check(
        f"Conv{rank}D",
        image(data, padding, reach, 4),
        filters=4 * data.draw(st.integers(1, 2)),
        kernel_size=kernel,
        strides=steps if strided else ones,
        dilation_rate=dilations,
        padding=padding,
        groups=groups,
        use_bias=bias,
        activation=data.draw(st.sampled_from([None, "relu", "tanh"])),
        data_format=form,
    )


@FEW
@given(data=st.data(), rank=rank, padding=same, bias=st.booleans(), form=layout)
def test_transposed_convolution(data: st.DataObject, rank: int, padding: str, bias: bool, form: str) -> None:
    kernel, strides = sizes(data, rank), sizes(data, rank, st.integers(1, 3))
    extra = data.draw(st.none() | st.just(()))
    if extra is not None:
        # TensorFlow takes the output lengths of which a convolution makes the input's length again.
        possible = [
            [n for n in range(s) if padding == "valid" or 0 < k % 2 + n <= s]
            for k, s in zip(kernel, strides, strict=True)
        ]
        assume(all(possible))
        extra = tuple(data.draw(st.sampled_from(choice)) for choice in possible)
    check(
        f"Conv{rank}DTranspose",
        (*sizes(data, rank, st.integers(1, 5)), 2),
        filters=3,
        kernel_size=kernel,
        strides=strides,
        padding=padding,
        output_padding=extra,
        use_bias=bias,
        data_format=form,
    )


@FEW
@given(
    data=st.data(),
    kind=st.sampled_from(["Depthwise", "Separable"]),
    rank=st.integers(1, 2),
    padding=same,
    multiplier=st.integers(1, 3),
    form=layout,
)
def test_convolution_by_channels(
    data: st.DataObject, kind: str, rank: int, padding: str, multiplier: int, form: str
) -> None:
    kernel, step = sizes(data, rank), data.draw(st.integers(1, 3))
    # TensorFlow's depthwise kernels have one stride, and no dilation beside it.
    stride, dilations = (
        (step, (1,) * rank) if data.draw(st.booleans()) else (1, sizes(data, rank, st.integers(1, 3)))
    )
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True))
    more = {"filters": 3} if kind == "Separable" else {}
    check(
        f"{kind}Conv{rank}D",
        image(data, padding, reach, data.draw(st.integers(1, 3))),
        kernel_size=kernel,
        strides=(stride,) * rank,
        dilation_rate=dilations,
        padding=padding,
        depth_multiplier=multiplier,
        use_bias=data.draw(st.booleans()),
        data_format=form,
        **more,
    )


@FEW
@given(data=st.data(), kind=st.sampled_from(["Max", "Average"]), rank=rank, padding=same, form=layout)
def test_pool(data: st.DataObject, kind: str, rank: int, padding: str, form: str) -> None:
    pool = sizes(data, rank)
    check(
        f"{kind}Pooling{rank}D",
        image(data, padding, pool, 3),
        pool_size=pool,
        strides=data.draw(st.none() | st.just(sizes(data, rank))),
        padding=padding,
        data_format=form,
    )


@FEW
@given(data=st.data(), kind=st.sampled_from(["Max", "Average"]), rank=rank, form=layout)
def test_pool_of_everything_and_to_a_size(data: st.DataObject, kind: str, rank: int, form: str) -> None:
    lengths = sizes(data, rank, st.integers(1, 7))
    if data.draw(st.booleans()):
        check(
            f"Global{kind}Pooling{rank}D", (*lengths, 3), keepdims=data.draw(st.booleans()), data_format=form
        )
    else:
        # To one element, TensorFlow's function pools by a window longer than the input, which ends the process.
        assume(min(lengths) > 1)
        target = tuple(data.draw(st.integers(2, length)) for length in lengths)
        check(f"Adaptive{kind}Pooling{rank}D", (*lengths, 3), output_size=target, data_format=form)
