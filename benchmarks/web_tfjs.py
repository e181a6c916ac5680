"""TensorFlow.js's own converter: ``python web_tfjs.py SAVED_MODEL FOLDER``; the path leads to ``tensorflowjs``.

The converter imports TensorFlow Decision Forests and TensorFlow Hub, which today's TensorFlow does not load. Our models need neither of
them: empty modules stand in for them. Everything else is the converter as it comes: it freezes, folds and fuses, and writes a graph model.
"""

from __future__ import annotations

import sys
import types


def main() -> None:
    """Convert."""
    for name in ("tensorflow_decision_forests", "tensorflow_hub"):
        sys.modules[name] = types.ModuleType(name)
    from tensorflowjs.converters import tf_saved_model_conversion_v2 as converter

    converter.convert_tf_saved_model(sys.argv[1], sys.argv[2])


if __name__ == "__main__":
    main()
