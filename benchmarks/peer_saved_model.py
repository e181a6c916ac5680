"""Keras's own SavedModel as a user makes it: ``python benchmarks/peer_saved_model.py MODEL OUT [--tf-keras]``."""

from __future__ import annotations

import sys


def main() -> None:
    """Load, export; tf_keras's models by tf_keras."""
    source, out = sys.argv[1:3]
    if "--tf-keras" in sys.argv:
        import tf_keras

        tf_keras.models.load_model(source, compile=False).export(out)
    else:
        from peer_tflite import load

        load(source).export(out, verbose=False)


if __name__ == "__main__":
    main()
