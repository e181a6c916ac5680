"""Layers that take or make text, and models behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .case import K3, Case

BOTH = ("keras3", "keras2")

WORDS = ("the", "cat", "sat", "on", "über", "mat", "a", "東京", "é")

#: Words as inputs of their own: of the vocabulary, in capitals, empty, others of all lengths.
TOKENS = ("the", "cat", "CAT", "", "über", "東京", "mat", "unknown", "a", "é", "x" * 70, "É", "on the mat", "sat", "zq", "naïve", "[UNK]", "!")

TEXTS = (
    "The cat sat, on the mat!",
    "über\tTHE mat: don't\n\n",
    "",
    "a é [東京] é a; the-cat sat",
    "  ??? !!! ",
    "On ON on 🙂 (on) über über",
    "A much longer text: the cat sat on the mat, on the mat sat the cat, and nobody über a mat.",
)

SHORT = (".keras",)


def text_case(class_name: str, label: str, only: tuple[str, ...] = BOTH, shape: tuple[int | None, ...] = (4,), inputs: int = 1, pool: tuple[str, ...] = TOKENS, dtype: str = "string", adapt: Any = None, formats: tuple[str, ...] = (".keras", ".h5"), **arguments: Any) -> Case:
    """A layer on text, or with another ``dtype`` on small integers."""

    def build(keras: Any) -> Any:
        tensors = [keras.Input(shape, dtype=dtype, name=f"x{index}") for index in range(inputs)]
        layer = getattr(keras.layers, class_name)(**arguments, name="layer")
        if adapt is not None:
            import numpy as np

            layer.adapt(np.asarray(adapt))
        given = tensors[0] if inputs == 1 else tensors
        return keras.Model(given, layer(given))

    positions = range(inputs)
    texts = dict.fromkeys(positions, pool) if dtype == "string" else {}
    integers = {} if dtype == "string" else dict.fromkeys(positions, 12)
    return Case(f"{class_name}-{label}", build, only, integers=integers, formats=formats, texts=texts)


def _string_lookup() -> Iterable[Case]:
    name = "StringLookup"
    yield text_case(name, "default", vocabulary=WORDS)
    yield text_case(name, "scalars", shape=(), vocabulary=WORDS)
    yield text_case(name, "rank3-dynamic", shape=(2, None), vocabulary=WORDS)
    yield text_case(name, "mask", mask_token="", vocabulary=WORDS)
    yield text_case(name, "mask-word", mask_token="zq", oov_token="none", vocabulary=WORDS, max_tokens=40)
    yield text_case(name, "special-tokens", mask_token="", oov_token="[OOV]", vocabulary=("", "[OOV]", *WORDS))
    yield text_case(name, "several-oov", num_oov_indices=3, vocabulary=WORDS)
    yield text_case(name, "several-oov-mask", num_oov_indices=5, mask_token="", vocabulary=WORDS)
    yield text_case(name, "several-oov-salt", only=K3, num_oov_indices=4, salt=[3, 9], vocabulary=WORDS)
    yield text_case(name, "no-oov", pool=WORDS, num_oov_indices=0, vocabulary=WORDS)
    yield text_case(name, "invert", dtype="int64", invert=True, vocabulary=WORDS)
    yield text_case(name, "invert-mask", dtype="int64", invert=True, mask_token="", oov_token="?", num_oov_indices=2, vocabulary=WORDS)
    yield text_case(name, "adapted", formats=SHORT, mask_token="", adapt=["cat", "the", "the", "é", "東京", "é", "the"])
    yield text_case(name, "adapted-max_tokens", formats=SHORT, max_tokens=4, adapt=["cat", "the", "the", "é", "東京", "é", "the"])
    yield text_case(name, "one_hot", shape=(1,), output_mode="one_hot", vocabulary=WORDS)
    yield text_case(name, "one_hot-sequence", only=K3, output_mode="one_hot", mask_token="", vocabulary=WORDS)
    yield text_case(name, "multi_hot", output_mode="multi_hot", vocabulary=WORDS)
    yield text_case(name, "multi_hot-padded", output_mode="multi_hot", mask_token="", max_tokens=15, pad_to_max_tokens=True, vocabulary=WORDS)
    yield text_case(name, "count", output_mode="count", num_oov_indices=2, vocabulary=WORDS)
    yield text_case(name, "count-mask-dynamic", shape=(None,), output_mode="count", mask_token="", vocabulary=WORDS)
    weights = [0.1 * index + 0.2 for index in range(len(WORDS))]
    yield text_case(name, "tf_idf", output_mode="tf_idf", vocabulary=WORDS, idf_weights=weights)
    yield text_case(name, "tf_idf-padded", output_mode="tf_idf", vocabulary=("[UNK]", *WORDS), idf_weights=[0.5, *weights], max_tokens=14, pad_to_max_tokens=True)
    yield text_case(name, "tf_idf-adapted", only=K3, formats=SHORT, output_mode="tf_idf", adapt=[["the", "cat"], ["the", "é"]])
    yield text_case(name, "encoding", encoding="utf-8", vocabulary=WORDS)


def vectorized(label: str, only: tuple[str, ...] = BOTH, shape: tuple[int | None, ...] = (1,), pool: tuple[str, ...] = TEXTS, **arguments: Any) -> Case:
    """A TextVectorization of a vocabulary of its own, or adapted."""
    learned = {} if "adapt" in arguments else {"vocabulary": WORDS}
    return text_case("TextVectorization", label, only, shape=shape, pool=pool, **learned, **arguments)


def _vectorization() -> Iterable[Case]:
    yield vectorized("default")
    yield vectorized("scalars", shape=())
    yield vectorized("lower", standardize="lower")
    yield vectorized("strip_punctuation", standardize="strip_punctuation")
    yield vectorized("no-standardize", standardize=None)
    yield vectorized("length", output_sequence_length=5)
    yield vectorized("length-long", output_sequence_length=40)
    yield vectorized("character", split="character", output_sequence_length=12)
    yield vectorized("character-open", split="character")
    yield vectorized("ngrams", ngrams=2, output_sequence_length=9)
    yield vectorized("ngrams-open", ngrams=2)
    yield vectorized("ngrams-some", ngrams=(1, 3), output_sequence_length=20)
    yield vectorized("no-split", shape=(4,), pool=TOKENS, split=None)
    yield vectorized("no-split-longer", shape=(4,), pool=TOKENS, split=None, output_sequence_length=6)
    yield vectorized("no-split-shorter", shape=(4,), pool=TOKENS, split=None, output_sequence_length=3)
    yield vectorized("multi_hot", output_mode="multi_hot")
    yield vectorized("multi_hot-padded-ngrams", output_mode="multi_hot", ngrams=2, max_tokens=20, pad_to_max_tokens=True)
    yield vectorized("count", output_mode="count", standardize="lower")
    yield vectorized("count-no-split", shape=(4,), pool=TOKENS, split=None, output_mode="count")
    yield vectorized("tf_idf", output_mode="tf_idf", idf_weights=[0.1 * index + 0.2 for index in range(len(WORDS))])
    yield vectorized("adapted", formats=SHORT, adapt=TEXTS)
    yield vectorized("adapted-ngrams", formats=SHORT, ngrams=3, max_tokens=25, output_sequence_length=30, adapt=TEXTS)
    yield vectorized("adapted-tf_idf", only=K3, formats=SHORT, output_mode="tf_idf", adapt=TEXTS)
    yield vectorized("adapted-tf_idf-padded", only=K3, formats=SHORT, output_mode="tf_idf", max_tokens=60, pad_to_max_tokens=True, adapt=TEXTS)
    # Keras takes a vocabulary apart at line ends, and so can't read one that has them in it.
    yield vectorized("adapted-count-character", formats=SHORT, output_mode="count", split="character", adapt=[text.replace("\n", " ") for text in TEXTS])


def _hashing() -> Iterable[Case]:
    yield text_case("Hashing", "text", num_bins=1000)
    yield text_case("Hashing", "text-salt", num_bins=1000, salt=133137)
    yield text_case("Hashing", "text-mask", num_bins=9, mask_value="")
    yield text_case("Hashing", "text-mask-salts", num_bins=9, mask_value="cat", salt=[7, 11])
    yield text_case("Hashing", "text-one_hot", shape=(1,), num_bins=7, output_mode="one_hot")
    yield text_case("Hashing", "text-multi_hot", num_bins=7, output_mode="multi_hot")
    yield text_case("Hashing", "text-count", num_bins=7, mask_value="", output_mode="count")
    yield text_case("HashedCrossing", "text", shape=(1,), inputs=2, num_bins=1000)
    yield text_case("HashedCrossing", "text-one_hot", shape=(1,), inputs=2, num_bins=7, output_mode="one_hot")
    yield text_case("HashedCrossing", "text-three", only=("keras2",), shape=(1,), inputs=3, num_bins=50)


def model_case(label: str, shapes: tuple[tuple[int | None, ...], ...], build: Callable[[Any, Any], Any], pools: tuple[Any, ...], only: tuple[str, ...] = BOTH, formats: tuple[str, ...] = (".keras", ".h5")) -> Case:
    """A model of inputs of text, or where a pool is a number, of integers below it."""

    def model(keras: Any) -> Any:
        kinds = ["string" if isinstance(pool, tuple) else "int64" for pool in pools]
        tensors = [keras.Input(shape, dtype=kind, name=f"x{index}") for index, (shape, kind) in enumerate(zip(shapes, kinds, strict=True))]
        return keras.Model(tensors, build(keras.layers, tensors))

    texts = {index: pool for index, pool in enumerate(pools) if isinstance(pool, tuple)}
    integers = {index: pool for index, pool in enumerate(pools) if not isinstance(pool, tuple)}
    return Case(label, model, only, integers=integers, texts=texts, formats=formats)


def _recurrent(layers: Any, inputs: Any) -> Any:
    x = layers.TextVectorization(vocabulary=WORDS)(inputs[0])
    x = layers.Embedding(len(WORDS) + 2, 6, mask_zero=True)(x)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(x)
    return layers.Dense(3, activation="softmax")(layers.GRU(4)(x))


def _pooled(layers: Any, inputs: Any) -> Any:
    x = layers.TextVectorization(vocabulary=WORDS, output_sequence_length=12)(inputs[0])
    x = layers.Embedding(len(WORDS) + 2, 6)(x)
    x = layers.Conv1D(7, 3, activation="relu")(x)
    return layers.Dense(1, activation="sigmoid")(layers.GlobalMaxPooling1D()(x))


def _bag(layers: Any, inputs: Any) -> Any:
    x = layers.TextVectorization(vocabulary=WORDS, ngrams=2, output_mode="multi_hot")(inputs[0])
    return layers.Dense(1, activation="sigmoid")(layers.Dense(8, activation="relu")(x))


def _columns(layers: Any, inputs: Any) -> Any:
    """Words of several columns, moved as text before they are looked up, beside numbers."""
    first, second, number = inputs
    both = layers.Concatenate()([first, layers.Reshape((2,))(second)])
    looked = layers.StringLookup(vocabulary=WORDS, num_oov_indices=1)(both)
    rows = layers.Flatten()(layers.Embedding(len(WORDS) + 1, 3)(looked))
    coded = layers.CategoryEncoding(len(WORDS) + 1, output_mode="multi_hot")(looked)
    kinds = layers.IntegerLookup(vocabulary=[3, 5, 8], output_mode="one_hot")(number)
    return layers.Dense(2)(layers.Concatenate()([rows, layers.Rescaling(1.0)(coded), layers.Rescaling(1.0)(kinds)]))


def _there_and_back(layers: Any, inputs: Any) -> Any:
    places = layers.StringLookup(vocabulary=WORDS, mask_token="")(inputs[0])
    return layers.StringLookup(vocabulary=WORDS, mask_token="", invert=True)(places)


def _models() -> Iterable[Case]:
    yield model_case("Functional-text-recurrent", ((1,),), _recurrent, (TEXTS,))
    yield model_case("Functional-text-convolution", ((1,),), _pooled, (TEXTS,))
    yield model_case("Functional-text-bag", ((1,),), _bag, (TEXTS,))
    yield model_case("Functional-text-columns", ((2,), (1, 2), (1,)), _columns, (TOKENS, TOKENS, 10))
    yield model_case("Functional-text-there-and-back", ((3,),), _there_and_back, (TOKENS,))


CASES: tuple[Case, ...] = (*_string_lookup(), *_vectorization(), *_hashing(), *_models())

_HASHED = ("several-oov", "several-oov-mask", "several-oov-salt", "count")

#: Rows that have operators for text in no ONNX, by the reason.
REFUSED_BY_ONNX = {
    **dict.fromkeys([f"StringLookup-{label}" for label in _HASHED], "hashes of text"),
    **{case.id: "hashes of text" for case in _hashing()},
    **{case.id: "splits into characters" for case in CASES if "character" in case.id},
}
