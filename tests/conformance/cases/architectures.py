"""Whole models as people build them, small: one of each architecture that is in common use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .case import K3, Case


def grown(model: Any) -> Any:
    """The model with every weight that its initializer left constant (biases, scales, statistics) drawn anew, near to what it was."""
    rng = np.random.default_rng(17)

    def value(array: Any) -> Any:
        if array.dtype.kind != "f" or np.ptp(array) > 0:
            return array
        return (array + rng.uniform(0.05, 0.35, array.shape)).astype(array.dtype)

    model.set_weights([value(np.asarray(array)) for array in model.get_weights()])
    return model


class TakesLists:
    """A model of named inputs and outputs, called as the recorder calls every model: with the list of its inputs, for that of its outputs."""

    def __init__(self, model: Any) -> None:
        self.model, self.inputs = model, model.inputs
        self.save = model.save

    def __call__(self, inputs: list[Any], training: bool) -> list[Any]:
        names = [tensor.name.partition(":")[0] for tensor in self.inputs]
        outputs = self.model(dict(zip(names, inputs, strict=True)), training=training)
        return [outputs[name] for name in sorted(outputs)]


# Attention


def _feed_forward(layers: Any, x: Any, width: int, activation: str = "gelu") -> Any:
    inner = layers.Dense(2 * width, activation=activation)(x)
    return layers.Dropout(0.1)(layers.Dense(width)(inner))


def _embedded(keras: Any, tokens: Any, positions: Any, vocabulary: int = 11, mask_zero: bool = False) -> Any:
    """Tokens plus learned positions, (batch, time, 8)."""
    layers = keras.layers
    return layers.Add()([layers.Embedding(vocabulary, 8, mask_zero=mask_zero)(tokens), layers.Embedding(9, 8, name="positions")(positions)])


def _encoder(keras: Any, norm_first: bool) -> Any:
    """Two encoder blocks on padded tokens ("Attention Is All You Need", 2017), normalized before or after each sublayer."""
    layers = keras.layers
    tokens, places = keras.Input((9,), dtype="int32", name="tokens"), keras.Input((9,), dtype="int32", name="places")
    x = _embedded(keras, tokens, places, mask_zero=True)
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(x) if norm_first else x
        x = layers.Add()([x, layers.MultiHeadAttention(2, 4, dropout=0.1)(y, y)])
        x = x if norm_first else layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.LayerNormalization(epsilon=1e-6)(x) if norm_first else x
        x = layers.Add()([x, _feed_forward(layers, y, 8)])
        x = x if norm_first else layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.GlobalAveragePooling1D()(x)
    return grown(keras.Model([tokens, places], layers.Dense(3, activation="softmax")(x)))


def _decoder(keras: Any, cross: bool) -> Any:
    """Causal blocks with learned positions; with ``cross`` they also read an encoder's states."""
    layers = keras.layers
    tokens, places = keras.Input((None,), dtype="int32", name="tokens"), keras.Input((None,), dtype="int32", name="places")
    memory = keras.Input((5, 6), name="memory")
    x = _embedded(keras, tokens, places)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(y, y, use_causal_mask=True)])
        if cross:
            x = layers.Add()([x, layers.MultiHeadAttention(4, 2)(layers.LayerNormalization()(x), memory)])
        x = layers.Add()([x, _feed_forward(layers, layers.LayerNormalization()(x), 8)])
    logits = layers.Dense(11, name="logits")(layers.LayerNormalization()(x))
    return grown(keras.Model([tokens, places, memory] if cross else [tokens, places], logits))


def _llama(keras: Any) -> Any:
    """A decoder block of RMS normalization, grouped queries and a SwiGLU."""
    layers = keras.layers
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    embedding = layers.Embedding(11, 8)
    x = embedding(tokens)
    y = layers.RMSNormalization()(x)
    x = layers.Add()([x, layers.GroupQueryAttention(4, 4, 2, use_bias=False)(y, y, use_causal_mask=True)])
    y = layers.RMSNormalization()(x)
    gate = layers.Multiply()([layers.Dense(16, use_bias=False, activation="silu")(y), layers.Dense(16, use_bias=False)(y)])
    x = layers.Add()([x, layers.Dense(8, use_bias=False)(gate)])
    return grown(keras.Model(tokens, layers.Dense(11)(layers.RMSNormalization()(x))))


