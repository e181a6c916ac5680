"""``python make_operations.py TABLE FOLDER``: saves a Functional model for each row of the module ``TABLE``, as ``<id>.keras``,
and what it computes, as ``<id>.npz`` (inputs ``in/<name>``, outputs ``out/<position>``)."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras
import numpy as np

from lowering.operation_rows import SHAPES, letters

SAMPLES = 3


def samples() -> dict[str, Any]:
    """What each input holds."""
    rng = np.random.default_rng(3)

    def normal(name: str) -> Any:
        return rng.normal(0, 1.5, (SAMPLES, *SHAPES[name][0])).astype(SHAPES[name][1])

    def integers(name: str, low: int, high: int) -> Any:
        return rng.integers(low, high, (SAMPLES, *SHAPES[name][0])).astype(SHAPES[name][1])

    drawn = {name: normal(name) for name in "xyvqshn"}
    drawn["p"] = rng.uniform(0.2, 3, (SAMPLES, 4, 6)).astype("float32")
    drawn["w"] = rng.uniform(-0.99, 0.99, (SAMPLES, 4, 6)).astype("float32")
    drawn["a"] = rng.uniform(0, 1, (SAMPLES, 8, 6, 3)).astype("float32")
    drawn["n"][0, 1, 2:5] = np.nan, np.inf, -np.inf
    drawn |= {
        "i": integers("i", 0, 4),
        "j": integers("j", 0, 4),
        "k": integers("k", -5, 6),
        "m": integers("m", 1, 5),
    }
    drawn |= {"b": integers("b", 0, 2), "c": integers("c", 0, 2), "u": integers("u", 0, 256)}
    return drawn | {"g": integers("g", -90, 90), "d": integers("d", 0, 256)}


def main() -> None:
    """Make every row."""
    table, folder = importlib.import_module(sys.argv[1]), Path(sys.argv[2])
    drawn, failures = samples(), []
    for name, function in table.ROWS.items():
        wanted = letters(function)
        try:
            inputs = [
                keras.Input(SHAPES[letter][0], dtype=SHAPES[letter][1], name=letter) for letter in wanted
            ]
            outputs = keras.tree.flatten(function(keras.ops, *inputs))
            model = keras.Model(inputs, outputs)
            results = model([drawn[letter] for letter in wanted], training=False)
            for suffix in (".keras", ".h5") if name in table.ALSO_H5 else (".keras",):
                model.save(str(folder / f"{name}{suffix}"))
        except Exception as error:  # noqa: BLE001  (every row that fails is told, whatever Keras raises)
            failures.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
            continue
        arrays = {f"in/{letter}": drawn[letter] for letter in wanted}
        arrays |= {f"out/{i}": np.asarray(value) for i, value in enumerate(keras.tree.flatten(results))}
        np.savez(folder / f"{name}.npz", **arrays)
    if failures and not getattr(table, "MAY_FAIL", False):
        sys.exit("These rows could not be built:\n" + "\n".join(failures))


if __name__ == "__main__":
    main()
