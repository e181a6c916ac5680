"""From encoded images to an input of the model, inside the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from kexport.ir.dims import is_static
from kexport_targets.saved_model.emit.emitter import Dims, DType, Emitter, Operation
from kexport_targets.saved_model.emit.loop import Loop
from kexport_targets.saved_model.images import ImageSignature

_OPERATORS = {
    "bilinear": "ResizeBilinear",
    "nearest": "ResizeNearestNeighbor",
    "bicubic": "ResizeBicubic",
    "area": "ResizeArea",
}
#: What tf.image.resize calls the kernels of ScaleAndTranslate (tensorflow/python/ops/image_ops_impl.py, ``resize_images_v2``).
_KERNELS = {"bilinear": "triangle", "bicubic": "keyscubic"}


def add_images(e: Emitter, images: ImageSignature) -> tuple[str, str]:
    """Add what reads images; the placeholder of encoded ones (strings, one a sample), and what goes into the model."""
    batch = images.input.shape[0]
    attributes: dict[str, Any] = {
        "dtype": DType("string"),
        "shape": Dims([batch if isinstance(batch, int) else -1]),
    }
    name = e.program.fresh(images.key)
    encoded = e.program.add(Operation(name, "Placeholder", (), attributes), "string")
    x = _normalized(e, images, _decoded(e, images, encoded))
    if images.channels_first:
        x = e.op("Transpose", [x, e.ints([0, 3, 1, 2])])
    x = _in_dtype(e, x, images.input.dtype)
    if len(images.input.shape) == 3:
        x = e.op("Squeeze", [x], squeeze_dims=[3])
    if is_static(images.input.shape):
        x = e.op("EnsureShape", [x], shape=Dims(int(str(dim)) for dim in images.input.shape))
    return encoded, x


def _decoded(e: Emitter, images: ImageSignature, encoded: str) -> str:
    """float32 of (batch, height, width, channels), 0 to 255: a loop, as images are of any size until they are resized."""
    bounds = [e.ints([bound]) for bound in (0, 1, 1)]
    lengths = e.op("Shape", [encoded], dtype="int32", out_type=DType("int32"))
    count = e.op("StridedSlice", [lengths, *bounds], shrink_axis_mask=1)
    shape = e.ints([images.height, images.width, images.channels])
    kind = DType("float32")
    made = e.op("TensorListReserve", [shape, count], dtype="variant", element_dtype=kind)
    loop = Loop(e, [e.scalar(0), made], count)
    inner = Emitter(e.graph, around=e, frame=loop.frame)
    index, items = loop.now
    one = inner.op("GatherV2", [inner.enter(encoded), index, inner.scalar(0)])
    image = inner.op("DecodeImage", [one], dtype="uint8", channels=images.channels, expand_animations=False)
    floats = inner.op("Cast", [image], dtype="float32", DstT=kind)
    resized = _resized(inner, images, inner.op("ExpandDims", [floats, inner.scalar(0)]))
    item = inner.op("Reshape", [resized, inner.entered(shape)])
    following = [
        inner.op("AddV2", [index, inner.scalar(1)]),
        inner.op("TensorListSetItem", [items, index, item]),
    ]
    done = loop.close(inner, following)[1]
    return e.op("TensorListStack", [done, shape], dtype="float32", element_dtype=kind, num_elements=-1)


def _resized(e: Emitter, images: ImageSignature, x: str) -> str:
    """As ``tf.image.resize`` does it, pixel centres at halves."""
    size = e.ints([images.height, images.width])
    if images.resize in _OPERATORS and not images.antialias:
        centres: dict[str, Any] = {} if images.resize == "area" else {"half_pixel_centers": True}
        return e.op(_OPERATORS[images.resize], [x, size], dtype="float32", **centres)
    bounds = [e.ints([bound]) for bound in (1, 3, 1)]
    before = e.op("StridedSlice", [e.op("Shape", [x], dtype="int32", out_type=DType("int32")), *bounds])
    floats = [e.op("Cast", [length], dtype="float32", DstT=DType("float32")) for length in (size, before)]
    scale = e.op("RealDiv", floats)
    zeros = e.floats(np.zeros(2, np.float32))
    kernel = _KERNELS.get(images.resize, images.resize).encode()
    return e.op("ScaleAndTranslate", [x, size, scale, zeros], kernel_type=kernel, antialias=images.antialias)


def _normalized(e: Emitter, images: ImageSignature, x: str) -> str:
    if images.color == "BGR":
        order = [2, 1, 0, 3][: images.channels]
        x = e.op("GatherV2", [x, e.ints(order), e.scalar(3)])
    if images.scale != 1:
        x = e.op("Mul", [x, e.scalar(images.scale, "float32")])
    if any(images.bias):
        x = e.op("AddV2", [x, e.floats(np.asarray(images.bias, np.float32))])
    if images.mean:
        x = e.op("Sub", [x, e.floats(np.asarray(images.mean, np.float32))])
    if images.std:
        x = e.op("RealDiv", [x, e.floats(np.asarray(images.std, np.float32))])
    return x


def _in_dtype(e: Emitter, x: str, dtype: str) -> str:
    """In the input's dtype; of integers, the nearest that there is."""
    if dtype == "float32":
        return x
    if "int" in dtype:
        limits = np.iinfo(dtype)
        x = e.op("Round", [x])
        # The largest float32 that the dtype holds.
        top = np.float32(limits.max)
        top = top if int(top) <= limits.max else np.nextafter(top, np.float32(0))
        x = e.op(
            "Maximum",
            [e.op("Minimum", [x, e.scalar(float(top), "float32")]), e.scalar(float(limits.min), "float32")],
        )
    return e.op("Cast", [x], dtype=dtype, DstT=DType(dtype))