def _vision_transformer(keras: Any) -> Any:
    """Patches by a strided convolution, flattened, attended to, pooled."""
    layers = keras.layers
    image, places = keras.Input((12, 12, 3), name="image"), keras.Input((9,), dtype="int32", name="places")
    patches = layers.Reshape((9, 8))(layers.Conv2D(8, 4, strides=4)(image))
    x = layers.Add()([patches, layers.Embedding(9, 8)(places)])
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(y, y)])
        x = layers.Add()([x, _feed_forward(layers, layers.LayerNormalization(epsilon=1e-6)(x), 8)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(x))
    return grown(keras.Model([image, places], layers.Dense(4)(x)))


def _conformer(keras: Any, length: int | None) -> Any:
    """Half a feed-forward, attention, the convolution module (GLU, depthwise, BatchNorm, swish), half a feed-forward (Conformer, 2020)."""
    layers = keras.layers

    def half(x: Any) -> Any:
        return layers.Add()([x, layers.Rescaling(0.5)(_feed_forward(layers, layers.LayerNormalization()(x), 8, "swish"))])

    frames = keras.Input((length, 6), name="frames")
    x = half(layers.Dense(8)(frames))
    y = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(y, y)])
    y = layers.LayerNormalization()(x)
    y = layers.Multiply()([layers.Conv1D(8, 1)(y), layers.Conv1D(8, 1, activation="sigmoid")(y)])
    y = layers.Activation("swish")(layers.BatchNormalization()(layers.DepthwiseConv1D(5, padding="same")(y)))
    x = layers.LayerNormalization()(half(layers.Add()([x, layers.Conv1D(8, 1)(y)])))
    return grown(keras.Model(frames, layers.Dense(5, activation="softmax")(x)))


# Images


def _unet(keras: Any, transposed: bool, size: int | None) -> Any:
    """Two steps down and up, each level's features concatenated to what comes up (U-Net, 2015)."""
    layers = keras.layers

    def block(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)))
        return x

    def up(x: Any, filters: int) -> Any:
        if transposed:
            return layers.Conv2DTranspose(filters, 3, strides=2, padding="same")(x)
        return layers.Conv2D(filters, 2, padding="same")(layers.UpSampling2D(2, interpolation="bilinear")(x))

    image = keras.Input((size, size, 2), name="image")
    first = block(image, 4)
    second = block(layers.MaxPooling2D()(first), 6)
    x = block(layers.MaxPooling2D()(second), 8)
    x = block(layers.Concatenate()([up(x, 6), second]), 6)
    x = block(layers.Concatenate()([up(x, 4), first]), 4)
    return grown(keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x)))


def _squeeze_excite(layers: Any, x: Any, filters: int, ratio: int = 2) -> Any:
    s = layers.Reshape((1, 1, filters))(layers.GlobalAveragePooling2D()(x))
    s = layers.Dense(filters // ratio, activation="relu", use_bias=False)(s)
    return layers.Multiply()([x, layers.Dense(filters, activation="sigmoid", use_bias=False)(s)])


def _resnet_se(keras: Any) -> Any:
    """Two residual blocks with squeeze and excitation, the second one with a stride and a projection."""
    layers = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = layers.MaxPooling2D(3, strides=2, padding="same")(layers.Conv2D(6, 7, strides=2, padding="same", activation="relu")(image))
    for filters, strides in ((6, 1), (8, 2)):
        y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)))
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
        y = _squeeze_excite(layers, y, filters)
        if strides > 1:
            x = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides=strides, use_bias=False)(x))
        x = layers.ReLU()(layers.Add()([x, y]))
    return grown(keras.Model(image, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x))))


