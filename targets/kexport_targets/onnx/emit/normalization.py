"""Normalizations over the last axes; legalization leaves no others.

In operator sets that lack the operator it is spelled out, just as ONNX Runtime recognizes it and makes one kernel of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kexport.ir import Array, Node, Value, dtypes
from kexport_targets.onnx.emit.emitter import Emitter, emits


@emits("layer_norm")
def layer_norm(e: Emitter, node: Node) -> None:
    """LayerNormalization, since opset 17."""
    scale, offset = _parameter(e, node, 1, np.ones), _optional(node, 2)
    if e.opset < 17:
        _layer_norm_in_parts(e, node, scale, offset)
        return
    e.op("LayerNormalization", [node.input(0), scale, offset], node.outputs, **_attributes(node))


@emits("rms_norm")
def rms_norm(e: Emitter, node: Node) -> None:
    """RMSNormalization, since opset 23."""
    scale = _parameter(e, node, 1, np.ones)
    if e.opset < 23:
        _rms_norm_in_parts(e, node, scale)
        return
    e.op("RMSNormalization", [node.input(0), scale], node.outputs, **_attributes(node))


def _layer_norm_in_parts(e: Emitter, node: Node, scale: str, offset: Value | None) -> None:
    """core/optimizer/layer_norm_fusion.cc of ONNX Runtime 1.17, ``LayerNormFusion``."""
    x = node.input(0)
    shift = e.name(offset) if offset is not None else _parameter(e, node, 2, np.zeros)
    centred = e.op("Sub", [x, _mean(e, node, e.name(x))])
    scaled = e.op("Mul", [e.op("Div", [centred, _root(e, node, centred)]), scale])
    e.op("Add", [scaled, shift], node.outputs)


def _rms_norm_in_parts(e: Emitter, node: Node, scale: str) -> None:
    """The same file, ``SimplifiedLayerNormFusion``."""
    x = node.input(0)
    e.op("Mul", [e.op("Div", [x, _root(e, node, e.name(x))]), scale], node.outputs)


def _root(e: Emitter, node: Node, x: str) -> str:
    """The root of the mean square and epsilon."""
    dtype = node.input(0).dtype
    power = _mean(e, node, e.op("Pow", [x, e.scalar(2.0, dtype)]))
    return e.op("Sqrt", [e.op("Add", [power, e.scalar(float(node.attrs["epsilon"]), dtype)])])


def _mean(e: Emitter, node: Node, x: str) -> str:
    """The axes are an input from opset 18 on."""
    axes = list(node.attrs["axes"])
    if e.opset >= 18:
        return e.op("ReduceMean", [x, e.ints(axes)], keepdims=1)
    return e.op("ReduceMean", [x], axes=axes, keepdims=1)


def _attributes(node: Node) -> dict[str, Any]:
    return {"axis": node.attrs["axes"][0], "epsilon": float(node.attrs["epsilon"])}


def _parameter(e: Emitter, node: Node, index: int, default: Callable[..., Array]) -> str:
    """A scale or an offset, which the operators require: ``default`` where there is none."""
    given = _optional(node, index)
    if given is not None:
        return e.name(given)
    x = node.input(0)
    shape = tuple(int(str(x.shape[axis])) for axis in node.attrs["axes"])
    key = (default.__name__, shape, x.dtype)
    return e.once(key, lambda: e.constant(default(shape, dtypes.numpy_dtype(x.dtype)), default.__name__))


def _optional(node: Node, index: int) -> Value | None:
    return node.inputs[index] if len(node.inputs) > index else None
