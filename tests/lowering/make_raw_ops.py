"""``python make_raw_ops.py FOLDER``: saves the rows of ``tf_op_rows.ROWS`` as tf.keras of TensorFlow 2.1 to 2.3 did, each operator a
``TensorFlowOpLayer`` (``<id>.h5``), and what they compute (``<id>.npz``: inputs ``in/<name>``, outputs ``out/<position>``).

A row that gives back nothing that depends on its inputs could not be saved so, and has no file.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3", TF_USE_LEGACY_KERAS="1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras.src.engine.base_layer import TensorFlowOpLayer

from lowering.make_operations import samples
from lowering.make_tf_ops import batch_of
from lowering.operation_rows import SHAPES, letters
from lowering.tf_op_rows import ROWS


def as_layers(function: Any, inputs: dict[str, Any]) -> list[Any]:
    """What ``function`` returns for the inputs of a model, an operator a layer."""
    specs = [tf.TensorSpec(x.shape, x.dtype, name=name) for name, x in inputs.items()]
    traced = tf.function(lambda *tensors: tf.nest.flatten(function(tf, *tensors))).get_concrete_function(
        *specs
    )
    made = dict(zip((x.ref() for x in traced.inputs), inputs.values(), strict=True))
    with tf.compat.v1.Session(graph=traced.graph) as session:
        for op in traced.graph.get_operations():
            found = [made.get(x.ref()) for x in op.inputs]
            if all(x is None for x in found):
                continue
            constants = {i: session.run(op.inputs[i]) for i, x in enumerate(found) if x is None}
            layer = TensorFlowOpLayer(op.node_def.SerializeToString(), name=op.name, constants=constants)
            tensors = [x for x in found if x is not None]
            results = layer(tensors[0] if len(tensors) == 1 else tensors)
            made.update(zip((x.ref() for x in op.outputs), tf.nest.flatten(results), strict=True))
        # The graph of a function ends in identities, which the operators of a model did not.
        return [made[x.op.inputs[0].ref() if x.op.type == "Identity" else x.ref()] for x in traced.outputs]


def main() -> None:
    """Make every row that can be made."""
    warnings.simplefilter("ignore")
    folder, drawn = Path(sys.argv[1]), samples()
    for name, function in ROWS.items():
        inputs = {
            a: tf_keras.Input(SHAPES[a][0], dtype=SHAPES[a][1], name=a, batch_size=batch_of(name))
            for a in letters(function)
        }
        try:
            model = tf_keras.Model(list(inputs.values()), as_layers(function, inputs))
        except KeyError as error:
            print(f"{name}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
            continue
        results = tf.nest.flatten(model([drawn[letter] for letter in inputs], training=False))
        model.save(str(folder / f"{name}.h5"))
        arrays = {f"in/{letter}": drawn[letter] for letter in inputs}
        arrays |= {f"out/{i}": np.asarray(value) for i, value in enumerate(results)}
        np.savez(folder / f"{name}.npz", **arrays)


if __name__ == "__main__":
    main()