def _inverted_residuals(keras: Any, data_format: str = "channels_last") -> Any:
    """Expansion, a depthwise convolution, a linear projection; padded as MobileNetV2 pads, and with its clipped activations."""
    layers, axis = keras.layers, 1 if data_format == "channels_first" else -1
    named = {"data_format": data_format}
    image = keras.Input((3, 14, 14) if axis == 1 else (14, 14, 3), name="image")
    x = layers.ReLU(6.0)(layers.BatchNormalization(axis=axis)(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, **named)(image)))
    for strides, filters in ((1, 8), (2, 10)):
        y = layers.ReLU(6.0)(layers.BatchNormalization(axis=axis, epsilon=1e-3, momentum=0.999)(layers.Conv2D(24, 1, use_bias=False, **named)(x)))
        if strides == 2:
            y = layers.ZeroPadding2D(((0, 1), (0, 1)), **named)(y)
        y = layers.DepthwiseConv2D(3, strides=strides, padding="same" if strides == 1 else "valid", use_bias=False, **named)(y)
        y = layers.ReLU(6.0)(layers.BatchNormalization(axis=axis)(y))
        y = layers.BatchNormalization(axis=axis)(layers.Conv2D(filters, 1, use_bias=False, **named)(y))
        x = layers.Add()([x, y]) if strides == 1 else y
    x = layers.GlobalAveragePooling2D(keepdims=True, **named)(x)
    return grown(keras.Model(image, layers.Flatten()(layers.Conv2D(4, 1, **named)(x))))


def _convolutional_autoencoder(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input((12, 12, 1), name="image")
    x = layers.MaxPooling2D(padding="same")(layers.Conv2D(6, 3, activation="relu", padding="same")(image))
    x = layers.Dense(5, name="code")(layers.Flatten()(layers.Conv2D(4, 3, strides=2, activation="relu", padding="same")(x)))
    x = layers.Reshape((3, 3, 4))(layers.Dense(36, activation="relu")(x))
    x = layers.Conv2DTranspose(6, 3, strides=2, activation="relu", padding="same")(x)
    x = layers.UpSampling2D()(layers.Conv2D(4, 3, activation="relu", padding="same")(x))
    return grown(keras.Model(image, layers.Conv2D(1, 3, activation="sigmoid", padding="same")(x)))


def _dense_autoencoder(keras: Any) -> Any:
    """An encoder and a decoder that are models of their own, one after the other."""
    layers = keras.layers
    encoder = keras.Sequential([keras.Input((20,)), layers.Dense(12, activation="relu"), layers.Dense(3, name="code")], name="encoder")
    decoder = keras.Sequential([keras.Input((3,)), layers.Dense(12, activation="relu"), layers.Dense(20, activation="sigmoid")], name="decoder")
    x = keras.Input((20,), name="x")
    code = encoder(layers.GaussianNoise(0.1)(x))
    return grown(keras.Model(x, [decoder(code), code]))


def _variational_encoder(keras: Any) -> Any:
    """The mean and the log-variance of a code, and the sample that a given noise makes of them."""
    layers = keras.layers
    image, noise = keras.Input((8, 8, 1), name="image"), keras.Input((3,), name="noise")
    x = layers.Flatten()(layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(image))
    x = layers.Dense(8, activation="relu")(x)
    mean, spread = layers.Dense(3, name="mean")(x), layers.Dense(3, name="log_variance")(x)
    deviation = layers.Activation("exponential")(layers.Rescaling(0.5)(spread))
    sample = layers.Add(name="sample")([mean, layers.Multiply()([deviation, noise])])
    return grown(keras.Model([image, noise], [mean, spread, sample]))


def _siamese(keras: Any) -> Any:
    """One nested branch called on two images; the L1 distance |a - b| (as the larger of both differences); a score."""
    layers = keras.layers
    inner = keras.Input((10, 10, 1))
    x = layers.MaxPooling2D()(layers.Conv2D(4, 3, activation="relu")(inner))
    x = layers.Dense(6, activation="sigmoid")(layers.Flatten()(x))
    branch = keras.Model(inner, x, name="branch")
    left, right = keras.Input((10, 10, 1), name="left"), keras.Input((10, 10, 1), name="right")
    a, b = branch(left), branch(right)
    distance = layers.Maximum()([layers.Subtract()([a, b]), layers.Subtract()([b, a])])
    return grown(keras.Model([left, right], layers.Dense(1, activation="sigmoid")(distance)))


def _triplet(keras: Any) -> Any:
    """A shared branch on three inputs: the cosines of the anchor with the positive and the negative."""
    layers = keras.layers
    branch = keras.Sequential([keras.Input((7,)), layers.Dense(9, activation="tanh"), layers.BatchNormalization(), layers.Dense(5)], name="branch")
    tensors = [keras.Input((7,), name=name) for name in ("anchor", "positive", "negative")]
    anchor, positive, negative = (branch(tensor) for tensor in tensors)
    return grown(keras.Model(tensors, [layers.Dot(1, normalize=True)([anchor, other]) for other in (positive, negative)]))


def _pointnet(keras: Any) -> Any:
    """A perceptron that all points share, their largest features, and those given back to each point (PointNet, 2017)."""
    layers = keras.layers
    points = keras.Input((13, 3), name="points")
    local = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(6, 1)(points)))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.0)(layers.Dense(10)(local)))
    whole = layers.GlobalMaxPooling1D()(x)
    each = layers.Concatenate()([local, layers.RepeatVector(13)(whole)])
    return grown(keras.Model(points, [layers.Dense(4, name="kind")(whole), layers.Conv1D(3, 1, activation="softmax", name="part")(each)]))


