"""Public layers of Keras that have no row of their own in the conformance table, each with the reason."""

from __future__ import annotations

_FOREIGN = "wraps another framework's code: refused (tests/lowering/test_refused_layers.py)"
_CELL = "is a cell: in the rows of RNN"

#: Class → reason, in Keras 3 and in tf_keras alike.
REASONS: dict[str, str] = {
    "Layer": "is the base of all layers",
    "Wrapper": "is the base of wrappers and can't be called itself",
    "InputLayer": "is in every row",
    "Lambda": "is Python code: tests/tracing/test_files_with_code.py",
    "AbstractRNNCell": "is the base of cells",
    "GRUCell": _CELL,
    "LSTMCell": _CELL,
    "SimpleRNNCell": _CELL,
    "StackedRNNCells": _CELL,
    "TFSMLayer": _FOREIGN,
    "FlaxLayer": _FOREIGN,
    "JaxLayer": _FOREIGN,
    "TorchModuleWrapper": _FOREIGN,
}

#: Class → reason, in tf_keras alone; Keras 3 has rows of them, or no such layer.
TF_KERAS_REASONS: dict[str, str] = {
    "DenseFeatures": "takes feature columns, which are TensorFlow's own code: refused (tests/lowering/test_refused_layers.py)",
    "SpectralNormalization": "can't be called where Keras 3 is installed too: tf_keras 2.21 takes its own InputSpec for another's",
}
