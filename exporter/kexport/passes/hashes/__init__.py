"""Hashes of integers in 32-bit arithmetic, for targets without hash functions or 64-bit products, shifts and combinations."""

from __future__ import annotations

from collections.abc import Sequence

from kexport.ir import Builder, Graph, Node, Value, dims
from kexport.passes.hashes.crossing import crossed
from kexport.passes.hashes.decimals import decimals
from kexport.passes.hashes.farmhash import fingerprints
from kexport.passes.hashes.limbs import MOST_IN_INT32, modulo, modulo_in_int32
from kexport.passes.hashes.siphash import strong_hashes
from kexport.passes.infrastructure import Pass, Property
from kexport.passes.rewriting import Rewriter


def _expanded(node: Node, rewriter: Rewriter) -> Sequence[Value]:
    b, shape = rewriter.builder, node.output.shape
    columns = [_flat(b, value) for value in node.inputs if value is not None]
    hashes = _hashes(node, b, columns)
    return [b.op("reshape", modulo(b, hashes, node.attrs["buckets"]), shape=shape)]


def _hashes(node: Node, b: Builder, columns: Sequence[Value]) -> Value:
    """Limbs (N, 4) of the hashes of N rows."""
    if node.op == "cross_hash":
        return crossed(b, columns)
    text, key = decimals(b, columns[0]), node.attrs["key"]
    return fingerprints(b, text) if key is None else strong_hashes(b, text, key)


def _in_int32(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
    buckets = int(node.attrs.get("buckets", 0))
    if node.op not in ("hash_bucket", "cross_hash") or buckets > MOST_IN_INT32:
        return None
    b = rewriter.builder
    columns = [_narrow(b, _flat(b, value)) for value in node.inputs if value is not None]
    hashes = _hashes(node, b, columns)
    found = b.op("reshape", modulo_in_int32(b, hashes, buckets), shape=node.output.shape)
    return [b.op("cast", found, dtype="int64")]


def _narrow(b: Builder, x: Value) -> Value:
    return x if x.dtype == "int32" else b.op("cast", x, dtype="int32")


def _flat(b: Builder, x: Value) -> Value:
    return b.op("reshape", x, shape=(dims.product(x.shape),))


def _expanding(name: str, *ops: str) -> Pass:
    def rule(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        return _expanded(node, rewriter) if node.op in ops and not _of_text(node) else None

    return Pass(
        name,
        lambda graph: Rewriter(graph).run(rule),
        ensures=(Property(f"no {' or '.join(ops)} of integers", lambda graph: _has_none(graph, ops)),),
    )


def _has_none(graph: Graph, ops: Sequence[str]) -> bool:
    return all(node.op not in ops or _of_text(node) for node in graph.nodes)


def _of_text(node: Node) -> bool:
    """Whether text is hashed, of which no decimals are made."""
    return any(value is not None and value.dtype == "string" for value in node.inputs)


#: Given::
#:
#:     a = hash_bucket(x; buckets=100)
#:
#: Result: some 230 nodes of int32 and int64 that compute it.
expand_hashes = _expanding("expand_hashes", "hash_bucket", "cross_hash")

#: The same of combined hashes alone, for targets with hash functions.
expand_crossings = _expanding("expand_crossings", "cross_hash")

#: The same of integers that int32 holds, in int32 alone; more than 2**30 buckets are left as they are.
expand_hashes_in_int32 = Pass("expand_hashes_in_int32", lambda graph: Rewriter(graph).run(_in_int32))