# Sequences


def _wavenet(keras: Any, length: int | None) -> Any:
    """Dilated causal convolutions, each gated, with sums of residuals and of skips (WaveNet, 2016)."""
    layers = keras.layers
    wave = keras.Input((length, 1), name="wave")
    x, skips = layers.Conv1D(6, 2, padding="causal")(wave), []
    for rate in (1, 2, 4, 8):
        gated = layers.Multiply()([layers.Conv1D(6, 2, padding="causal", dilation_rate=rate, activation=name)(x) for name in ("tanh", "sigmoid")])
        skips.append(layers.Conv1D(5, 1)(gated))
        x = layers.Add()([x, layers.Conv1D(6, 1)(gated)])
    y = layers.Conv1D(8, 1, activation="relu")(layers.ReLU()(layers.Add()(skips)))
    return grown(keras.Model(wave, layers.Conv1D(7, 1, activation="softmax")(y)))


def _temporal_convolutions(keras: Any) -> Any:
    """TCN blocks: dropout of whole channels, causal dilated convolutions, a residual of another width; the last step."""
    layers = keras.layers
    x = inputs = keras.Input((16, 3), name="series")
    for rate, filters in ((1, 4), (2, 5)):
        y = x
        for _ in range(2):
            y = layers.SpatialDropout1D(0.2)(layers.ReLU()(layers.LayerNormalization()(layers.Conv1D(filters, 3, padding="causal", dilation_rate=rate)(y))))
        x = layers.ReLU()(layers.Add()([layers.Conv1D(filters, 1)(x), y]))
    return grown(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Cropping1D((15, 0))(x)))))


def _crnn(keras: Any) -> Any:
    """Text in an image: convolutions, columns as steps, recurrence both ways, letters with a blank."""
    layers = keras.layers
    image = keras.Input((16, 24, 1), name="image")
    x = layers.MaxPooling2D()(layers.Conv2D(4, 3, padding="same", activation="relu")(image))
    x = layers.MaxPooling2D((2, 1))(layers.BatchNormalization()(layers.Conv2D(6, 3, padding="same", activation="relu")(x)))
    x = layers.Reshape((12, 24))(layers.Permute((2, 1, 3))(x))
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True), merge_mode="sum")(layers.Dense(8, activation="relu")(x))
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    return grown(keras.Model(image, layers.Dense(7, activation="softmax")(x)))


def _sequence_to_sequence(keras: Any, attention: str) -> Any:
    """An encoder both ways on padded tokens; a decoder from its states that attends to it."""
    layers = keras.layers
    source, target = keras.Input((8,), dtype="int32", name="source"), keras.Input((6,), dtype="int32", name="target")
    x = layers.Embedding(11, 6, mask_zero=True)(source)
    memory, fh, fc, bh, bc = layers.Bidirectional(layers.LSTM(4, return_sequences=True, return_state=True))(x)
    states = [layers.Concatenate()([fh, bh]), layers.Concatenate()([fc, bc])]
    decoded = layers.LSTM(8, return_sequences=True)(layers.Embedding(11, 6)(target), initial_state=states)
    read = getattr(layers, attention)()([decoded, memory])
    y = layers.Dense(8, activation="tanh")(layers.Concatenate()([decoded, read]))
    return grown(keras.Model([source, target], layers.TimeDistributed(layers.Dense(11, activation="softmax"))(y)))


