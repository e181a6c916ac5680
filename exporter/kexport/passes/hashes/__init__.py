"""Hashes of integers in 32-bit arithmetic, for targets without hash functions or 64-bit products, shifts and combinations."""

from __future__ import annotations

from collections.abc import Sequence

from kexport.ir import Builder, Graph, Node, Value, dims
from kexport.passes.hashes.crossing import crossed
from kexport.passes.hashes.decimals import decimals
from kexport.passes.hashes.farmhash import fingerprints
from kexport.passes.hashes.limbs import modulo
from kexport.passes.hashes.siphash import strong_hashes
from kexport.passes.infrastructure import Pass, Property
from kexport.passes.rewriting import Rewriter


def _expanded(node: Node, rewriter: Rewriter) -> Sequence[Value]:
    b, shape = rewriter.builder, node.output.shape
    columns = [_flat(b, value) for value in node.inputs if value is not None]
    if node.op == "cross_hash":
        hashes = crossed(b, columns)
    else:
        text = decimals(b, columns[0])
        key = node.attrs["key"]
        hashes = fingerprints(b, text) if key is None else strong_hashes(b, text, key)
    return [b.op("reshape", modulo(b, hashes, node.attrs["buckets"]), shape=shape)]


def _flat(b: Builder, x: Value) -> Value:
    return b.op("reshape", x, shape=(dims.product(x.shape),))


def _expanding(name: str, *ops: str) -> Pass:
    def rule(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        return _expanded(node, rewriter) if node.op in ops else None

    return Pass(
        name,
        lambda graph: Rewriter(graph).run(rule),
        ensures=(Property(f"no {' or '.join(ops)}", lambda graph: _has_none(graph, ops)),),
    )


def _has_none(graph: Graph, ops: Sequence[str]) -> bool:
    return all(node.op not in ops for node in graph.nodes)


#: Given::
#:
#:     a = hash_bucket(x; buckets=100)
#:
#: Result: some 230 nodes of int32 and int64 that compute it.
expand_hashes = _expanding("expand_hashes", "hash_bucket", "cross_hash")

#: The same of combined hashes alone, for targets with hash functions.
expand_crossings = _expanding("expand_crossings", "cross_hash")
