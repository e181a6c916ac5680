"""Trains and saves small models in the Keras of the environment that runs it: ``train_small.py FOLDER`` (Python 2.7 and later)."""

import os
import sys

if os.environ.get("KERAS_BACKEND") == "theano":
    import theano.ifelse  # noqa: F401  (Keras 1 uses it without importing it)
import keras
import numpy as np
from keras import layers
from keras.models import Sequential

OLD = keras.__version__.startswith("1")


def convolutional():
    if OLD:
        shape = (3, 9, 8) if keras.backend.image_dim_ordering() == "th" else (9, 8, 3)
        return [
            layers.Convolution2D(4, 3, 2, border_mode="valid", activation="relu", input_shape=shape),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    return [
        layers.Conv2D(4, (3, 2), activation="relu", input_shape=(9, 8, 3)),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]


def dense():
    return [layers.Dense(6, activation="tanh", input_dim=5), layers.Dropout(0.3), layers.Dense(2)]


def recurrent():
    return [layers.GRU(4, input_shape=(5, 3)), layers.Dense(2)]


def lstm():
    return [
        layers.LSTM(4, return_sequences=True, input_shape=(5, 3)),
        layers.LSTM(3, recurrent_activation="sigmoid") if not OLD else layers.LSTM(3),
        layers.Dense(2),
    ]


def unrolled():
    return [layers.LSTM(4, unroll=True, input_shape=(5, 3)), layers.Dense(2)]


def main():
    for build in (convolutional, dense, recurrent, lstm, unrolled):
        np.random.seed(1)
        model = Sequential()
        for layer in build():
            model.add(layer)
        model.compile("sgd", "mse")
        x = np.random.rand(8, *model.input_shape[1:]).astype("float32")
        y = np.random.rand(8, model.output_shape[-1]).astype("float32")
        model.fit(x, y, batch_size=4, verbose=0)
        model.save(os.path.join(sys.argv[1], build.__name__ + ".h5"))


if __name__ == "__main__":
    main()