def _video(keras: Any) -> Any:
    """Stacked ConvLSTMs with normalization between them, then a 3D convolution to the next frames."""
    layers = keras.layers
    x = clip = keras.Input((4, 6, 6, 1), name="clip")
    for size in (5, 3):
        x = layers.ConvLSTM2D(3, size, padding="same", return_sequences=True, activation="relu")(x)
        x = layers.BatchNormalization()(x)
    return grown(keras.Model(clip, layers.Conv3D(1, 3, activation="sigmoid", padding="same")(x)))


def _frames(keras: Any) -> Any:
    """A convolutional network on each frame, a GRU over the frames."""
    layers = keras.layers
    frame = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(6)], name="frame")
    clip = keras.Input((5, 8, 8, 3), name="clip")
    return grown(keras.Model(clip, layers.Dense(3)(layers.GRU(5)(layers.TimeDistributed(frame)(clip)))))


def _text_convolutions(keras: Any) -> Any:
    """Windows of several widths over padded tokens, each window's largest answer (Kim, 2014)."""
    layers = keras.layers
    tokens = keras.Input((12,), dtype="int32", name="tokens")
    x = layers.SpatialDropout1D(0.2)(layers.Embedding(15, 6, mask_zero=True)(tokens))
    found = [layers.GlobalMaxPooling1D()(layers.Conv1D(4, width, activation="relu")(x)) for width in (2, 3, 4)]
    mean = layers.GlobalAveragePooling1D()(x)
    return grown(keras.Model(tokens, layers.Dense(2, activation="softmax")(layers.Dropout(0.5)(layers.Concatenate()([*found, mean])))))


def _hierarchical(keras: Any) -> Any:
    """Sentences of words: a recurrent branch on each sentence, one over the sentences, all padded."""
    layers = keras.layers
    words = keras.Input((5,), dtype="int32")
    sentence = keras.Model(words, layers.Bidirectional(layers.GRU(3))(layers.Embedding(9, 4, mask_zero=True)(words)), name="sentence")
    document = keras.Input((4, 5), dtype="int32", name="document")
    x = layers.TimeDistributed(sentence)(document)
    return grown(keras.Model(document, layers.Dense(2)(layers.LSTM(4)(x))))


def _characters(keras: Any) -> Any:
    """A stateful network for characters, one batch of streams at a time; a file of it starts from zeros."""
    layers = keras.layers
    x = tokens = keras.Input(batch_shape=(3, 5), dtype="int32", name="characters")
    x = layers.Embedding(13, 6)(x)
    x = layers.GRU(7, return_sequences=True, stateful=True, recurrent_initializer="glorot_uniform")(x)
    x = layers.LSTM(5, return_sequences=True, stateful=True)(x)
    return keras.Model(tokens, layers.Dense(13)(x))


# Tables


def _gated_residual(layers: Any, x: Any, width: int, context: Any = None) -> Any:
    """A gated residual network (Temporal Fusion Transformers, 2019, equations 2 to 5)."""
    inner = layers.Dense(width)(x)
    if context is not None:
        inner = layers.Add()([inner, layers.Dense(width, use_bias=False)(context)])
    inner = layers.Dense(width)(layers.ELU()(inner))
    gated = layers.Multiply()([layers.Dense(width)(inner), layers.Dense(width, activation="sigmoid")(inner)])
    return layers.LayerNormalization()(layers.Add()([x if x.shape[-1] == width else layers.Dense(width)(x), gated]))


