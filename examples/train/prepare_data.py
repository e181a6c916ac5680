"""Writes the data of the models, from scikit-learn's, into files that NumPy of every age reads: ``python prepare_data.py FOLDER``.

Each ``<name>.npz`` has ``x`` (or ``x0``, ``x1``) and ``y``; the last fifth of the samples is for testing.
"""

import re
import sys
from pathlib import Path

import numpy as np
import sklearn.datasets

#: Words in a row that a text is to be told by, and how many different ones are known; the others are number 1.
WORDS, KNOWN = 12, 600


def shuffled(seed, *arrays):
    order = np.random.default_rng(seed).permutation(len(arrays[0]))
    return [array[order] for array in arrays]


def one_hot(labels):
    return np.eye(labels.max() + 1, dtype=np.float32)[labels]


def iris():
    data = sklearn.datasets.load_iris()
    x = (data.data - data.data.mean(0)) / data.data.std(0)
    x, y = shuffled(1, x.astype(np.float32), one_hot(data.target))
    return {"x": x, "y": y}


def diabetes():
    """Age, sex, mass and pressure; six numbers of the blood; how far the disease is a year later."""
    data = sklearn.datasets.load_diabetes()
    x = (data.data / data.data.std(0)).astype(np.float32)
    y = ((data.target - data.target.mean()) / data.target.std()).astype(np.float32)[:, np.newaxis]
    x, y = shuffled(2, x, y)
    return {"x0": x[:, :4], "x1": x[:, 4:], "y": y}


def digits():
    data = sklearn.datasets.load_digits()
    x, y = shuffled(3, (data.images / 16).astype(np.float32), one_hot(data.target))
    return {"x": x[:400, :, :, np.newaxis], "y": y[:400]}


def noisy(clean):
    noise = np.random.default_rng(4).normal(0, 0.2, clean.shape)
    return {"x": np.clip(clean + noise, 0, 1).astype(np.float32), "y": clean}


def volumes(x):
    """Four levels of grey as four slices."""
    return np.stack([np.clip(x * 4 - level, 0, 1) for level in range(4)], axis=1).astype(np.float32)


def texts():
    """The descriptions of scikit-learn's own data sets, twelve words at a time; 0 is no word."""
    folder = Path(sklearn.datasets.__file__).parent / "descr"
    names = ["breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine_data"]
    found = [re.findall(r"[a-z]+", (folder / f"{name}.rst").read_text("utf-8").lower()) for name in names]
    words, counts = np.unique(sum(found, []), return_counts=True)
    numbers = {
        word: 2 + place for place, word in enumerate(words[np.argsort(-counts, kind="stable")][: KNOWN - 2])
    }
    x, y = [], []
    for label, text in enumerate(found):
        for start in range(0, len(text) - WORDS, 3):
            x.append([numbers.get(word, 1) for word in text[start : start + WORDS]])
            y.append(label)
    x, y = shuffled(5, np.array(x, np.int32), one_hot(np.array(y)))
    return {"x": x[:400], "y": y[:400]}


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    images = digits()
    clean = images["x"]
    found = {
        "iris": iris(),
        "diabetes": diabetes(),
        "digits": images,
        "noisy_digits": noisy(clean),
        "digit_rows": {"x": clean[..., 0], "y": images["y"]},
        "digit_volumes": {"x": volumes(clean), "y": images["y"]},
        "noisy_volumes": noisy(volumes(clean)),
        "texts": texts(),
    }
    for name, arrays in found.items():
        np.savez(folder / f"{name}.npz", **arrays)


if __name__ == "__main__":
    main()
