"""Which architectures have a class activation map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kexport.ir import Builder, TensorType, Value
from kexport_targets.web import TARGET
from kexport_targets.web.activation_map import activation_map
from support.graphs import graph_of
from targets.web.making import OPTIONS

KERNEL = np.arange(12, dtype=np.float32).reshape(4, 3)


def kernel(b: Builder) -> Value:
    return b.constant(KERNEL)


def mean(b: Builder, x: Value) -> Value:
    return b.op("dense", b.op("reduce_mean", x, axes=(1, 2), keepdims=False), kernel(b), None)


def greatest_of_channels_first(b: Builder, x: Value) -> Value:
    turned = b.op("transpose", x, perm=(0, 3, 1, 2))
    kept = b.op("reduce_max", turned, axes=(2, 3), keepdims=True)
    return b.op("sigmoid", b.op("dense", b.op("reshape", kept, shape=(1, 4)), kernel(b), None))


def whole_window(b: Builder, x: Value) -> Value:
    pooled = b.op("avg_pool", x, window=(5, 6), strides=(5, 6), padding=((0, 0), (0, 0)))
    return b.op("softmax", b.op("dense", b.op("reshape", pooled, shape=(1, 4)), kernel(b), None), axis=1)


def part_of_the_places(b: Builder, x: Value) -> Value:
    pooled = b.op("avg_pool", x, window=(5, 3), strides=(5, 3), padding=((0, 0), (0, 0)))
    flat = b.op("reshape", pooled, shape=(1, 8))
    return b.op("dense", flat, b.constant(np.ones((8, 3), np.float32)), None)


def over_the_channels(b: Builder, x: Value) -> Value:
    pooled = b.op("reduce_mean", x, axes=(2, 3), keepdims=False)
    return b.op("dense", pooled, b.constant(np.ones((5, 3), np.float32)), None)


def two_dense_layers(b: Builder, x: Value) -> Value:
    hidden = b.op("relu", mean(b, x))
    return b.op("dense", hidden, b.constant(np.ones((3, 3), np.float32)), None)


def flattened(b: Builder, x: Value) -> Value:
    flat = b.op("reshape", x, shape=(1, 120))
    return b.op("dense", flat, b.constant(np.ones((120, 3), np.float32)), None)


def made(body: Callable[[Builder, Value], Value]) -> Any:
    graph = graph_of({"x": TensorType("float32", (1, 5, 6, 4))}, lambda b, x: {"y": body(b, x)}, [])
    legal = TARGET.legalize(graph, OPTIONS)
    return activation_map(legal, legal.outputs[0])


@pytest.mark.parametrize("body", [mean, greatest_of_channels_first, whole_window])
def test_a_pool_over_all_places_with_a_dense_layer_behind_it(body):
    found = made(body)
    assert found is not None
    assert found.shape == (1, 5, 6, 3)


@pytest.mark.parametrize("body", [part_of_the_places, over_the_channels, two_dense_layers, flattened])
def test_others_have_none(body):
    assert made(body) is None