def _temporal_fusion(keras: Any) -> Any:
    """A variable selection by softmax over three series with a static context, an LSTM, attention, quantiles."""
    layers = keras.layers
    context, series = keras.Input((4,), name="context"), [keras.Input((6, 1), name=f"series{index}") for index in range(3)]
    enriched = layers.RepeatVector(6)(_gated_residual(layers, context, 5))
    features = [_gated_residual(layers, layers.Dense(5)(one), 5) for one in series]
    weights = layers.Softmax()(layers.Dense(3)(_gated_residual(layers, layers.Concatenate()(features), 5, enriched)))
    stacked = layers.Reshape((6, 3, 5))(layers.Concatenate()(features))
    chosen = layers.Multiply()([stacked, layers.Reshape((6, 3, 1))(weights)])
    chosen = layers.Add()([layers.Reshape((6, 5))(layers.Cropping2D(((0, 0), (index, 2 - index)))(chosen)) for index in range(3)])
    x = layers.LayerNormalization()(layers.Add()([chosen, layers.LSTM(5, return_sequences=True)(chosen)]))
    attended, scores = layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True, return_attention_scores=True)
    quantiles = layers.TimeDistributed(layers.Dense(3))(_gated_residual(layers, attended, 5))
    return grown(keras.Model([context, *series], [quantiles, scores]))


def _two_towers(keras: Any) -> Any:
    """A recommender: the user's looked-up and hashed features and the item's, each through a tower; their normalized product."""
    layers = keras.layers
    user, city, item = (keras.Input((1,), dtype="int64", name=name) for name in ("user", "city", "item"))
    history = keras.Input((6,), dtype="int64", name="history")
    items = layers.Embedding(9, 4, name="items", mask_zero=True)
    lookup = layers.IntegerLookup(vocabulary=[3, 9, 4, 12, 7, 1, 17], mask_token=0)
    past = layers.GlobalAveragePooling1D()(items(lookup(history)))
    known = [layers.Flatten()(layers.Embedding(size, 3)(layers.Hashing(size)(tensor))) for tensor, size in ((user, 40), (city, 9))]
    left = layers.Dense(5)(layers.Dense(8, activation="relu")(layers.Concatenate()([*known, past])))
    right = layers.Dense(5)(layers.Dense(8, activation="relu")(layers.Flatten()(items(lookup(item)))))
    return grown(keras.Model([user, city, item, history], layers.Dot(1, normalize=True)([left, right])))


def _wide_and_deep(keras: Any) -> Any:
    """A table of every kind of column, normalized, binned, looked up and encoded in the model; a wide and a deep path; two answers."""
    layers = keras.layers
    amounts, age = keras.Input((3,), name="amounts"), keras.Input((1,), name="age")
    kind, colour = keras.Input((1,), dtype="int64", name="kind"), keras.Input((1,), dtype="int32", name="colour")
    scaled = layers.Normalization(mean=[0.3, -1.0, 2.0], variance=[1.0, 4.0, 0.25])(amounts)
    binned = layers.Discretization(bin_boundaries=[-1.0, 0.0, 1.5], output_mode="one_hot")(age)
    looked = layers.IntegerLookup(vocabulary=[2, 5, 8], output_mode="one_hot")(kind)
    encoded = layers.CategoryEncoding(4, output_mode="multi_hot")(colour)
    embedded = layers.Flatten()(layers.Embedding(4, 2)(layers.Discretization(bin_boundaries=[-1.0, 0.0, 1.5])(age)))
    wide = layers.Concatenate()([binned, looked, encoded])
    deep = layers.Concatenate()([scaled, embedded, layers.Dense(4)(wide)])
    for units in (12, 8):
        deep = layers.Dropout(0.2)(layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(deep))))
    whole = layers.Concatenate()([wide, deep])
    answers = [layers.Dense(1, activation="sigmoid", name="churn")(whole), layers.Dense(3, activation="softmax", name="segment")(whole)]
    return grown(keras.Model([amounts, age, kind, colour], answers))


def _named(keras: Any) -> Any:
    """A model whose inputs and outputs are dictionaries."""
    layers = keras.layers
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    x = layers.Concatenate()([layers.Dense(5, activation="relu")(left), right])
    outputs = {"b_scores": layers.Dense(3, name="b_scores")(x), "a_value": layers.Dense(1, name="a_value")(x)}
    return TakesLists(grown(keras.Model({"left": left, "right": right}, outputs)))


