"""Builds and saves the conformance models and records what they compute.

``python make_models.py keras3-tensorflow|keras3-jax|keras2 FAMILY FOLDER``: for each row of the family that this writer
builds, writes ``<id>.keras``, ``<id>.h5`` and ``<id>.npz`` (inputs ``in/<position>``, outputs ``out/<position>``). Run in a process of
its own, since a process has one Keras backend: JAX computes the rows that TensorFlow has no CPU kernels for, and ``keras2`` is
tf_keras.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cases import FAMILIES
from cases.case import Case

SAMPLES = 3

#: Of texts, of which there are many kinds.
TEXT_SAMPLES = 7


def sample(
    case: Case, position: int, shape: tuple[int | None, ...], dtype: str, rng: np.random.Generator
) -> Any:
    """An input array of ``SAMPLES`` samples, or where there is text, of ``TEXT_SAMPLES``."""
    known = [
        TEXT_SAMPLES if case.texts else SAMPLES,
        *(case.lengths if dim is None else dim for dim in shape[1:]),
    ]
    if position in case.texts:
        pool, count = case.texts[position], int(np.prod(known))
        # All of them in turn, those of one input beside others of another.
        return np.asarray([pool[(index + 5 * position) % len(pool)] for index in range(count)]).reshape(known)
    if position in case.integers:
        return rng.integers(0, case.integers[position], known).astype(dtype)
    drawn = rng.normal(0, 1.5, known).astype(dtype)
    if "masked" in case.id or "stack" in case.id:
        # Some steps are what Masking masks, at the start, inside and at the end.
        drawn[0, -2:], drawn[1, 0], drawn[1, 3] = 0.5, 0.5, 0.5
    return drawn


def flat(item: Any) -> list[Any]:
    """The tensors of nested lists, in order (the states of stacked cells are nested)."""
    return [part for entry in item for part in flat(entry)] if isinstance(item, list | tuple) else [item]


def tensor(array: Any) -> Any:
    """An array as TensorFlow has it: text, and what is given beside text."""
    import tensorflow as tf

    return tf.constant(array)


def plain(array: Any) -> Any:
    """Text as bytes, which an .npz holds."""
    return array.astype(np.bytes_) if array.dtype == object else array


def make(case: Case, keras: Any, folder: Path) -> None:
    """Save the row's model and record it."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    model = case.build(keras)
    rng = np.random.default_rng(11)
    inputs = [
        sample(case, i, tuple(t.shape), t.dtype if isinstance(t.dtype, str) else t.dtype.name, rng)
        for i, t in enumerate(model.inputs)
    ]
    given = [tensor(array) for array in inputs] if case.texts else inputs
    outputs = model(given if len(given) > 1 else given[0], training=False)
    outputs = flat(outputs)
    arrays = {f"in/{index}": array for index, array in enumerate(inputs)}
    arrays |= {f"out/{index}": plain(np.asarray(array)) for index, array in enumerate(outputs)}
    for suffix in case.formats:
        model.save(str(folder / f"{case.id}{suffix}"))
    np.savez(folder / f"{case.id}.npz", **arrays)


def main() -> None:
    """Make every row of the writer named on the command line."""
    writer, _, backend = sys.argv[1].partition("-")
    folder = Path(sys.argv[3])
    os.environ.update(
        KERAS_BACKEND=backend or "tensorflow",
        CUDA_VISIBLE_DEVICES="-1",
        TF_CPP_MIN_LOG_LEVEL="3",
        JAX_PLATFORMS="cpu",
    )
    warnings.filterwarnings("ignore")
    if writer == "keras3":
        import keras
    else:
        import tf_keras as keras
    failures = []
    for case in FAMILIES[sys.argv[2]]:
        if writer in case.only and backend in ("", case.reference_backend):
            try:
                make(case, keras, folder)
            except Exception as error:  # noqa: BLE001  (every row that fails is told, whatever Keras raises)
                failures.append(f"{case.id}: {type(error).__name__}: {error}")
    if failures:
        sys.exit("These rows could not be built:\n" + "\n".join(failures))


if __name__ == "__main__":
    main()
