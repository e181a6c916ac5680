"""Ops of text mean what TensorFlow's string ops compute."""

from __future__ import annotations

import numpy as np
import pytest

from kexport.ir import dims
from kexport.ir.evaluate import evaluate
from kexport.ir.ops import OpError
from kexport.ir.texts import as_bytes, readable
from support.graphs import graph_from

N = dims.symbol("n")
LENGTH = dims.symbol("tokens")

TEXTS = (
    "The cat sat, on the mat!",
    "",
    "   leading,\ttabs\nand\r\x0bother\x0cspaces   ",
    "ÄÖÜ and É stay; ASCII does NOT",
    "don't [join] {this} <or> that_one ~ `tick` \\ | ^ @ # $ % & * ( ) + - = . / : \" ?",
    "日本語 テキスト 🙂 end",
    "!!! ???",
    "one",
    "no-break\u00a0space and em\u2003space are letters",
)

#: Of all lengths that hash functions take otherwise, of bytes of any value.
BYTES = [
    bytes(np.random.default_rng(n).integers(1, 256, n, dtype=np.uint8))
    for n in (*range(140), 255, 256, 257, 1000)
]


def texts(items, shape=None):
    found = np.empty(len(items), object)
    found[:] = items
    return found if shape is None else found.reshape(shape)


def computed(body, *inputs):
    types = {
        f"x{index}": ("string" if x.dtype == object else x.dtype.name, (N, *x.shape[1:]))
        for index, x in enumerate(inputs)
    }
    return evaluate(graph_from(types, body), list(inputs))[0]


def split(x, how):
    import tensorflow as tf

    return tf.strings.split(x) if how == "whitespace" else tf.strings.unicode_split(x, "UTF-8")


def test_cases_and_signs_are_tensorflows():
    import tensorflow as tf

    x = texts(TEXTS)
    np.testing.assert_array_equal(computed(lambda b, x: b.op("lower", x), x), tf.strings.lower(x).numpy())
    signs = r'[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']'
    wanted = tf.strings.regex_replace(x, signs, "").numpy()
    np.testing.assert_array_equal(computed(lambda b, x: b.op("strip_punctuation", x), x), wanted)


@pytest.mark.parametrize("ngrams", [None, (1,), (1, 2), (3, 1), (2,)])
@pytest.mark.parametrize("how", ["whitespace", "character"])
@pytest.mark.parametrize("length", [LENGTH, 3, 200])
def test_tokens_are_tensorflows(how, ngrams, length):
    import tensorflow as tf

    x = texts(TEXTS)
    ragged = split(x, how)
    if ngrams is not None:
        ragged = tf.strings.ngrams(ragged, ngrams, separator=" ")
    wanted = ragged.to_tensor("", shape=(None, None if length is LENGTH else length)).numpy()
    found = computed(lambda b, x: b.op("tokenize", x, split=how, ngrams=ngrams, length=length), x)
    np.testing.assert_array_equal(found, wanted)


def test_neighbours_of_words_that_are_split_already():
    import tensorflow as tf

    x = texts(["a", "b", "c", "d", "e", ""], (2, 3))
    wanted = tf.strings.ngrams(x, (1, 2), separator=" ").numpy()
    found = computed(lambda b, x: b.op("tokenize", x, split="none", ngrams=(1, 2), length=5), x)
    np.testing.assert_array_equal(found, wanted)


def test_a_length_that_is_found_out_counts_in_what_follows():
    def body(b, x):
        tokens = b.op("tokenize", x, length=LENGTH)
        same = b.op("equal", tokens, b.constant(texts([b"the"]), "string"))
        return b.op("reshape", b.op("cast", same, dtype="int32"), shape=(N, LENGTH, 1))

    assert computed(body, texts(["the the", "a b the", ""])).tolist() == [
        [[1], [1], [0]],
        [[0], [0], [1]],
        [[0]] * 3,
    ]


@pytest.mark.parametrize("key", [None, (3, 9), (-1, 2**40)])
def test_hashes_of_text_are_tensorflows(key):
    import tensorflow as tf

    wanted = (
        tf.strings.to_hash_bucket_fast(BYTES, 10**9 + 7)
        if key is None
        else tf.strings.to_hash_bucket_strong(BYTES, 10**9 + 7, key=key)
    )
    found = computed(lambda b, x: b.op("hash_bucket", x, buckets=10**9 + 7, key=key), texts(BYTES))
    np.testing.assert_array_equal(found, wanted.numpy())


def test_text_is_crossed_with_numbers_and_text():
    import tensorflow as tf

    first, second = texts(TEXTS), texts(TEXTS[::-1])
    numbers = np.arange(-4, len(TEXTS) - 4) * 10**12
    for columns in ([first, second], [first, numbers], [numbers, first, second]):
        crossed = tf.sparse.cross_hashed([tf.constant(column[:, None]) for column in columns], 99_991)
        found = computed(lambda b, *inputs: b.op("cross_hash", *inputs, buckets=99_991), *columns)
        np.testing.assert_array_equal(found, tf.sparse.to_dense(crossed).numpy()[:, 0])


def test_words_are_looked_up():
    keys = texts([b"a", "é".encode(), b""])

    def body(b, x):
        return b.op("lookup", x, b.constant(keys, "string"), b.constant(np.arange(5, 8)), default=-1)

    assert computed(body, texts(["é", "b", "", "a", b"\xff"])).tolist() == [6, -1, 7, 5, -1]


@pytest.mark.parametrize("binary", [False, True])
def test_counts(binary):
    x = np.asarray([[0, 3, 3, 2**62], [1, 1, 1, 4], [-1, 5, 9, 0]])
    found = computed(lambda b, x: b.op("bincount", x, depth=5, binary=binary, dtype="int64"), x)
    wanted = np.asarray([[1, 0, 0, 2, 0], [0, 3, 0, 0, 1], [1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(found, np.minimum(wanted, 1) if binary else wanted)


@pytest.mark.parametrize(
    ("op", "attrs", "shape"),
    [
        ("lower", {}, None),
        ("tokenize", {"length": 3}, (2, 2)),
        ("tokenize", {"length": 3, "split": "none"}, (2,)),
        ("tokenize", {"length": 3, "split": "words"}, (2,)),
        ("tokenize", {"length": 3, "ngrams": (0,)}, (2,)),
        ("tokenize", {"length": 3, "ngrams": ()}, (2,)),
    ],
)
def test_what_makes_no_sense_is_an_error(op, attrs, shape):
    kind = ("int64", (2,)) if shape is None else ("string", shape)
    with pytest.raises(OpError, match=r"takes text|positive lengths"):
        graph_from({"x": kind}, lambda b, x: b.op(op, x, **attrs))


def test_arrays_of_text():
    given = np.asarray(["é", "x"])
    assert as_bytes(given).tolist() == ["é".encode(), b"x"]
    assert readable(as_bytes(given)).tolist() == ["é", "x"]
    assert readable(texts([b"\xff", b"x"])).dtype.kind == "S"