def _deep(keras: Any) -> Any:
    """A residual perceptron of more than a hundred layers."""
    layers = keras.layers
    inputs = keras.Input((8,), name="x")
    x = layers.Dense(12)(inputs)
    for _ in range(36):
        x = layers.Add()([x, layers.Dense(12, activation="relu")(layers.LayerNormalization()(x))])
    return grown(keras.Model(inputs, layers.Dense(2)(x)))


def _mixture_of_experts(keras: Any) -> Any:
    """Experts weighed by a softmax gate, by a batched product."""
    layers = keras.layers
    inputs = keras.Input((6,), name="x")
    experts = [layers.Reshape((1, 5))(layers.Dense(5, activation="relu")(inputs)) for _ in range(3)]
    gate = layers.Dense(3, activation="softmax")(inputs)
    x = layers.Dot(axes=(1, 1))([gate, layers.Concatenate(axis=1)(experts)])
    return grown(keras.Model(inputs, layers.Dense(2)(x)))


def _transformers() -> Iterable[Case]:
    tokens = {0: 11, 1: 9}
    yield Case("Transformer-encoder-prenorm", lambda k: _encoder(k, norm_first=True), integers=tokens)
    yield Case("Transformer-encoder-postnorm", lambda k: _encoder(k, norm_first=False), integers=tokens)
    yield Case("Transformer-causal", lambda k: _decoder(k, cross=False), integers=tokens)
    yield Case("Transformer-decoder-cross", lambda k: _decoder(k, cross=True), integers=tokens)
    yield Case("Transformer-grouped-swiglu", _llama, K3, integers={0: 11})
    yield Case("VisionTransformer", _vision_transformer, integers={1: 9})
    yield Case("Conformer-fixed", lambda k: _conformer(k, 10))
    yield Case("Conformer-dynamic", lambda k: _conformer(k, None))


def _images() -> Iterable[Case]:
    yield Case("UNet-transposed", lambda k: _unet(k, transposed=True, size=8))
    yield Case("UNet-upsampled", lambda k: _unet(k, transposed=False, size=8))
    yield Case("UNet-any-size", lambda k: _unet(k, transposed=True, size=None), lengths=12)
    yield Case("ResNet-SE", _resnet_se)
    yield Case("MobileNet-inverted-residuals", _inverted_residuals)
    yield Case("MobileNet-inverted-residuals-channels_first", lambda k: _inverted_residuals(k, "channels_first"), K3)
    yield Case("Autoencoder-dense", _dense_autoencoder)
    yield Case("Autoencoder-convolutional", _convolutional_autoencoder)
    yield Case("Autoencoder-variational", _variational_encoder)
    yield Case("Siamese-L1", _siamese)
    yield Case("Siamese-triplet", _triplet)
    yield Case("PointNet", _pointnet)


def _sequences() -> Iterable[Case]:
    yield Case("WaveNet-fixed", lambda k: _wavenet(k, 20))
    yield Case("WaveNet-dynamic", lambda k: _wavenet(k, None), lengths=18)
    yield Case("TCN", _temporal_convolutions)
    yield Case("CRNN", _crnn)
    yield Case("Seq2Seq-Attention", lambda k: _sequence_to_sequence(k, "Attention"), integers={0: 11, 1: 11})
    yield Case("Seq2Seq-AdditiveAttention", lambda k: _sequence_to_sequence(k, "AdditiveAttention"), integers={0: 11, 1: 11})
    yield Case("Video-ConvLSTM", _video)
    yield Case("Video-frames", _frames)
    yield Case("TextCNN", _text_convolutions, integers={0: 15})
    yield Case("Hierarchical-GRU", _hierarchical, integers={0: 9})
    yield Case("CharRNN-stateful", _characters, integers={0: 13})


def _tables() -> Iterable[Case]:
    yield Case("TemporalFusion", _temporal_fusion)
    yield Case("TwoTowers-lookups", _two_towers, integers={0: 1000, 1: 1000, 2: 20, 3: 20})
    yield Case("WideAndDeep", _wide_and_deep, integers={2: 10, 3: 4})
    yield Case("Dictionaries", _named)
    yield Case("DeepMLP-110-layers", _deep)
    yield Case("MixtureOfExperts", _mixture_of_experts)


CASES: tuple[Case, ...] = (*_transformers(), *_images(), *_sequences(), *_tables())
