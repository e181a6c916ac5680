"""The code of the model ``custom``: what its file names, and what kexport is given with ``--custom-objects``.

It is written for every Keras: ``K`` has the functions on tensors, whichever backend computes them.
"""

import os

if os.environ.get("TF_USE_LEGACY_KERAS") == "1":
    import tf_keras as keras
else:
    import keras

K = getattr(keras, "ops", keras.backend)


def centred(x):
    """Each sample around its own mean."""
    return x - K.mean(x, axis=-1, keepdims=True)


class Scale(keras.layers.Layer):
    """Squashes each feature with a strength of its own, which is learned."""

    def build(self, input_shape):
        # Keras 1 knows neither the name before the shape nor the shape by its name.
        size = (int(input_shape[-1]),)
        if keras.__version__.startswith("1."):
            self.strength = self.add_weight(size, initializer="one", name="strength")
        else:
            self.strength = self.add_weight(name="strength", shape=size, initializer="ones", trainable=True)
        super(Scale, self).build(input_shape)

    def call(self, x, mask=None):
        return K.tanh(x * self.strength) + K.abs(x) * 0.1

    def compute_output_shape(self, input_shape):
        return input_shape
