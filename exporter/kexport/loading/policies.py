"""Dtype policies as configs hold them: what a layer computes in, keeps its variables in, and how its weights are quantized.

A policy goes by its name, which is Keras's own (keras/src/dtype_policies/dtype_policy.py, 3.15): ``float32``, ``mixed_bfloat16``,
``int8_from_float32``, ``int4/128_from_float32`` (128 rows share a scale; -1: all do), ``gptq/4/32_from_float32`` (4 bits),
``awq/4/-1_from_float32``, ``float8_from_mixed_bfloat16``. A map of policies is ``{"class_name": "DTypePolicyMap", "config":
{"default_policy": name, "policy_map": {path: name}}}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Policies that compute in a dtype other than their name's.
_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}

_QUANTIZED = re.compile(r"(int8|int4|float8|gptq|awq)((?:/-?\d+)*)_from_(.+)")


@dataclass(frozen=True)
class Policy:
    """A policy taken apart.

    Attributes:
        compute: the dtype that the layer computes in.
        mode: ``int8``, ``int4``, ``float8``, ``gptq`` or ``awq`` for quantized weights; ``""`` for plain ones.
        bits: of a quantized weight; 0 for plain ones.
        block: how many rows share a scale; None where all do.
        named_block: whether the name says that (an ``int4`` of Keras before 3.14 did not).
    """

    compute: str
    mode: str = ""
    bits: int = 0
    block: int | None = None
    named_block: bool = True


def parse_policy(name: str) -> Policy:
    """The policy called ``name``; a name that Keras does not have is taken for a dtype."""
    found = _QUANTIZED.fullmatch(name)
    if found is None:
        return Policy(_MIXED.get(name, name))
    mode, numbers, source = found.groups()
    given = [int(number) for number in numbers.split("/")[1:]]
    bits = given.pop(0) if mode in ("gptq", "awq") and given else int(mode[-1]) if mode[-1].isdigit() else 4
    block = given[0] if given and given[0] > 0 else None
    return Policy(_MIXED.get(source, source), mode, bits, block, bool(given) or mode != "int4")


def policy_name(saved: Any, path: str = "", inside: str = "") -> str | None:
    """The name of the policy that ``saved`` (a name, a serialized policy or a map of policies) has for the layer at ``path``,
    or for the layer called ``inside`` in it.

    None where the config names none: Keras's global policy when it loads, float32 unless somebody changed it.
    """
    if not isinstance(saved, Mapping):
        return None if saved is None else str(saved)
    config = saved.get("config")
    if not isinstance(config, Mapping):
        return None if config is None else str(config)
    if saved.get("class_name") != "DTypePolicyMap":
        return _single_name(config)
    policies = config.get("policy_map") or {}
    entry = next(_entries(policies, _paths(path, inside)), config.get("default_policy"))
    return policy_name(entry)


def _single_name(config: Mapping[str, Any]) -> str | None:
    if "mode" not in config:
        name = config.get("name")
        return None if name is None else str(name)
    return f"{config['mode']}_from_{config.get('source_name') or 'float32'}"


def _paths(path: str, inside: str) -> list[str]:
    """What Keras may have called the layer: its path here without some of the models around it, which came to be later."""
    parts = path.split("/")
    ends = ["/".join(parts[start:]) for start in range(len(parts))]
    return [f"{end}/{inside}" for end in ends] if inside else ends


def _entries(policies: Mapping[str, Any], paths: list[str]) -> Iterator[Any]:
    """The entries of a map for a layer, the best first: one of its paths, a key that ends in one (the name of a Sequential model
    stands before its layers'), a pattern (``DTypePolicyMap.__getitem__``)."""
    yield from (policies[path] for path in paths if path in policies)
    yield from (policy for key, policy in policies.items() if any(key.endswith(f"/{path}") for path in paths))
    yield from (policy for key, policy in policies.items() if any(_matches(key, path) for path in paths))


def _matches(pattern: str, path: str) -> bool:
    try:
        return re.fullmatch(pattern, path) is not None
    except re.error:
        return False


def plain_policy(saved: Mapping[str, Any]) -> Any:
    """A serialized policy as its name; a map of policies with names for its policies."""
    if saved.get("class_name") != "DTypePolicyMap":
        return policy_name(saved) or "float32"
    config = saved.get("config")
    inner = config if isinstance(config, Mapping) else {}
    entries = inner.get("policy_map")
    return {
        "class_name": "DTypePolicyMap",
        "config": {
            "default_policy": policy_name(inner.get("default_policy")) or "float32",
            "policy_map": {
                str(path): policy_name(policy) or "float32"
                for path, policy in (entries.items() if isinstance(entries, Mapping) else ())
            },
        },
    }
