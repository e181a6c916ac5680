"""What differs between Keras 1.2 and Keras 3, for the models of this folder: the one place that knows versions.

The models are written with the names of Keras 2 and 3. Keras 1 gets its own names from here, and what a backend lacks is said here.
"""

from __future__ import print_function

import os
import sys
import types

if os.environ.get("TF_USE_LEGACY_KERAS") == "1":
    import tf_keras as keras
else:
    if os.environ.get("KERAS_BACKEND") == "theano":
        import theano.ifelse  # Keras 1 uses it without importing it
    import keras

VERSION = tuple(int(part) for part in keras.__version__.split(".")[:2])
BACKEND = "tensorflow" if keras.__name__ == "tf_keras" else keras.backend.backend()

Sequential = keras.models.Sequential

#: Layers that a backend has not, or can't compute, and why.
_LACKS = {
    ("theano", "Conv3DTranspose"): "Keras's Theano backend has no transposed Conv3D",
    ("cntk", "Conv3DTranspose"): "Keras's CNTK backend has no transposed Conv3D",
    ("mxnet", "Conv3DTranspose"): "MXNet has a transposed Conv3D on GPUs alone",
    ("mxnet", "SeparableConv1D"): "keras-mxnet has no separable Conv1D",
    ("theano", "SeparableConv1D"): "Keras's Theano backend has no separable Conv1D",
    ("cntk", "SeparableConv1D"): "Keras's CNTK backend has no separable Conv1D",
}


class Lacking(Exception):
    """A layer that this Keras, or its backend, has not."""


def need(*names):
    """Raise Lacking where one of the layers is not there."""
    for name in names:
        if (BACKEND, name) in _LACKS:
            raise Lacking(_LACKS[BACKEND, name])
        if VERSION < (2, 0) or not hasattr(layers, name):
            # Keras 1 had a Deconvolution2D of a fixed batch, and a SeparableConvolution2D on TensorFlow alone.
            raise Lacking("Keras %s has no %s" % (keras.__version__, name))


def embedding(words, units, length):
    """An Embedding as the first layer, for sequences of a known length."""
    known = {"input_shape": (length,)} if VERSION >= (3, 0) else {"input_length": length}
    return layers.Embedding(words, units, **known)


def functional(inputs, outputs):
    """A Functional model."""
    if VERSION >= (2, 0):
        return keras.models.Model(inputs, outputs)
    return keras.models.Model(input=inputs, output=outputs)


def of_function(function, **arguments):
    """A Lambda layer. Of a function Keras 1 and 2 save the bytecode, which is that Python's alone; of a method they save the name."""

    def call(self, x):
        return function(x)

    call.__name__ = function.__name__
    named = function if VERSION >= (3, 0) else types.MethodType(call, function)
    return layers.Lambda(named, **arguments)


def reading_layers():
    """A bidirectional LSTM and a GRU. On MXNet one GRU, unrolled: keras-mxnet's loops ignore their input, and it can't stack or turn
    unrolled layers (it mixes up their shapes)."""
    if BACKEND == "mxnet":
        return [layers.GRU(10, unroll=True)]
    return [layers.Bidirectional(layers.LSTM(8, return_sequences=True)), layers.GRU(10)]


def fit(model, x, y, epochs):
    """Train in batches of 32."""
    count = {"epochs" if VERSION >= (2, 0) else "nb_epoch": epochs}
    model.fit(x, y, batch_size=32, verbose=0, **count)


def save(model, folder, name):
    """Write the model in the format of its time; the path."""
    path = os.path.join(folder, name + (".keras" if VERSION >= (3, 0) else ".h5"))
    model.save(path)
    return path


def predict(model, x):
    """What the model makes of ``x``."""
    return model.predict(x, verbose=0)


def seed(number):
    """The same weights and batches each time."""
    import numpy

    numpy.random.seed(number)
    if hasattr(keras.utils, "set_random_seed"):
        keras.utils.set_random_seed(number)


def set_policy(name):
    """Compute in another precision than float32 (Keras 2.4 and later)."""
    if VERSION >= (3, 0):
        keras.config.set_dtype_policy(name)
    elif keras.__name__ == "tf_keras":
        keras.mixed_precision.set_global_policy(name)
    else:
        sys.exit("Keras %s has no mixed precision." % keras.__version__)


def distributed(build):
    """The model that ``build`` makes, its training spread over two devices."""
    if BACKEND == "tensorflow" and VERSION >= (2, 4):
        import tensorflow

        devices = tensorflow.config.list_physical_devices("CPU")
        halves = [tensorflow.config.LogicalDeviceConfiguration()] * 2
        if len(tensorflow.config.get_logical_device_configuration(devices[0]) or []) < 2:
            tensorflow.config.set_logical_device_configuration(devices[0], halves)
        with tensorflow.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]).scope():
            return build()
    if BACKEND == "jax":
        # XLA_FLAGS=--xla_force_host_platform_device_count=2 makes two of one CPU.
        devices = keras.distribution.list_devices("cpu")
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
        return build()
    sys.exit("Keras %s on %s is not distributed here." % (keras.__version__, BACKEND))


# --- Keras 1 under the names of Keras 2 ------------------------------------------------------------------------------


def _many(size, rank):
    return tuple(size) if isinstance(size, (list, tuple)) else (size,) * rank


class _Keras1(object):
    """Keras 1's layers by Keras 2's names and arguments; what is not defined here has the same in both."""

    def __getattr__(self, name):
        return getattr(keras.layers, name)

    @staticmethod
    def Conv1D(filters, size, strides=1, padding="valid", **more):
        return keras.layers.Convolution1D(
            filters, size, subsample_length=strides, border_mode=padding, **more
        )

    @staticmethod
    def Conv2D(filters, size, strides=1, padding="valid", **more):
        size, strides = _many(size, 2), _many(strides, 2)
        return keras.layers.Convolution2D(filters, *size, subsample=strides, border_mode=padding, **more)

    @staticmethod
    def Conv3D(filters, size, strides=1, padding="valid", **more):
        size, strides = _many(size, 3), _many(strides, 3)
        return keras.layers.Convolution3D(filters, *size, subsample=strides, border_mode=padding, **more)

    @staticmethod
    def ZeroPadding3D(padding=1, **more):
        return keras.layers.ZeroPadding3D(_many(padding, 3), **more)

    @staticmethod
    def ZeroPadding2D(padding=1, **more):
        return keras.layers.ZeroPadding2D(_many(padding, 2), **more)

    @staticmethod
    def MaxPooling2D(size=2, padding="valid", **more):
        return keras.layers.MaxPooling2D(_many(size, 2), border_mode=padding, **more)

    @staticmethod
    def AveragePooling2D(size=2, padding="valid", **more):
        return keras.layers.AveragePooling2D(_many(size, 2), border_mode=padding, **more)

    @staticmethod
    def MaxPooling3D(size=2):
        return keras.layers.MaxPooling3D(_many(size, 3))

    @staticmethod
    def concatenate(tensors):
        return keras.layers.merge(tensors, mode="concat")


layers = keras.layers if VERSION >= (2, 0) else _Keras1()
