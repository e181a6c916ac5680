"""Resampling along one axis as a matrix, for the methods that targets have no kernel for.

The kernels, the clipping at the edges and the normalization are those of TensorFlow 2.21, which computes them for
Keras (``tf.image.resize``): tensorflow/core/kernels/image/{sampling_kernels.h, scale_and_translate_op.cc,
resize_bicubic_op.cc, resize_area_op.cc}. Each was compared with it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kexport.ir.graph import Array

Kernel = Callable[[Array], Array]


def _triangle(x: Array) -> Array:
    return np.where(x < 1, 1 - x, 0)


def _keys_cubic(x: Array) -> Array:
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _mitchell_cubic(x: Array) -> Array:
    near = (7 / 6 * x - 2) * x * x + 8 / 9
    far = ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _gaussian(x: Array) -> Array:
    return np.where(x < 1.5, np.exp(-np.square(x) / (2 * 0.5**2)), 0)


def _lanczos(radius: int) -> Kernel:
    return lambda x: np.where(x <= radius, np.sinc(x) * np.sinc(x / radius), 0)


#: Weights by distance, in elements of the input.
KERNELS: dict[str, Kernel] = {
    "bilinear": _triangle,
    "bicubic": _keys_cubic,
    "mitchellcubic": _mitchell_cubic,
    "gaussian": _gaussian,
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}

METHODS = (*KERNELS, "area")

#: TensorFlow's ResizeBicubic looks its kernel up at distances rounded to 1/1024.
BICUBIC_STEPS = 1024


def resampling_matrix(
    method: str, length: int, size: int, *, antialias: bool, tabulated: bool = True
) -> Array:
    """The matrix (size, length), float64, that resamples ``length`` elements to ``size``.

    Args:
        method: one of :data:`METHODS`.
        length, size: elements before and after.
        antialias: widen the kernel by ``length / size`` where that is above 1 (``area`` is antialiased anyway).
        tabulated: for ``bicubic`` without antialiasing, use TensorFlow's table of the kernel (else the kernel itself).
    """
    if method == "area":
        return _area(length, size)
    kernel = KERNELS[method]
    # In float32, since the gaussian ends in a step, on whose side of it rounding may put an element.
    scale = np.float32(1) / (np.float32(size) / np.float32(length))
    stretch = max(scale, np.float32(1)) if antialias else np.float32(1)
    samples = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * scale
    distances = np.arange(length, dtype=np.float32) + np.float32(0.5) - samples[:, None]
    if method == "bicubic" and not antialias and tabulated:
        distances = _tabulated(distances)
    weights = kernel(np.abs(distances) * (np.float32(1) / stretch)).astype(np.float64)
    # What lies beyond the edge has no weight; the rest is made to sum to 1.
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _tabulated(distances: Array) -> Array:
    """Distances as the table has them: whole elements plus a fraction rounded to its steps."""
    return np.asarray(np.rint(distances * BICUBIC_STEPS) / BICUBIC_STEPS)


def _area(length: int, size: int) -> Array:
    """Output i is the mean of the input over ``[i, i + 1) * length / size``, elements in part where it cuts them."""
    edges = np.arange(size + 1) * (length / size)
    low, high = edges[:-1, None], edges[1:, None]
    elements = np.arange(length)
    overlap = np.minimum(high, elements + 1) - np.maximum(low, elements)
    return np.asarray(np.maximum(overlap, 0) / (length / size))
