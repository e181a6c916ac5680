"""Trains and saves small models in the Keras of the environment that runs it: ``train_small.py FOLDER`` (Python 2.7 and later)."""

import os
import sys

BACKEND = os.environ.get("KERAS_BACKEND")
if BACKEND == "theano":
    import theano.ifelse  # noqa: F401  (Keras 1 uses it without importing it)
import keras
import numpy as np
from keras import layers
from keras.models import Sequential

OLD = keras.__version__.startswith("1")
MODELS = []


def trains(*but):
    """Register a builder of a model; ``but`` names the backends that can't train or load it."""

    def register(build):
        if BACKEND not in but:
            MODELS.append((build.__name__, build))
        return build

    return register


def images(data_format):
    """Windows with ``same``, which backends lay in their own ways. The average comes first: Theano has no gradient of it without a
    compiler."""
    first = data_format == "channels_first"
    shape, axis = ((3, 9, 8) if first else (9, 8, 3)), (1 if first else -1)
    if OLD:
        order = {"dim_ordering": "th" if first else "tf", "border_mode": "same"}
        return [
            layers.AveragePooling2D((2, 3), strides=(1, 1), input_shape=shape, **order),
            layers.Convolution2D(4, 3, 3, subsample=(2, 2), activation="relu", **order),
            layers.Convolution2D(4, 2, 4, **order),
            layers.BatchNormalization(axis=axis),
            layers.MaxPooling2D((3, 2), strides=(2, 1), **order),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    order = {"data_format": data_format, "padding": "same"}
    return [
        layers.AveragePooling2D((3, 3), strides=(1, 1), input_shape=shape, **order),
        layers.Conv2D(4, 3, strides=2, activation="relu", **order),
        layers.Conv2D(4, (2, 4), **order),
        layers.BatchNormalization(axis=axis),
        layers.Conv2DTranspose(2, 3, strides=2, activation="tanh", **order),
        layers.MaxPooling2D((3, 2), strides=2, **order),
        layers.AveragePooling2D(2, data_format=data_format),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]


@trains()
def images_last():
    return images("channels_last")


@trains()
def images_first():
    return images("channels_first")


@trains()
def dense():
    return [layers.Dense(6, activation="tanh", input_dim=5), layers.Dropout(0.3), layers.Dense(2)]


@trains("mxnet")
def recurrent():
    """An LSTM puts out another state on CNTK."""
    return [
        layers.LSTM(4, return_sequences=True, input_shape=(5, 3)),
        layers.Bidirectional(layers.GRU(3)),
        layers.Dense(2),
    ]


@trains()
def unrolled():
    return [layers.LSTM(4, unroll=True, input_shape=(5, 3)), layers.Dense(2)]


def main():
    for name, build in MODELS:
        np.random.seed(1)
        model = Sequential()
        for layer in build():
            model.add(layer)
        model.compile("sgd", "mse")
        x = np.random.rand(8, *model.input_shape[1:]).astype("float32")
        y = np.random.rand(8, model.output_shape[-1]).astype("float32")
        model.fit(x, y, batch_size=4, verbose=0)
        model.save(os.path.join(sys.argv[1], name + ".h5"))


if __name__ == "__main__":
    main()
