"""``python make_tf_ops.py FOLDER``: saves a Functional model of Keras 2 for each row of ``tf_op_rows.ROWS``, as ``<id>.h5`` and
``<id>.keras``, and what it computes, as ``<id>.npz`` (inputs ``in/<name>``, outputs ``out/<position>``)."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import tensorflow as tf
import tf_keras

from lowering.make_operations import samples
from lowering.operation_rows import SHAPES, letters
from lowering.tf_op_rows import ONLY_H5, ROWS


def main() -> None:
    """Make every row."""
    warnings.simplefilter("ignore")
    folder, drawn, failures = Path(sys.argv[1]), samples(), []
    for name, function in ROWS.items():
        wanted = letters(function)
        try:
            inputs = [
                tf_keras.Input(SHAPES[a][0], dtype=SHAPES[a][1], name=a, batch_size=batch_of(name))
                for a in wanted
            ]
            outputs = tf.nest.flatten(function(tf, *inputs))
            model = tf_keras.Model(inputs, outputs)
            results = tf.nest.flatten(model([drawn[letter] for letter in wanted], training=False))
            for suffix in (".h5",) if name in ONLY_H5 else (".keras", ".h5"):
                model.save(str(folder / f"{name}{suffix}"))
        except Exception as error:  # noqa: BLE001  (every row that fails is told, whatever Keras raises)
            failures.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
            continue
        arrays = {f"in/{letter}": drawn[letter] for letter in wanted}
        arrays |= {f"out/{i}": np.asarray(value) for i, value in enumerate(results)}
        np.savez(folder / f"{name}.npz", **arrays)
    if failures:
        sys.exit("These rows could not be built:\n" + "\n".join(failures))


def batch_of(name: str) -> int | None:
    """``unstack`` and ``concat`` with an array want to know the batch."""
    return 3 if name in ("unstack-x", "concat-constant") else None


if __name__ == "__main__":
    main()
