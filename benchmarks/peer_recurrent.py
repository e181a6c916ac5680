"""The official converter on a recurrent model, by the route that it documents: ``python benchmarks/peer_recurrent.py MODEL OUT``.

The model is tf_keras's (the converter fails on the recurrent layers of Keras 3), its batch is fixed to 1, and it goes through a
SavedModel: only so do LSTMs become the builtin.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import tensorflow as tf
import tf_keras


def main() -> None:
    """Load, save, convert, write."""
    source, out = sys.argv[1], Path(sys.argv[2])
    model = tf_keras.models.load_model(source, compile=False)
    call = tf.function(lambda x: model(x, training=False))
    specification = tf.TensorSpec((1, *model.inputs[0].shape[1:]), model.inputs[0].dtype)
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder, save_format="tf", signatures=call.get_concrete_function(specification))
        out.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


if __name__ == "__main__":
    main()
