"""The two ways that users have of making ONNX of a Keras model: ``python benchmarks/peer_onnx.py TOOL MODEL OUT [--tf-keras]``.

TOOL is ``tf2onnx`` (its own ``from_keras``) or ``keras`` (``model.export(format="onnx")``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def by_tf2onnx(model: Any, out: str) -> None:
    """tf2onnx, by a function of the model: its ``from_keras`` knows the models of Keras 2 alone."""
    import tensorflow as tf
    import tf2onnx
    from keras.src.export.tf2onnx_lib import patch_tf2onnx

    patch_tf2onnx()  # tf2onnx 1.17 has not heard of NumPy 2
    signature = [tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name) for tensor in model.inputs]
    call = tf.function(lambda *inputs: model(inputs if len(inputs) > 1 else inputs[0], training=False))
    tf2onnx.convert.from_function(call, input_signature=signature, output_path=out)


def by_keras(model: Any, out: str) -> None:
    """Keras's own; a model that was loaded has to be told its inputs."""
    import keras

    signature = [keras.InputSpec(dtype=t.dtype, shape=t.shape, name=t.name) for t in model.inputs]
    model.export(out, format="onnx", verbose=False, input_signature=signature)


def main() -> None:
    """Load, convert, write."""
    tool, source, out = sys.argv[1:4]
    if "--tf-keras" in sys.argv:
        import tf_keras

        model = tf_keras.models.load_model(source, compile=False)
    else:
        from peer_tflite import load

        model = load(source)
    if tool == "tf2onnx":
        by_tf2onnx(model, out)
    else:
        by_keras(model, out)
    if not Path(out).stat().st_size:
        raise SystemExit(f"{tool} wrote nothing.")


if __name__ == "__main__":
    main()
