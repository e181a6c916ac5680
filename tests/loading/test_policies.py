"""Names of dtype policies, and maps of them."""

from __future__ import annotations

import pytest

from kexport.loading.policies import Policy, parse_policy, plain_policy, policy_name


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("float32", Policy("float32")),
        ("mixed_float16", Policy("float16")),
        ("mixed_bfloat16", Policy("bfloat16")),
        ("int8_from_float32", Policy("float32", "int8", 8)),
        ("int8_from_mixed_bfloat16", Policy("bfloat16", "int8", 8)),
        ("int4/128_from_float32", Policy("float32", "int4", 4, 128)),
        ("int4/-1_from_float32", Policy("float32", "int4", 4, None)),
        ("int4_from_float32", Policy("float32", "int4", 4, None, named_block=False)),
        ("float8_from_float32", Policy("float32", "float8", 8)),
        ("gptq/2/64_from_float32", Policy("float32", "gptq", 2, 64)),
        ("gptq/8/-1_from_float32", Policy("float32", "gptq", 8, None)),
        ("awq/4/32_from_mixed_float16", Policy("float16", "awq", 4, 32)),
        ("nonsense", Policy("nonsense")),
    ],
)
def test_a_name_is_taken_apart(name, policy):
    assert parse_policy(name) == policy


def test_what_files_hold_becomes_a_name():
    def saved(class_name, **config):
        return {
            "module": "keras.dtype_policies",
            "class_name": class_name,
            "config": config,
            "registered_name": None,
        }

    assert plain_policy(saved("DTypePolicy", name="float16")) == "float16"
    assert plain_policy(saved("DTypePolicy", name=None)) == "float32"
    assert (
        plain_policy(saved("QuantizedDTypePolicy", mode="int8", source_name="float32")) == "int8_from_float32"
    )
    assert plain_policy(saved("QuantizedDTypePolicy", mode="int8", source_name=None)) == "int8_from_float32"
    int4 = saved("Int4DTypePolicy", mode="int4/32", source_name="mixed_bfloat16")
    assert plain_policy(int4) == "int4/32_from_mixed_bfloat16"
    made = plain_policy(saved("DTypePolicyMap", default_policy=None, policy_map={"a/query": int4}))
    assert made["config"] == {
        "default_policy": "float32",
        "policy_map": {"a/query": "int4/32_from_mixed_bfloat16"},
    }


MAP = {
    "class_name": "DTypePolicyMap",
    "config": {
        "default_policy": "float32",
        "policy_map": {
            "att/query": "int8_from_float32",
            "encoder/.*": "float16",
            "sequential/dense": "bfloat16",
        },
    },
}


@pytest.mark.parametrize(
    ("path", "inside", "name"),
    [
        ("att", "query", "int8_from_float32"),
        ("outer/inner/att", "query", "int8_from_float32"),  # what a nested model calls it
        ("att", "key", "float32"),
        ("other", "query", "float32"),
        ("encoder/block", "", "float16"),
        ("dense", "", "bfloat16"),  # the name of a Sequential model stands before its layers'
        ("att", "", "float32"),
    ],
)
def test_a_map_has_a_policy_for_each_layer(path, inside, name):
    assert policy_name(MAP, path, inside) == name


def test_a_pattern_that_is_none_matches_nothing():
    broken = {
        "class_name": "DTypePolicyMap",
        "config": {"default_policy": "float32", "policy_map": {"(": "float16"}},
    }
    assert policy_name(broken, "dense") == "float32"
