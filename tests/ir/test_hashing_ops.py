"""Hashes and lookups of integers: the ops' meaning against TensorFlow, and what targets without them compute instead."""

from __future__ import annotations

import numpy as np
import pytest

from kexport.ir import TensorType, symbol
from kexport.ir.evaluate import evaluate
from kexport.ir.ops import OpError
from kexport.passes import expand_hashes, expand_lookups, run_passes
from support.graphs import graph_of

N = (symbol("n"),)
KEYS = [None, (1, 2), (2**63 - 1, 12345), (-5, 0)]


def telling(dtype):
    """Integers of every length of text, at every length's ends, and at the dtype's."""
    info = np.iinfo(dtype)
    rng = np.random.default_rng(4)
    found = {0, 5, -7, info.min, info.min + 1, info.max, info.max - 1}
    for place in range(20):
        found |= {sign * 10**place + near for sign in (1, -1) for near in (-1, 0, 1)}
        found |= {int(number) % (2 * 10**place) - 10**place for number in rng.integers(0, 2**62, 4)}
    return np.asarray(sorted(number for number in found if info.min <= number <= info.max), dtype)


def one_op(dtype, op, *rest, count=1, shape=N, **attrs):
    types = {f"x{index}": TensorType(dtype, shape) for index in range(count)}
    return graph_of(types, lambda b, *x: {"y": b.op(op, *x, *(b.constant(c) for c in rest), **attrs)})


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"])
def test_a_hash_bucket_is_tensorflows(dtype, key):
    import tensorflow as tf

    x = telling(dtype)
    graph = one_op(dtype, "hash_bucket", buckets=1_000_003, key=key)
    text = tf.as_string(x.astype(np.int64))
    wanted = (
        tf.strings.to_hash_bucket_fast(text, 1_000_003)
        if key is None
        else tf.strings.to_hash_bucket_strong(text, 1_000_003, key=key)
    )
    np.testing.assert_array_equal(evaluate(graph, [x])[0], wanted.numpy())
    run_passes(graph, [expand_hashes])
    np.testing.assert_array_equal(evaluate(graph, [x])[0], wanted.numpy())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_cross_hash_is_tensorflows(count):
    import tensorflow as tf

    rng = np.random.default_rng(2)
    columns = [rng.permutation(telling("int64")) for _ in range(count)]
    graph = one_op("int64", "cross_hash", count=count, buckets=99_991)
    crossed = tf.sparse.cross_hashed([tf.constant(column[:, None]) for column in columns], 99_991)
    wanted = tf.sparse.to_dense(crossed).numpy()[:, 0]
    np.testing.assert_array_equal(evaluate(graph, columns)[0], wanted)
    run_passes(graph, [expand_hashes])
    np.testing.assert_array_equal(evaluate(graph, columns)[0], wanted)


def test_any_number_of_buckets_and_shape():
    x = telling("int64")[:60].reshape(3, 4, 5)
    for buckets in (1, 2, 65536, 2**31 + 11, 2**46):
        graph = one_op("int64", "hash_bucket", shape=(*N, 4, 5), buckets=buckets)
        (wanted,) = evaluate(graph, [x])
        assert wanted.min() >= 0
        assert wanted.max() < buckets
        run_passes(graph, [expand_hashes])
        np.testing.assert_array_equal(evaluate(graph, [x])[0], wanted)


@pytest.mark.parametrize("buckets", [0, -3, 2**46 + 1])
def test_buckets_have_bounds(buckets):
    with pytest.raises(OpError, match="buckets"):
        one_op("int64", "hash_bucket", buckets=buckets)


LIMITS = np.iinfo(np.int64)
TABLES = {
    "one key": [7],
    "side by side": [3, 4, 5, 6],
    "with gaps, out of order": [50, -3, 0, 999],
    "far apart": [0, 10**6, -(10**12), 17, 10**15],
    "as far as it goes": [LIMITS.min, LIMITS.max],
    "up to the largest": [LIMITS.max - 1, LIMITS.max],
    "from the least": [LIMITS.min, LIMITS.min + 3],
    "many": [int(number) for number in np.unique(np.random.default_rng(0).integers(-(2**60), 2**60, 500))],
}


@pytest.mark.parametrize("name", TABLES)
def test_a_lookup_finds_each_key_and_no_other(name):
    keys = np.asarray(TABLES[name], np.int64)
    values = np.arange(100, 100 + len(keys), dtype=np.int64)
    near = [int(key) + step for key in keys for step in (-1, 0, 1)]
    asked = {0, 1, LIMITS.min, LIMITS.max, *near}
    x = np.asarray(sorted(number for number in asked if LIMITS.min <= number <= LIMITS.max), np.int64)
    table = dict(zip(keys.tolist(), values.tolist(), strict=True))
    wanted = [table.get(number, -1) for number in x.tolist()]
    graph = one_op("int64", "lookup", keys, values, default=-1)
    np.testing.assert_array_equal(evaluate(graph, [x])[0], wanted)
    run_passes(graph, [expand_lookups])
    assert all(node.op != "lookup" for node in graph.nodes)
    np.testing.assert_array_equal(evaluate(graph, [x])[0], wanted)
