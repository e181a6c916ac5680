"""More rows of the table of operations (``operation_rows.py``): sorting, signals, matrices, scattering, images, losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from lowering.operation_rows import A46, Call, Function, weights

#: Matrices that are symmetric and positive, and ones that need their rows exchanged.
POSITIVE = np.eye(5, dtype="float32") * 3
EXCHANGED = np.eye(5, dtype="float32")[[1, 2, 3, 4, 0]] * 2

#: An affine transform of each sample: a quarter turn and more, a shear, a shift.
TRANSFORMS = np.array(
    [[0.6, -0.8, 4, 0.8, 0.6, -1.5, 0, 0], [1, 0.3, -1.2, 0, 1.1, 0.4, 0, 0], [1, 0, 2.25, 0, 1, -1.75, 0.05, 0.02]], "float32"
)  # fmt: skip
CORNERS = np.array([[0, 0], [5, 0], [0, 7], [5, 7]], "float32")
MOVED = np.array([[0.5, 0.25], [4.5, 0.75], [0.2, 6.5], [5.5, 6.1]], "float32")
COORDINATES = np.array(
    [[0, 1.2, 1.9, -0.6, 2, 1], [3.1, -1.3, 2.5, 0.4, 7.2, 1], [0.3, 2.2, 6.4, -2.7, 5, 1]], "float32"
)
#: Those that "mirror" knows: it leaves the one after the last element outside (keras/src/backend/tensorflow/image.py, v3.15).
INNER = np.array(
    [[0, 1.2, 1.7, -0.6, 1, 1], [2.4, -1.3, 2.5, 0.4, -2, 1], [0.3, 2.2, 4.4, -2.7, 4.9, 1]], "float32"
)


def positive(o: Any, s: Any) -> Any:
    """Symmetric positive matrices (3, 5, 5)."""
    return o.matmul(s, o.transpose(s, (0, 2, 1))) + POSITIVE


def exchanged(s: Any) -> Any:
    """Matrices whose largest elements are off the diagonal (3, 5, 5)."""
    return s + EXCHANGED


def signal(o: Any, a: Any) -> Any:
    """(3, 144)."""
    return o.reshape(a, (-1, 144))


ROWS: dict[str, Function] = {
    # sorting
    "top_k": lambda o, x: o.top_k(x, 3),
    "top_k-all": lambda o, k: o.top_k(k, 6),
    "top_k-one": lambda o, u: o.top_k(u, 1),
    "top_k-half": lambda o, h: o.top_k(h, 2),
    "top_k-long": lambda o, g: o.top_k(g, 2),
    **{f"sort-{letter}": Call("sort", letter) for letter in "xkubgh"},
    "sort-axis": lambda o, q: o.sort(q, axis=1),
    "sort-none": lambda o, k: o.sort(k, axis=None),
    **{f"argsort-{letter}": Call("argsort", letter) for letter in "xkubgh"},
    "argsort-axis": lambda o, k: o.argsort(k, axis=-2),
    "argsort-none": lambda o, k: o.argsort(k, axis=None),
    "median": lambda o, x: o.median(x),
    "median-axis": lambda o, x: o.median(x, axis=1),
    "median-int": lambda o, k: o.median(k, axis=2, keepdims=True),
    "median-axes": lambda o, q: o.median(q, axis=(1, -1), keepdims=True),
    "median-nan": lambda o, n: o.median(n, axis=-1),
    "median-half": lambda o, h: o.median(h, axis=-1),
    "quantile": lambda o, x: o.quantile(x, 0.3, axis=1),
    "quantile-several": lambda o, x: o.quantile(x, [0.1, 0.5, 1.0], axis=2, keepdims=True),
    "quantile-none": lambda o, x: o.quantile(x, np.array([0.2, 0.9], "float32"), keepdims=True),
    **{
        f"percentile-{method}": Call("percentile", "x", 37.0, axis=2, method=method)
        for method in ("linear", "lower", "higher", "nearest", "midpoint")
    },
    "percentile-several": lambda o, k: o.percentile(k, [25, 50, 75], axis=1),
    "nanmedian": lambda o, n: o.nanmedian(n),
    "nanmedian-axis": lambda o, n: o.nanmedian(n, axis=1),
    "nanquantile-several": lambda o, n: o.nanquantile(n, [0.25, 0.7], axis=-1, keepdims=True),
    **{
        f"nanpercentile-{method}": Call("nanpercentile", "n", 40.0, axis=(1, 2), method=method)
        for method in ("linear", "lower", "higher", "nearest", "midpoint")
    },
    "in_top_k-several": lambda o, i, x: o.in_top_k(i[:, 0], x[:, 0], 3),
    "searchsorted": lambda o, x: o.searchsorted(np.array([-1.0, -0.5, 0.5, 2.0], "float32"), x[0, 0]),
    "searchsorted-right": lambda o, v, k: o.searchsorted(o.sort(o.cast(k[0, 1], "float32")), v[0] // 1, side="right"),
    "unique-size": lambda o, k: o.unique(k, size=14, fill_value=-9),
    "unique-cut": lambda o, k: o.unique(k, size=5),
    "unique-all": lambda o, i: o.unique(i, return_index=True, return_inverse=True, return_counts=True, size=6),
    "unravel_index": lambda o, i: o.unravel_index(i[:, 0], (2, 3)),
    "unravel_index-square": lambda o, i: o.unravel_index(i, (2, 2)),
    # scattering
    "scatter": lambda o, x: o.scatter(np.array([[1], [4], [1]], "int32"), x, (6, 4, 6)),
    "scatter-computed": lambda o, i, x: o.scatter(i, x[:, 0, 0], (4, 4, 4, 4)),
    "scatter_update": lambda o, x, v: o.scatter_update(x, np.array([[0, 1], [2, 3]], "int32"), v[0, :2, None] * np.ones(6, "float32")),
    "scatter_update-computed": lambda o, v, i: o.scatter_update(v, i[:, 1:2] % 3, v + 10),
    **{
        f"scatter_update-{name}": (lambda o, v, i, name=name: o.scatter_update(v, i[:, :1] % 3, v + 10, reduction=name))
        for name in ("add", "max", "min", "mul")
    },
    **{
        f"segment_{name}": (lambda o, x, i, name=name: getattr(o, f"segment_{name}")(x, i[:, 0], num_segments=5))
        for name in ("sum", "max")
    },
    "segment_sum-constant": lambda o, k: o.segment_sum(k, np.array([1, 0, 1], "int32"), num_segments=2),
    "segment_max-int": lambda o, k: o.segment_max(k, np.array([1, 3, 1], "int32"), num_segments=4),
    # signals
    "fft": lambda o, x, y: o.fft((x, y)),
    "fft2": lambda o, x, y: o.fft2((x, y)),
    "ifft2": lambda o, x, y: o.ifft2((x, y)),
    "rfft": lambda o, x: o.rfft(x),
    "rfft-odd": lambda o, x: o.rfft(x[..., :5]),
    "rfft-longer": lambda o, x: o.rfft(x, fft_length=9),
    "rfft-shorter": lambda o, x: o.rfft(x, fft_length=4),
    "irfft": lambda o, x, y: o.irfft((x, y)),
    "irfft-odd": lambda o, x, y: o.irfft((x, y), fft_length=9),
    "irfft-longer": lambda o, x, y: o.irfft((x, y), fft_length=14),
    "stft": lambda o, a: o.stft(signal(o, a), 20, 8, 32),
    "stft-hamming": lambda o, a: o.stft(signal(o, a), 31, 10, 31, window="hamming", center=False),
    "stft-plain": lambda o, a: o.stft(signal(o, a), 16, 4, 16, window=None),
    "istft": lambda o, a: o.istft(o.stft(signal(o, a), 32, 8, 32), 32, 8, 32),
    "istft-length": lambda o, a: o.istft(o.stft(signal(o, a), 20, 8, 32, window="hamming"), 20, 8, 32, length=100, window="hamming"),
    "istft-plain": lambda o, a: o.istft(o.stft(signal(o, a), 16, 16, 16, window=None, center=False), 16, 16, 16, window=None, center=False),
    "extract_sequences-gaps": lambda o, a: o.extract_sequences(signal(o, a), 5, 30),
    "correlate": lambda o, x, v: o.correlate(v[0], x[0, 0, :3]),
    "correlate-same": lambda o, x, v: o.correlate(v[0], x[0, :, 1], mode="same"),
    "correlate-full": lambda o, x: o.correlate(x[0, 0], np.array([1, 2, -3], "float32"), mode="full"),
    "correlate-int": lambda o, k: o.correlate(k[0, 0], k[1, 0, :3], mode="full"),
    # functions
    "erfinv": lambda o, w: o.erfinv(w),
    "erfinv-ends": lambda o, b: o.erfinv(o.cast(b, "float32") * 2 - 1),
    "i0": lambda o, x: o.i0(x * 5),
    "i0-int": lambda o, k: o.i0(k),
    "angle": lambda o, x: o.angle(x),
    "imag": lambda o, x: o.imag(x),
    "gcd": lambda o, k, m: o.gcd(k * 6, m * 4),
    "lcm": lambda o, k, m: o.lcm(k, m),
    "gcd-long": lambda o, g: o.gcd(g, g // 2),
    "gcd-bytes": lambda o, u: o.gcd(u, 12),
    "nextafter": lambda o, x, n: o.nextafter(x, n),
    "geomspace": lambda o, p: o.geomspace(p[:, 0], 20.0, num=5),
    "geomspace-axis": lambda o, p: o.geomspace(-p[0, 0, :4], -0.5, num=4, axis=-1, endpoint=False),
    "logspace": lambda o, w: o.logspace(w, 1.0, num=5, base=2),
    "rearrange": lambda o, q: o.rearrange(q[0], "t h c -> (h t) c"),
    "rearrange-split": lambda o, q: o.rearrange(q[1], "(t n) h c -> n t (c h)", n=2),
    "view": lambda o, x: o.view(x, dtype="int32"),
    "view-back": lambda o, k: o.view(k * 100000007, dtype="float32"),
    # matrices
    "cholesky": lambda o, s: o.cholesky(positive(o, s)),
    "cholesky-upper": lambda o, s: o.cholesky(positive(o, s), upper=True),
    "cholesky_inverse": lambda o, s: o.linalg.cholesky_inverse(s + POSITIVE * 3),
    "cholesky_inverse-upper": lambda o, s: o.linalg.cholesky_inverse(s + POSITIVE * 3, upper=True),
    "det": lambda o, s: o.det(exchanged(s)),
    "det-one": lambda o, x: o.det(x[:, :1, :1]),
    "logdet": lambda o, s: o.logdet(positive(o, s)),
    "slogdet": lambda o, s: o.slogdet(exchanged(s)),
    "inv": lambda o, s: o.inv(exchanged(s)),
    "inv-unbatched": lambda o, s: o.inv(exchanged(s)[0]),
    "inv-stack": lambda o, s: o.inv(o.stack([exchanged(s), s - POSITIVE], axis=1)),
    "lu_factor": lambda o, s: o.lu_factor(exchanged(s)[1]),
    "qr": lambda o, s: o.qr(s),
    "qr-tall": lambda o, x: o.qr(o.transpose(x, (0, 2, 1))),
    "qr-wide": lambda o, x: o.qr(x),
    "qr-complete": lambda o, x: o.qr(o.transpose(x, (0, 2, 1)), mode="complete"),
    "solve": lambda o, s, x: o.solve(exchanged(s), o.transpose(o.pad(x, [[0, 0], [0, 0], [0, 0]]), (0, 2, 1))[:, :5]),
    "solve-vector": lambda o, s, v: o.solve(exchanged(s), v[:, :5]),
    "solve_triangular": lambda o, s, v: o.solve_triangular(s + POSITIVE, v[:, :5]),
    "solve_triangular-lower": lambda o, s, x: o.solve_triangular(s + POSITIVE, o.transpose(x, (0, 2, 1))[:, :5], lower=True),
    # networks
    "unfold": lambda o, a: o.nn.unfold(o.transpose(a, (0, 3, 1, 2)), 2),
    "unfold-all": lambda o, a: o.nn.unfold(o.transpose(a, (0, 3, 1, 2)), (3, 2), dilation=2, padding=(1, 2), stride=(2, 1)),
    "fold": lambda o, a: o.nn.fold(o.reshape(a, (-1, 12, 12)), (4, 5), 2),
    "fold-all": lambda o, a: o.nn.fold(o.reshape(a[:, :, :3], (-1, 12, 6)), (5, 4), (3, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1)),
    "psnr": lambda o, a: o.psnr(a, a * 0.9, 1.0),
    "binary_crossentropy": lambda o, a, w: o.binary_crossentropy(a[:, :4, :, 0], o.sigmoid(w)),
    "binary_crossentropy-logits": lambda o, a, x: o.binary_crossentropy(a[:, :4, :, 0], x, from_logits=True),
    "categorical_crossentropy": lambda o, a, p: o.categorical_crossentropy(a[:, :4, :, 0], p),
    "categorical_crossentropy-logits": lambda o, a, x: o.categorical_crossentropy(a[:, :4, :, 0], x, from_logits=True, axis=1),
    "sparse_categorical_crossentropy": lambda o, i, w: o.sparse_categorical_crossentropy(i, o.abs(w)),
    "sparse_categorical_crossentropy-logits": lambda o, i, x: o.sparse_categorical_crossentropy(i[..., None], x, from_logits=True),
    "ctc_decode": lambda o, x, m: o.ctc_decode(x, m[:, 0, 0]),
    "ctc_decode-repeated": lambda o, k: o.ctc_decode(o.cast(k, "float32") * A46, np.array([4, 3, 2], "int32"), merge_repeated=False, mask_index=2),
    "conv-first": lambda o, x: o.conv(o.transpose(x, (0, 2, 1)), weights(3, 6, 4), data_format="channels_first"),
    "moments-all": lambda o, x: o.moments(x, axes=[0, 1, 2]),
    "multi_hot-axis": lambda o, i: o.multi_hot(i, 5, axis=1, dtype="int32"),
    "batch_normalization-computed": lambda o, x, v, p: o.batch_normalization(x, v[0], p[0, 0], axis=-1),
    # images
    **{
        f"affine_transform-{interpolation}-{mode}": (
            lambda o, a, interpolation=interpolation, mode=mode: o.image.affine_transform(
                a, TRANSFORMS, interpolation=interpolation, fill_mode=mode, fill_value=0.5
            )
        )
        for interpolation in ("bilinear", "nearest")
        for mode in ("constant", "nearest", "reflect", "wrap")
    },
    "affine_transform-computed": lambda o, a, w: o.image.affine_transform(
        a, o.concatenate([w[:, 0], w[:, 1, :2] * 0], axis=-1) + np.array([1, 0, 0, 0, 1, 0, 0, 0], "float32")
    ),
    "affine_transform-one": lambda o, a: o.image.affine_transform(a[0], TRANSFORMS[0]),
    "affine_transform-first": lambda o, a: o.image.affine_transform(
        o.transpose(a, (0, 3, 1, 2)), TRANSFORMS, data_format="channels_first"
    ),
    "affine_transform-bytes": lambda o, d: o.image.affine_transform(d, TRANSFORMS[1]),
    "perspective_transform": lambda o, a: o.image.perspective_transform(a, np.stack([CORNERS] * 3), np.stack([MOVED] * 3)),
    "perspective_transform-nearest": lambda o, a: o.image.perspective_transform(
        a[0], CORNERS, MOVED, interpolation="nearest", fill_value=0.25
    ),
    **{
        f"map_coordinates-{order}-{mode}": (
            lambda o, x, order=order, mode=mode: o.image.map_coordinates(
                x, INNER if mode == "mirror" else COORDINATES, order, fill_mode=mode, fill_value=0.5
            )
        )
        for order in (0, 1)
        for mode in ("constant", "nearest", "reflect", "mirror", "wrap")
    },
    "map_coordinates-int": lambda o, k: o.image.map_coordinates(k, COORDINATES, 1),
    "scale_and_translate": lambda o, a: o.image.scale_and_translate(
        a, (3, 10, 5, 3), np.array([1.3, 0.8], "float32"), np.array([0.4, -0.3], "float32"), (1, 2), "linear"
    ),
    **{
        f"scale_and_translate-{method}": (
            lambda o, a, method=method: o.image.scale_and_translate(
                a, (3, 4, 9, 3), np.array([0.5, 1.5], "float32"), np.array([0.0, 0.5], "float32"), (1, -2), method, antialias=False
            )
        )
        for method in ("cubic", "lanczos3", "lanczos5")
    },
    "ssim": lambda o, a: o.image.ssim(a, a * a, filter_size=5),
    "ssim-first": lambda o, a: o.image.ssim(o.transpose(a, (0, 3, 1, 2))[0], o.transpose(a, (0, 3, 1, 2))[1], max_val=2.0, filter_size=3, filter_sigma=0.8, data_format="channels_first"),
    "norm-computed": lambda o, k: o.norm(k, axis=-1),
    "logsumexp-wide": lambda o, x: o.logsumexp(x * 100, axis=1),
    "bitwise-and-or": lambda o, k, m: o.bitwise_and(k, m) * 100 + o.bitwise_or(k, m),
    "scalar-slice": lambda o, x: o.flip(o.broadcast_to(o.sum(x), ())),
}  # fmt: skip

#: Saved as .h5 as well.
ALSO_H5 = ("top_k", "stft", "scatter", "quantile-several", "affine_transform-one", "istft")
