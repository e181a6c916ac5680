"""Between channels, batch and space. Source: coremltools 9.0, mil/ops/defs/iOS15/tensor_transformation.py and
iOS16/tensor_transformation.py. Images are (n, c, h, w)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.ops.arguments import ints
from kexport_runtimes.coreml.registry import op
from kexport_runtimes.coreml.values import checked_size

Array = NDArray[Any]


@op("depth_to_space")
def depth_to_space(x: Array, block_size: Any) -> Array:
    """Channels into blocks; those of a block stand first in the channels."""
    b = int(block_size)
    n, c, h, w = x.shape
    return x.reshape(n, b, b, c // (b * b), h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, -1, h * b, w * b)


@op("space_to_depth")
def space_to_depth(x: Array, block_size: Any) -> Array:
    """Blocks into channels; those of a block stand first."""
    b = int(block_size)
    n, c, h, w = x.shape
    return x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4).reshape(n, -1, h // b, w // b)


@op("pixel_shuffle")
def pixel_shuffle(x: Array, upscale_factor: Any) -> Array:
    """Channels into blocks; those of a block stand together, last in the channels."""
    b = int(upscale_factor)
    n, c, h, w = x.shape
    return x.reshape(n, c // (b * b), b, b, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, -1, h * b, w * b)


@op("pixel_unshuffle", since="iOS16")
def pixel_unshuffle(x: Array, downscale_factor: Any) -> Array:
    """Blocks into channels; those of a block stand together."""
    b = int(downscale_factor)
    n, c, h, w = x.shape
    return x.reshape(n, c, h // b, b, w // b, b).transpose(0, 1, 3, 5, 2, 4).reshape(n, -1, h // b, w // b)


@op("space_to_batch")
def space_to_batch(x: Array, block_shape: Any, paddings: Any) -> Array:
    """Blocks of the padded image into the batch, which stays last in it."""
    p, q = ints(block_shape)
    edges = [(0, 0), (0, 0), *np.asarray(paddings).reshape(2, 2).tolist()]
    checked_size([size + sum(edge) for size, edge in zip(x.shape, edges, strict=True)])
    padded = np.pad(x, edges)
    n, c, h, w = padded.shape
    return (
        padded.reshape(n, c, h // p, p, w // q, q).transpose(3, 5, 0, 1, 2, 4).reshape(-1, c, h // p, w // q)
    )


@op("batch_to_space")
def batch_to_space(x: Array, block_shape: Any, crops: Any) -> Array:
    """The batch's blocks into the image, of which edges are cut off."""
    p, q = ints(block_shape)
    (top, bottom), (left, right) = np.asarray(crops).reshape(2, 2).tolist()
    n, c, h, w = x.shape
    image = x.reshape(p, q, n // (p * q), c, h, w).transpose(2, 3, 4, 0, 5, 1).reshape(-1, c, h * p, w * q)
    part: Array = image[:, :, top : h * p - bottom, left : w * q - right]
    return part
