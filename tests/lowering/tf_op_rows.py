"""The table of TensorFlow's functions: an id, and a function of ``tf`` and of tensors of Keras 2, which its parameters name.

The inputs, without their batch of 3, are those of ``operation_rows.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lowering.operation_rows import A6, A46, Function, weights

_UNARY = {
    "x": "math.abs math.ceil math.cos math.cosh math.erf math.exp math.expm1 math.floor math.negative math.round math.rint math.sign "
    "math.sin math.sinh math.square math.tan math.tanh math.atan math.asinh math.sigmoid math.softplus nn.relu nn.relu6 nn.elu "
    "nn.selu nn.silu nn.softsign nn.gelu nn.leaky_relu nn.crelu nn.softmax nn.log_softmax math.log_sigmoid math.erfc "
    "math.bessel_i0 identity stop_gradient zeros_like ones_like math.reduce_sum math.reduce_mean math.reduce_max math.reduce_min "
    "math.reduce_std math.reduce_variance math.reduce_logsumexp math.reduce_euclidean_norm math.l2_normalize norm "
    "math.argmax math.cumsum math.count_nonzero sort argsort size shape rank transpose squeeze nn.l2_loss "
    "linalg.matrix_transpose unstack",
    "p": "math.log math.log1p math.sqrt math.rsqrt math.reciprocal math.acosh",
    "w": "math.acos math.asin math.atanh math.erfinv",
    "k": "math.abs math.sign math.negative math.square math.reduce_sum math.reduce_max math.reduce_mean math.reduce_prod "
    "math.argmin zeros_like sort",
    "b": "math.logical_not math.reduce_any math.reduce_all math.count_nonzero",
    "n": "math.is_nan math.is_inf math.is_finite",
    "s": "linalg.diag_part linalg.trace linalg.inv linalg.det linalg.qr",
    "a": "image.flip_left_right image.flip_up_down image.rgb_to_grayscale image.rgb_to_hsv image.hsv_to_rgb image.transpose "
    "image.per_image_standardization image.rot90 image.sobel_edges",
}  # fmt: skip

_BINARY = (
    "math.add math.subtract math.multiply math.divide math.maximum math.minimum math.squared_difference math.atan2 math.greater "
    "math.greater_equal math.less math.less_equal math.equal math.not_equal math.divide_no_nan math.multiply_no_nan math.xdivy"
)


def _named(name: str, *letters: str, **options: Any) -> Function:
    """The function of that name on these inputs."""

    def call(tf: Any, *tensors: Any) -> Any:
        function = tf
        for part in name.split("."):
            function = getattr(function, part)
        return function(*tensors, **options)

    call.letters = letters
    return call


ROWS: dict[str, Function] = {}
for _letter, _names in _UNARY.items():
    for _name in _names.split():
        ROWS[f"{_name}-{_letter}"] = _named(_name, _letter)
for _name in _BINARY.split():
    ROWS[f"{_name}-x-y"] = _named(_name, "x", "y")
for _name in (
    "math.add",
    "math.floormod",
    "math.floordiv",
    "math.maximum",
    "math.less",
    "math.divide",
    "math.equal",
):
    ROWS[f"{_name}-k-m"] = _named(_name, "k", "m")

ROWS |= {
    # Python's operators
    "operators": lambda tf, x, y: 2 - (x + 1) * y / 3 + -abs(x),
    "operators-more": lambda tf, x, p: (x**2) // 0.5 % p,
    "operators-compare": lambda tf, x, y: ((x > y) & (x <= 1)) | ~tf.not_equal(y, x) ^ tf.equal(x, 0),
    "operators-int": lambda tf, k, m: (k // m) % 3 - 2 * k,
    "operators-mean": lambda tf, x: x * 2 + tf.reduce_mean(x),
    "operators-matmul": lambda tf, x: x @ tf.transpose(x, [0, 2, 1]),
    "operators-array": lambda tf, x: A6 + x * tf.constant(A46),
    "operators-right": lambda tf, x: 1.5 / (x * x + 1) - 3 ** tf.abs(x),
    # elementwise with arguments
    "gelu-approximate": lambda tf, x: tf.nn.gelu(x, approximate=True),
    "leaky_relu-alpha": lambda tf, x: tf.nn.leaky_relu(x, alpha=0.4),
    "silu-beta": lambda tf, x: tf.nn.silu(x, 1.5),
    "softmax-axis": lambda tf, x: tf.nn.softmax(x, axis=1),
    "xlogy": lambda tf, x, p: tf.math.xlogy(x, p) + tf.math.xlog1py(x, p),
    "reciprocal_no_nan": lambda tf, k: tf.math.reciprocal_no_nan(tf.cast(k, tf.float32)),
    "clip_by_value": lambda tf, x: tf.clip_by_value(x, -1, 1),
    "clip_by_value-tensor": lambda tf, x, p: tf.clip_by_value(x, -p, p),
    "clip_by_value-int": lambda tf, k: tf.clip_by_value(k, -2, 3),
    "clip_by_norm": lambda tf, x: tf.clip_by_norm(x, 2.0, axes=[2]),
    "cast": lambda tf, x, k: (tf.cast(x, tf.int32), tf.cast(k, "float16"), tf.cast(x, tf.bool)),
    "saturate_cast": lambda tf, x: tf.saturate_cast(x * 200, tf.uint8),
    "where": lambda tf, x: tf.where(x > 0, x, tf.zeros_like(x)),
    "where-numbers": lambda tf, x: tf.where(x > 0.5, x, -1.0),
    "where-array": lambda tf, b: tf.where(b, A6, 0.0),
    "add_n": lambda tf, x, y: tf.add_n([x, y, x]),
    "bitwise": lambda tf, k, m: tf.bitwise.bitwise_and(k, m) + tf.bitwise.bitwise_xor(k, m),
    "zeros_like-dtype": lambda tf, x: tf.zeros_like(x, dtype=tf.int32),
    "fill": lambda tf, x: tf.fill(tf.shape(x), 2.5) * x,
    "ones": lambda tf, x: tf.ones(tf.shape(x)[:2]) + x[:, :, 0],
    # reductions
    **{
        f"reduce_{name}-axis": _named(f"reduce_{name}", "q", axis=[1, -1], keepdims=True)
        for name in ("sum", "mean", "max", "min", "prod", "logsumexp")
    },
    "reduce_sum-positional": lambda tf, q: tf.reduce_sum(q, [1, 2], True),
    "reduce_any-axis": lambda tf, b: tf.reduce_any(b, axis=1),
    "argmax-axis": lambda tf, x: tf.argmax(x, axis=-1),
    "argmax-int32": lambda tf, x: tf.math.argmax(x, axis=1, output_type=tf.int32),
    "cumsum-arguments": lambda tf, x: tf.cumsum(x, axis=-1, exclusive=True, reverse=True),
    "cumprod": lambda tf, x: tf.math.cumprod(x, axis=1, reverse=True),
    "norm-axis": lambda tf, x: tf.norm(x, axis=-1, keepdims=True),
    "norm-1": lambda tf, x: tf.norm(x, ord=1, axis=2),
    "norm-inf": lambda tf, x: tf.norm(x, ord=np.inf, axis=1),
    "l2_normalize-axis": lambda tf, x: tf.math.l2_normalize(x, axis=-1),
    "linalg.normalize": lambda tf, x: tf.linalg.normalize(x, axis=1),
    "moments": lambda tf, x: tf.nn.moments(x, axes=[1], keepdims=True),
    "top_k": lambda tf, x: tf.math.top_k(x, k=2),
    "top_k-part": lambda tf, k: tf.nn.top_k(k, 3)[1],
    "in_top_k": lambda tf, i, x: tf.math.in_top_k(i[:, 0], x[:, 0], 3),
    "sort-descending": lambda tf, k: tf.sort(k, axis=1, direction="DESCENDING"),
    "argsort-descending": lambda tf, k: tf.argsort(k, direction="DESCENDING", stable=True),
    "unsorted_segment_sum": lambda tf, x, i: tf.math.unsorted_segment_sum(x, i[:, 0], 4),
    "unsorted_segment_max": lambda tf, x, i: tf.math.unsorted_segment_max(x, i[:, 0], num_segments=5),
    "searchsorted": lambda tf, v: tf.searchsorted(tf.constant([[-1.0, 0.0, 0.5]] * 3)[0], v[0]),
    "sequence_mask": lambda tf, m: tf.sequence_mask(m[:, 0], 6, dtype=tf.float32),
    # shapes
    "reshape": lambda tf, x: tf.reshape(x, [-1, 24]),
    "reshape-shape": lambda tf, x: tf.reshape(x, (tf.shape(x)[0], -1)),
    "reshape-computed": lambda tf, q: tf.reshape(q, tf.concat([tf.shape(q)[:2], [tf.shape(q)[2] * tf.shape(q)[3]]], axis=0)),
    "reshape-stack": lambda tf, q: tf.reshape(q, tf.stack([tf.shape(q)[0] * 4, 2, 6])),
    "transpose-perm": lambda tf, q: tf.transpose(q, perm=[0, 3, 1, 2]),
    "expand_dims": lambda tf, x: tf.expand_dims(x, -1),
    "expand_dims-keyword": lambda tf, x: tf.expand_dims(x, axis=1),
    "squeeze-axis": lambda tf, x: tf.squeeze(tf.expand_dims(x, 1), axis=[1]),
    "concat": lambda tf, x, y: tf.concat([x, y * 2], axis=-1),
    "concat-keywords": lambda tf, x, y: tf.concat(values=[x, y], axis=1),
    "concat-constant": lambda tf, x: tf.concat([x, tf.ones_like(x)[:, :1], np.zeros((3, 2, 6), "float32")], 1),
    "stack": lambda tf, x, y: tf.stack([x, y], axis=2),
    "split": lambda tf, x: tf.split(x, 3, axis=-1),
    "split-sizes": lambda tf, x: tf.split(x, [1, -1, 2], axis=2),
    "unstack-axis": lambda tf, x: tf.unstack(x, axis=1)[2],
    "tile": lambda tf, x: tf.tile(x, [1, 2, 1]),
    "tile-shape": lambda tf, v, x: tf.tile(v[:1], [tf.shape(x)[0], 1]),
    "broadcast_to": lambda tf, x: tf.broadcast_to(x[:, :1], tf.shape(x)),
    "repeat": lambda tf, x: tf.repeat(x, 2, axis=1),
    "repeat-list": lambda tf, x: tf.repeat(x, [1, 2, 1, 3], axis=1),
    "reverse": lambda tf, x: tf.reverse(x, axis=[1, -1]),
    "roll": lambda tf, x: tf.roll(x, shift=[1, -2], axis=[1, 2]),
    "pad": lambda tf, x: tf.pad(x, [[0, 0], [1, 1], [0, 2]]),
    "pad-value": lambda tf, x: tf.pad(x, [[0, 0], [1, 1], [0, 2]], constant_values=1.5),
    "pad-reflect": lambda tf, x: tf.pad(x, tf.constant([[0, 0], [1, 1], [0, 2]]), "REFLECT"),
    "depth_to_space": lambda tf, q: tf.nn.depth_to_space(tf.tile(q, [1, 1, 1, 2]), 2),
    "space_to_depth": lambda tf, a: tf.nn.space_to_depth(a, 2),
    "slice": lambda tf, x: tf.slice(x, [0, 1, 2], [-1, 2, 3]),
    "range": lambda tf, x: x + tf.cast(tf.range(tf.shape(x)[2]), tf.float32),
    "band_part": lambda tf, s: tf.linalg.band_part(s, 1, -1),
    "diag": lambda tf, v: tf.linalg.diag(v),
    "ensure_shape": lambda tf, x: tf.ensure_shape(x, [None, 4, 6]),
    "frame": lambda tf, x: tf.signal.frame(x, 4, 2),
    "shape-parts": lambda tf, x: tf.cast(tf.shape(x)[1] * tf.shape(x)[2], tf.float32) * x,
    "shape-int64": lambda tf, x: tf.shape(x, out_type=tf.int64),
    # indexing
    "getitem-int": lambda tf, x: x[:, 0],
    "getitem-slices": lambda tf, q: q[:, 1:3, ..., ::2],
    "getitem-new": lambda tf, x: x[..., ::2, None, -1],
    "getitem-backwards": lambda tf, x: x[:, ::-1],
    "getitem-one": lambda tf, x: x[1],
    "getitem-computed": lambda tf, x: x[:, tf.shape(x)[1] - 1, : tf.shape(x)[2] // 2],
    "getitem-tensor": lambda tf, x, i: x[:, i[0, 0]],
    "gather": lambda tf, x: tf.gather(x, [2, 0], axis=1),
    "gather-tensor": lambda tf, x, i: tf.gather(x, i, axis=1, batch_dims=1),
    "gather-first": lambda tf, x, i: tf.gather(x, i % 3),
    "gather_nd": lambda tf, x: tf.gather_nd(x, [[0, 1, 2], [2, 3, 5]]),
    "gather_nd-batch": lambda tf, x, i: tf.gather_nd(x, i[:, :, None], batch_dims=1),
    "one_hot": lambda tf, i: tf.one_hot(i, 5),
    "one_hot-arguments": lambda tf, i: tf.one_hot(i, depth=5, on_value=2.0, off_value=-1.0, axis=1),
    "one_hot-argmax": lambda tf, x: tf.one_hot(tf.argmax(x, axis=-1), 6, dtype=tf.int32),
    "scatter_nd": lambda tf, x: tf.scatter_nd([[1], [4], [1]], x, [6, 4, 6]),
    "tensor_scatter_nd_update": lambda tf, x, v: tf.tensor_scatter_nd_update(x, [[0, 1], [2, 3], [1, 1]], v),
    "tensor_scatter_nd_add": lambda tf, x, v: tf.tensor_scatter_nd_add(x, [[0, 1], [2, 3], [0, 1]], v),
    # products
    "matmul": lambda tf, x, y: tf.matmul(x, y, transpose_b=True),
    "matmul-weights": lambda tf, x: tf.matmul(x, weights(6, 3)),
    "matmul-left": lambda tf, x: tf.linalg.matmul(x, x, transpose_a=True),
    "matvec": lambda tf, x, v: tf.linalg.matvec(x, v),
    "tensordot": lambda tf, q: tf.tensordot(q, weights(2, 6, 3), axes=2),
    "tensordot-axes": lambda tf, q: tf.tensordot(q, weights(6, 4, 5), axes=[[1, 3], [1, 0]]),
    "cholesky": lambda tf, s: tf.linalg.cholesky(tf.matmul(s, s, transpose_b=True) + 3 * np.eye(5, dtype="float32")),
    "solve": lambda tf, s: tf.linalg.solve(s + 2 * np.eye(5, dtype="float32")[::-1], s[:, :, :2]),
    "triangular_solve": lambda tf, s: tf.linalg.triangular_solve(s + 3 * np.eye(5, dtype="float32"), s[:, :, :2], lower=False),
    # networks
    "conv2d": lambda tf, a: tf.nn.conv2d(a, weights(3, 2, 3, 4), strides=[1, 2, 2, 1], padding="SAME"),
    "conv2d-dilated": lambda tf, a: tf.nn.conv2d(a, weights(2, 2, 3, 4), 1, "VALID", dilations=[2, 1]),
    "conv2d-pads": lambda tf, a: tf.nn.conv2d(a, weights(3, 3, 3, 2), 1, [[0, 0], [1, 1], [2, 0], [0, 0]]),
    "conv1d": lambda tf, x: tf.nn.conv1d(x, weights(3, 6, 4), stride=1, padding="SAME"),
    "depthwise_conv2d": lambda tf, a: tf.nn.depthwise_conv2d(a, weights(3, 3, 3, 2), [1, 1, 1, 1], "SAME"),
    "max_pool2d": lambda tf, a: tf.nn.max_pool2d(a, ksize=2, strides=2, padding="VALID"),
    "avg_pool2d": lambda tf, a: tf.nn.avg_pool2d(a, [1, 3, 2, 1], [1, 2, 2, 1], "SAME"),
    "max_pool": lambda tf, a: tf.nn.max_pool(a, 2, 1, "SAME"),
    "bias_add": lambda tf, x: tf.nn.bias_add(x, A6),
    "batch_normalization": lambda tf, x: tf.nn.batch_normalization(x, A6, A6**2, A6 + 1, A6 * 2, 0.01),
    # images
    "resize": lambda tf, a: tf.image.resize(a, (4, 9)),
    "resize-nearest": lambda tf, a: tf.image.resize(a, [16, 12], method="nearest"),
    "resize-enum": lambda tf, a: tf.image.resize(a, [5, 7], method=tf.image.ResizeMethod.BICUBIC, antialias=True),
    "resize-bytes": lambda tf, d: tf.image.resize(d, (4, 12)),
    "grayscale_to_rgb": lambda tf, a: tf.image.grayscale_to_rgb(a[:, :, :, :1]),
    "adjust_brightness": lambda tf, a: tf.image.adjust_brightness(a, 0.2),
    "adjust_contrast": lambda tf, a: tf.image.adjust_contrast(a, 1.5),
    "central_crop": lambda tf, a: tf.image.central_crop(a, 0.5),
    "crop_to_bounding_box": lambda tf, a: tf.image.crop_to_bounding_box(a, 1, 2, 4, 3),
    "pad_to_bounding_box": lambda tf, a: tf.image.pad_to_bounding_box(a, 1, 2, 12, 10),
    "convert_image_dtype": lambda tf, d: tf.image.convert_image_dtype(d, tf.float32),
    "extract_patches": lambda tf, a: tf.image.extract_patches(a, [1, 2, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME"),
}  # fmt: skip

#: Saved as .h5 alone: tf_keras 2.21 can't put ... into a .keras file.
ONLY_H5 = ("getitem-slices", "getitem-new")
