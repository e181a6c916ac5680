"""Trains, saves and reloads a model of one layer, and says what with, in one line of JSON: ``probe.py FOLDER LIBRARY``.

Runs in an environment that was just made, on Python 2.7 to 3.14; the folder is where kexport's own files pass to and from it.
"""

# mypy: ignore-errors

import json
import os
import sys


def version(name):
    return str(getattr(sys.modules.get(name), "__version__", ""))


def main(folder, library):
    # An environment in a container has a standard input only where the container was given one.
    if sys.stdin.readline().strip() != "kexport":
        sys.exit("error: the command does not pass standard input on to Python")
    if os.environ.get("KERAS_BACKEND") == "theano":
        import theano.ifelse  # noqa: F401  (Keras 1 uses it without importing it)
    import numpy as np

    keras = __import__(library)
    model = keras.models.Sequential([keras.layers.Dense(2, input_shape=(3,))])
    model.compile("sgd", "mse")
    x = np.arange(12, dtype="float32").reshape(4, 3) / 12
    model.fit(x, x[:, :2], verbose=0)
    path = os.path.join(folder, "probe.h5")
    model.save(path)
    try:
        # Keras 3 does not find the loss of its own .h5 files again.
        again = keras.models.load_model(path, compile=False)
    except TypeError:
        # Keras 1 has no such argument.
        again = keras.models.load_model(path)
    difference = float(np.max(np.abs(np.asarray(again.predict(x)) - np.asarray(model.predict(x)))))
    if not difference < 1e-5:
        sys.exit("error: a model that was saved and read again computes something else (by %g)" % difference)
    backend = "tensorflow"
    if library == "keras":
        backend = keras.backend.backend()
    found = {
        "python": "%d.%d.%d" % sys.version_info[:3],
        "keras": version(library),
        "backend": backend,
        "backend_version": version(backend),
    }
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
