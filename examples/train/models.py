"""The models: each a function that builds one for the shapes of its data, with the name of the data and how it is trained."""

from custom_layers import Scale, centred
from shims import Sequential, embedding, functional, keras, layers, need, of_function, reading_layers

#: name: (builder, data, loss, epochs)
MODELS = {}


def model(data, loss="categorical_crossentropy", epochs=4):
    def register(build):
        MODELS[build.__name__] = (build, data, loss, epochs)
        return build

    return register


@model("iris", epochs=20)
def iris(shape, classes):
    """Made with ``add`` and ``pop``: the head of another task is taken off."""
    made = Sequential()
    made.add(layers.Dense(16, input_shape=shape))
    made.add(layers.Activation("tanh"))
    made.add(layers.Dropout(0.2))
    made.add(layers.Dense(7, activation="relu"))
    made.pop()
    made.add(layers.Dense(classes))
    made.add(layers.Activation("softmax"))
    return made


@model("diabetes", loss="mean_squared_error", epochs=20)
def diabetes(body, blood):
    """A Functional model: what a doctor measures on the body, and what in the blood, each with layers of its own."""
    inputs = [keras.layers.Input(shape=body, name="body"), keras.layers.Input(shape=blood, name="blood")]
    left = layers.Dense(8, activation="tanh", name="from_body")(inputs[0])
    right = layers.BatchNormalization(name="blood_norm")(
        layers.Dense(12, activation="relu", name="from_blood")(inputs[1])
    )
    both = layers.concatenate([left, right])
    return functional(inputs, layers.Dense(1, name="progression")(layers.Dropout(0.1)(both)))


@model("digits")
def digits(shape, classes):
    """Convolutions with all that surrounds them: padding, cropping, strides, pools, normalization."""
    made = Sequential()
    made.add(layers.ZeroPadding2D(1, input_shape=shape))
    made.add(layers.Conv2D(8, 3, padding="same"))
    made.add(layers.BatchNormalization())
    made.add(layers.Activation("relu"))
    made.add(layers.MaxPooling2D(2, padding="same"))
    made.add(layers.Conv2D(12, 3, strides=2, padding="same", activation="relu"))
    made.add(layers.Cropping2D(((0, 0), (0, 1))))
    # Of a padded average Theano can't compute the gradient without a C++ compiler.
    made.add(layers.AveragePooling2D(2))
    made.add(layers.Flatten())
    made.add(layers.Dropout(0.2))
    made.add(layers.Dense(classes, activation="softmax"))
    return made


@model("digits")
def separable(shape, classes):
    need("SeparableConv2D")
    made = Sequential()
    made.add(layers.Conv2D(6, 3, activation="relu", input_shape=shape))
    made.add(layers.SeparableConv2D(10, 3, padding="same", activation="relu"))
    made.add(layers.GlobalMaxPooling2D())
    made.add(layers.Dense(classes, activation="softmax"))
    return made


@model("noisy_digits", loss="mean_squared_error")
def denoise(shape):
    """Down by a stride, and up again by a transposed convolution."""
    need("Conv2DTranspose")
    made = Sequential()
    made.add(layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", input_shape=shape))
    made.add(layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu"))
    made.add(layers.Conv2D(shape[-1], 1, activation="sigmoid"))
    return made


@model("digit_rows", epochs=6)
def rows(shape, classes):
    """A digit as a sequence of its rows."""
    made = Sequential()
    made.add(layers.ZeroPadding1D(1, input_shape=shape))
    made.add(layers.Conv1D(12, 3, activation="relu"))
    made.add(layers.MaxPooling1D(2))
    made.add(layers.Conv1D(12, 2, padding="same", activation="tanh"))
    made.add(layers.Cropping1D((0, 1)))
    made.add(layers.GlobalAveragePooling1D())
    made.add(layers.Dense(classes, activation="softmax"))
    return made


@model("digit_rows", epochs=6)
def separable_rows(shape, classes):
    need("SeparableConv1D")
    made = Sequential()
    made.add(layers.SeparableConv1D(12, 3, padding="same", activation="relu", input_shape=shape))
    made.add(layers.GlobalMaxPooling1D())
    made.add(layers.Dense(classes, activation="softmax"))
    return made


@model("digit_volumes", epochs=2)
def volume(shape, classes):
    """A digit as a stack of its grey levels."""
    made = Sequential()
    made.add(layers.Conv3D(4, (2, 3, 3), activation="relu", input_shape=shape))
    made.add(layers.MaxPooling3D((1, 2, 2)))
    made.add(layers.ZeroPadding3D((0, 1, 1)))
    made.add(layers.Conv3D(6, 2, activation="relu"))
    made.add(layers.Cropping3D(((0, 0), (1, 0), (0, 1))))
    made.add(layers.Flatten())
    made.add(layers.Dense(classes, activation="softmax"))
    return made


@model("noisy_volumes", loss="mean_squared_error", epochs=2)
def denoise_volume(shape):
    need("Conv3DTranspose")
    made = Sequential()
    made.add(layers.Conv3D(4, 2, strides=2, activation="relu", input_shape=shape))
    made.add(layers.Conv3DTranspose(shape[-1], 2, strides=2, activation="sigmoid"))
    return made


@model("texts", epochs=3)
def texts(shape, classes, words):
    """Which text a few words in a row are from."""
    made = Sequential()
    made.add(embedding(words, 12, length=shape[0]))
    for layer in reading_layers():
        made.add(layer)
    made.add(layers.Dense(classes, activation="softmax"))
    return made


@model("iris", epochs=20)
def custom(shape, classes):
    """A Lambda layer, an abstract layer, and functions on the backend's own tensors."""
    made = Sequential()
    made.add(of_function(centred, name="centred", input_shape=shape))
    made.add(layers.Dense(12))
    made.add(Scale(name="scale"))
    made.add(layers.Dense(classes, activation="softmax"))
    return made
