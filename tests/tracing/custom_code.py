"""Code of a user's: what --custom-objects is given, and what the models of these tests are made of."""

import keras
import numpy as np
from keras import ops


class Scale(keras.layers.Layer):
    """A weight times the input, and its mean."""

    def __init__(self, factor=2.0, **more):
        super().__init__(**more)
        self.factor = factor

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1],), initializer="random_normal", name="w")

    def call(self, x, training=None):
        assert not training
        return self.w * x * self.factor + ops.mean(x, axis=-1, keepdims=True) - self.w[0]

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Block(keras.layers.Layer):
    """Layers of Keras's and of the user's, a nested model, shapes, indexing."""

    def __init__(self, units=8, **more):
        super().__init__(**more)
        self.units = units
        self.dense = keras.layers.Dense(units, activation="gelu")
        self.scale = Scale(0.5)
        self.inner = keras.Sequential([keras.layers.Dense(units), keras.layers.LayerNormalization()])
        self.lstm = keras.layers.LSTM(units, return_sequences=True)

    def call(self, x):
        h = self.inner(self.scale(self.dense(x)))
        h = ops.reshape(h, (ops.shape(h)[0], -1, self.units))
        return self.lstm(h)[:, ::2] @ ops.transpose(h, (0, 2, 1))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Cell(keras.layers.Layer):
    """A recurrent cell with two states."""

    def __init__(self, units, **more):
        super().__init__(**more)
        self.units = self.output_size = units
        self.state_size = [units, units]

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units))
        self.recurrent = self.add_weight(shape=(self.units, self.units))

    def call(self, x, states, training=None):
        last, total = states
        h = ops.tanh(ops.matmul(x, self.kernel) + ops.matmul(last, self.recurrent))
        return h + total, [h, total + h]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class UsesMask(keras.layers.Layer):
    """Zeroes what the mask leaves out, and hands the mask on."""

    def __init__(self, **more):
        super().__init__(**more)
        self.supports_masking = True

    def call(self, x, mask=None):
        return x if mask is None else x * ops.expand_dims(ops.cast(mask, x.dtype), -1)


class Triangle(keras.layers.Layer):
    """Sums what comes before each step, and from it on."""

    def call(self, x):
        steps = ops.shape(x)[1]
        return ops.matmul(ops.tri(steps, k=-1), x) - ops.matmul(ops.triu(ops.full((steps, steps), 2.0)), x)

    def compute_output_shape(self, shape):
        return shape


class MakesMask(keras.layers.Layer):
    """Masks the steps whose features are all below 0."""

    def call(self, x):
        return x

    def compute_mask(self, x, mask=None):
        return ops.any(ops.greater(x, 0.0), axis=-1)


@keras.saving.register_keras_serializable(package="mine")
def wave(x):
    """An activation."""
    return ops.sin(x) * x


class Two(keras.Model):
    """A subclassed model of two arguments."""

    def __init__(self, **more):
        super().__init__(**more)
        self.left, self.right = keras.layers.Dense(3), keras.layers.Dense(3)

    def build(self, first_shape, second_shape):
        self.left.build(first_shape)
        self.right.build(second_shape)

    def call(self, first, second, training=None):
        return {"product": self.left(first) * self.right(second), "sum": ops.sum(first, axis=-1)}


class Tagger(keras.Model):
    """A subclassed model with masks, dropout and attention."""

    def __init__(self, words=20, **more):
        super().__init__(**more)
        self.words = words
        self.embed = keras.layers.Embedding(words, 8, mask_zero=True)
        self.lstm = keras.layers.Bidirectional(keras.layers.LSTM(5, return_sequences=True))
        self.attention = keras.layers.MultiHeadAttention(2, 4)
        self.drop = keras.layers.Dropout(0.5)
        self.scale = Scale()
        self.out = keras.layers.Dense(2, activation=wave)

    def call(self, ids, training=False):
        h = self.lstm(self.embed(ids))
        h = self.drop(h + self.attention(h, h), training=training)
        return self.out(ops.max(self.scale(h), axis=1))

    def get_config(self):
        return {"words": self.words}


class Named(keras.Model):
    """A subclassed model whose argument is a dict."""

    def __init__(self, **more):
        super().__init__(**more)
        self.dense, self.embed = keras.layers.Dense(3), keras.layers.Embedding(10, 4)

    def call(self, inputs):
        mean = ops.mean(self.embed(inputs["ids"]), axis=1)
        return self.dense(ops.concatenate([inputs["features"], mean], axis=-1))


class NoConfig(keras.layers.Layer):
    """Can't be serialized: it holds a function."""

    def __init__(self, function):
        super().__init__()
        self.function, self.dense = function, keras.layers.Dense(3)

    def call(self, x):
        return self.function(self.dense(x))


class Decides(keras.layers.Layer):
    """Looks at values, which a trace has not."""

    def call(self, x):
        return x if ops.sum(x) > 0 else -x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


class OnNumPy(keras.layers.Layer):
    """Computes outside of Keras."""

    def call(self, x):
        return ops.convert_to_tensor(np.sin(x))

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


CUSTOM_OBJECTS = {"<lambda>": lambda x: ops.tanh(x) * 3}
