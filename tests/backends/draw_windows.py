"""Convolutions and pools of random windows, strides, lengths and dilations: ``draw_windows.py FOLDER`` (Python 2.7, Keras 2.3).

Writes ``<n>.h5`` and ``<n>.npz`` (``in/0``, ...; ``out/0``, ...), models with an output a layer. What the backend refuses is left out.
"""

import os
import random
import sys
import tempfile

os.environ["HOME"] = tempfile.mkdtemp()  # Keras writes its keras.json there
import numpy as np
from keras import layers
from keras.models import Model

SAMPLES, COUNT = 3, 30
#: Compiling a model takes Theano seconds, the others no time.
TOGETHER = 15 if os.environ["KERAS_BACKEND"] == "theano" else 1
DRAW = random.Random(3)


def window(rank, class_name):
    """Arguments for a layer over ``rank`` dimensions."""
    size, strides, dilations = (
        [DRAW.randint(1, 5) for _ in range(rank)],
        [DRAW.randint(1, 4) for _ in range(rank)],
        [1] * rank,
    )
    arguments = {"padding": DRAW.choice(["same", "same", "same", "valid"])}
    if "Pooling" in class_name:
        return dict(arguments, pool_size=size, strides=strides)
    if DRAW.random() < 0.25:
        strides, dilations = [1] * rank, [DRAW.randint(1, 3) for _ in range(rank)]
    if class_name == "Conv2DTranspose" and DRAW.random() < 0.3:
        arguments["output_padding"] = [DRAW.randint(0, stride - 1) for stride in strides]
    if not class_name.startswith("Depthwise"):
        arguments["filters"] = 3
    if class_name != "Conv3DTranspose":
        arguments["dilation_rate"] = dilations
    return dict(arguments, kernel_size=size, strides=strides)


def drawn():
    """(class, shape, arguments) of every layer."""
    found = []
    for rank in (1, 2, 3):
        kinds = [
            "Conv%dD",
            "MaxPooling%dD",
            "AveragePooling%dD",
            "SeparableConv%dD",
            "DepthwiseConv%dD",
            "Conv%dDTranspose",
        ]
        for class_name in (kind % rank for kind in kinds):
            for _ in range(COUNT if hasattr(layers, class_name) else 0):
                lengths, arguments = (
                    tuple(DRAW.randint(5, 10 - rank) for _ in range(rank)),
                    window(rank, class_name),
                )
                first = DRAW.random() < 0.5
                arguments["data_format"] = "channels_first" if first else "channels_last"
                found.append((class_name, (2,) + lengths if first else lengths + (2,), arguments))
    return found


def make(rows, path):
    """One model of many layers, with what it computes."""
    inputs = dict((shape, layers.Input(shape=shape)) for _, shape, _ in rows)
    shapes = sorted(inputs)
    model = Model(
        [inputs[s] for s in shapes], [getattr(layers, name)(**more)(inputs[s]) for name, s, more in rows]
    )
    weights = np.random.RandomState(3)
    model.set_weights([weights.uniform(-1, 1, w.shape) for w in model.get_weights()])
    arrays = [weights.normal(0, 1.5, (SAMPLES,) + shape).astype("float32") for shape in shapes]
    outputs = model.predict(arrays if len(arrays) > 1 else arrays[0], batch_size=SAMPLES)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    model.save(path + ".h5")
    saved = dict(("in/%d" % i, array) for i, array in enumerate(arrays))
    saved.update(("out/%d" % i, array) for i, array in enumerate(outputs))
    np.savez(path + ".npz", **saved)


def attempt(rows, folder, name):
    """Make what can be made of ``rows``."""
    try:
        make(rows, os.path.join(folder, name))
    except Exception:
        half = len(rows) // 2
        for part, more in ((rows[:half], "a"), (rows[half:], "b")):
            if half:
                attempt(part, folder, name + more)


if __name__ == "__main__":
    everything = drawn()
    for start in range(0, len(everything), TOGETHER):
        attempt(everything[start : start + TOGETHER], sys.argv[1], "%03d" % start)
