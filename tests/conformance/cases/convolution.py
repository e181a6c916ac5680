"""Convolutions, transposed, depthwise and separable ones."""

from __future__ import annotations

from collections.abc import Iterable

from .case import K3, Case, layer_case


def _convolutions() -> Iterable[Case]:
    for rank, shape in ((1, (11, 4)), (2, (9, 8, 4)), (3, (6, 7, 5, 4))):
        name = f"Conv{rank}D"
        last = {"filters": 6, "kernel_size": 3}
        yield layer_case(name, "valid", shape, **last)
        yield layer_case(name, "same", shape, **last, padding="same", activation="relu")
        yield layer_case(name, "same-stride2", shape, **last, padding="same", strides=2, use_bias=False)
        yield layer_case(name, "valid-stride3", shape, filters=3, kernel_size=2, strides=3)
        yield layer_case(name, "dilated", shape, filters=3, kernel_size=2, dilation_rate=2, padding="same")
        yield layer_case(name, "groups", shape, only=K3, filters=6, kernel_size=3, groups=2, padding="same")
        yield layer_case(name, "kernel1", shape, filters=3, kernel_size=1, activation="sigmoid")
        yield layer_case(name, "wide-same", shape, filters=3, kernel_size=4, padding="same", strides=2)
        first = (shape[-1], *shape[:-1])
        yield layer_case(name, "channels_first", first, only=K3, **last, data_format="channels_first", padding="same", strides=2)
        yield layer_case(name, "channels_first-valid", first, only=K3, **last, data_format="channels_first")
        yield layer_case(name, "dynamic", (*(None,) * rank, 4), **last, padding="same", strides=2)
    yield layer_case("Conv1D", "causal", (11, 4), filters=5, kernel_size=3, padding="causal")
    yield layer_case("Conv1D", "causal-dilated", (None, 4), filters=5, kernel_size=3, padding="causal", dilation_rate=4)
    yield layer_case("Conv2D", "uneven", (9, 8, 4), filters=5, kernel_size=(1, 5), strides=(2, 1), padding="same")
    yield layer_case("Conv2D", "uneven-dilation", (9, 12, 4), filters=5, kernel_size=(2, 3), dilation_rate=(1, 3))


def _transposed() -> Iterable[Case]:
    for rank, shape in ((1, (7, 4)), (2, (5, 6, 4)), (3, (3, 4, 3, 4))):
        name = f"Conv{rank}DTranspose"
        yield layer_case(name, "valid", shape, filters=3, kernel_size=3)
        yield layer_case(name, "same-stride2", shape, filters=3, kernel_size=3, strides=2, padding="same", activation="relu")
        yield layer_case(name, "valid-stride2", shape, filters=3, kernel_size=2, strides=2, use_bias=False)
        yield layer_case(name, "valid-stride3", shape, filters=3, kernel_size=2, strides=3)
        yield layer_case(name, "even-kernel", shape, filters=3, kernel_size=4, strides=2, padding="same")
        first = (shape[-1], *shape[:-1])
        yield layer_case(name, "channels_first", first, only=K3, filters=3, kernel_size=3, strides=2, padding="same", data_format="channels_first")
    yield layer_case("Conv2DTranspose", "output_padding", (5, 6, 4), filters=3, kernel_size=3, strides=2, output_padding=1)
    yield layer_case("Conv2DTranspose", "output_padding-same", (5, 6, 4), filters=3, kernel_size=3, strides=(2, 3), padding="same", output_padding=(1, 2))
    yield layer_case("Conv2DTranspose", "dilated", (5, 6, 4), only=K3, filters=3, kernel_size=3, dilation_rate=2)
    yield layer_case("Conv2DTranspose", "dynamic", (None, None, 4), filters=3, kernel_size=3, strides=2, padding="same")


def _depthwise() -> Iterable[Case]:
    for rank, shape in ((1, (11, 4)), (2, (9, 8, 4))):
        depthwise, separable = f"DepthwiseConv{rank}D", f"SeparableConv{rank}D"
        yield layer_case(depthwise, "valid", shape, kernel_size=3)
        yield layer_case(depthwise, "same-stride2-multiplier", shape, kernel_size=3, strides=2, padding="same", depth_multiplier=2, activation="relu")
        yield layer_case(depthwise, "dilated", shape, kernel_size=3, dilation_rate=2, padding="same", use_bias=False)
        yield layer_case(separable, "valid", shape, filters=5, kernel_size=3)
        yield layer_case(separable, "same-stride2-multiplier", shape, filters=5, kernel_size=3, strides=2, padding="same", depth_multiplier=3, activation="tanh")
        yield layer_case(separable, "dilated", shape, filters=5, kernel_size=3, dilation_rate=2)
        first = (shape[-1], *shape[:-1])
        yield layer_case(depthwise, "channels_first", first, only=K3, kernel_size=3, padding="same", data_format="channels_first")
        yield layer_case(separable, "channels_first", first, only=K3, filters=5, kernel_size=3, padding="same", data_format="channels_first")
    yield layer_case("SeparableConv1D", "causal", (11, 4), only=("keras2",), filters=5, kernel_size=3, padding="causal")


CASES: tuple[Case, ...] = (*_convolutions(), *_transposed(), *_depthwise())
