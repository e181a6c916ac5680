"""What the demos are trained on: scikit-learn's digits, and lines of files that come with Python."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn import datasets


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images (1797, 16, 16, 1) from 0 to 1, twice as large as scikit-learn's, and their digits; in random order."""
    data = datasets.load_digits()
    images = (data.images / 16.0).astype("float32")
    large = _twice(_twice(images, axis=1), axis=2)
    order = np.random.RandomState(0).permutation(len(images))
    return large[order, ..., np.newaxis], data.target[order]


def _twice(images: np.ndarray, axis: int) -> np.ndarray:
    """Linear interpolation, with pixels that are areas."""
    before, after = (np.take(images, np.clip(np.arange(8) + step, 0, 7), axis=axis) for step in (-1, 1))
    pair = np.stack([0.75 * images + 0.25 * before, 0.75 * images + 0.25 * after], axis=axis + 1)
    shape = list(images.shape)
    shape[axis] *= 2
    return pair.reshape(shape)


#: What a line may be.
KINDS = ("English", "Python", "C")


def lines(most: int = 4000) -> list[tuple[str, int]]:
    """Lines of 12 characters or more, each with the number of its kind: descriptions of data sets and packages, the standard library's
    Python, and Python's and NumPy's headers; at most so many of each, in random order."""
    code = _files(Path(sysconfig.get_path("stdlib")), "*.py")
    kinds = ((_prose(), None), (code, "()[]="), (_headers(), ";#{}"))
    random = np.random.RandomState(0)
    found: list[tuple[str, int]] = []
    for kind, (paths, marks) in enumerate(kinds):
        unique = {line for path in paths for line in _lines(path)}
        # Comments are English: code has its marks.
        ordered = sorted(line for line in unique if marks is None or set(marks) & set(line))
        found += [(ordered[index], kind) for index in random.permutation(len(ordered))[:most]]
    return [found[index] for index in random.permutation(len(found))]


def _prose() -> Iterator[Path]:
    packages = Path(sysconfig.get_path("purelib"))
    yield from _files(Path(datasets.__file__).parent / "descr", "*.rst")
    yield from _files(packages, "*.dist-info/METADATA")


def _headers() -> Iterator[Path]:
    yield from _files(Path(np.get_include()), "**/*.h")
    yield from _files(Path(sysconfig.get_path("include")), "**/*.h")


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8", errors="ignore").splitlines():
        stripped = line.strip()
        if len(stripped) >= 12 and stripped.isascii():
            yield stripped
