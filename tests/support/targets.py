"""The targets that tables of models are run on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.cases import text
from kexport import plugins

#: A frozen graph is the GraphDef of the SavedModel, byte for byte (tests/targets/saved_model/test_files.py). The .tflite file of a web
#: bundle is that of tflite with one more signature; what the browser makes of it has tests of its own (tests/browser).
SAME_GRAPH = {"frozen_graph": "saved_model", "web": "tflite"}

TARGETS = tuple(name for name in plugins.target_names() if name not in SAME_GRAPH)

#: What tables of models need of a target's options: float32 throughout.
EXACT = {"float16": False}

TEXT = {case.id: "text" for case in text.CASES}

#: Rows of tables that a target refuses, or whose numbers it has no room for, by the reason.
REFUSED = {
    "tflite": TEXT,
    "web": TEXT,
    "onnx": text.REFUSED_BY_ONNX,
    "coreml": {
        **TEXT,
        **dict.fromkeys(
            [f"ConvLSTM3D-{name}" for name in ("last", "sequences", "strides", "hard")],
            "inputs of more than five dimensions",
        ),
        **dict.fromkeys(
            [
                *[f"IntegerLookup-{name}" for name in ("far", "farmhash", "siphash", "invert-mask")],
                *[f"Hashing-{name}" for name in ("default", "salt", "one_hot", "multi_hot")],
                *[f"HashedCrossing-{name}" for name in ("int", "scalars", "three")],
                "Functional-two-towers",
            ],
            "integers of more than 32 bits",
        ),
    },
}


def exact_options(target: str) -> dict[str, Any]:
    """Every option of a target at its default, but for those that would store weights in less than float32."""
    return {option.name: EXACT.get(option.name, option.default) for option in plugins.target(target).options}


def border_dtype(target: str, dtype: str, chosen: Mapping[str, Any]) -> str:
    """What an output of that dtype is in an artifact with options that are ``chosen``: itself, but in Core ML, which has three, and two
    before iOS16."""
    if target != "coreml" or dtype in ("float32", "int32"):
        return dtype
    if dtype == "float16" and chosen.get("deployment_target") != "iOS15":
        return dtype
    return "float32" if dtype in ("float16", "float64", "bfloat16") else "int32"
