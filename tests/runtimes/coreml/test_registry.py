"""The kernels: one for each operation that coremltools writes, with its arguments, in each opset that has a version of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from kexport_runtimes.coreml import ops, registry
from kexport_runtimes.coreml.errors import UnknownOpError

ops.load()

#: Operations that no program has: constants are no operation to the interpreter, the others are coremltools' own affair.
WITHOUT_KERNEL = {
    "const": "read, not computed",
    "_const_symbolic": "inside coremltools",
    "conv_quantized": "experimental, and for neural networks alone: the programs' way is constexpr_affine_dequantize",
}

#: By the number that coremltools gives an opset (its specification version): ours.
OPSETS = {4: 5, 5: 5, 6: 5, 7: 6, 8: 7, 9: 8}

LIST_OPERATIONS = """
import json, logging, sys
sys.modules["tensorflow"] = None
logging.getLogger("coremltools").setLevel(logging.CRITICAL)
import coremltools
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
print(json.dumps([
    [name, int(version.value), {key: kind.optional for key, kind in cls.input_spec.input_types.items()}]
    for name, versions in SSAOpRegistry.core_ops.items() for version, cls in versions.items()
]))
"""


def test_every_operation_of_coremltools_has_a_kernel_with_its_arguments() -> None:
    command = [sys.executable, "-W", "ignore", "-c", LIST_OPERATIONS]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert len({name for name, *_ in listed}) > 150
    problems = []
    for name, version, arguments in listed:
        if name in WITHOUT_KERNEL:
            continue
        entry = registry.find(name, OPSETS[version])
        # Blocks are no arguments once a program is written.
        own = {key: optional for key, optional in arguments.items() if not key.startswith("_")}
        if set(own) - entry.arguments:
            problems.append(f"{name} ({version}) does not take {set(own) - entry.arguments}")
        if needed := entry.required - {key for key, optional in own.items() if not optional}:
            problems.append(f"{name} ({version}) needs {needed}")
    assert not problems


def test_an_operation_has_one_kernel_an_opset() -> None:
    with pytest.raises(ValueError, match=r"relu has one kernel an opset. Registered twice: iOS13"):
        registry.register("relu", lambda x: x)


def test_an_unknown_operation_is_named_with_what_is_known() -> None:
    with pytest.raises(UnknownOpError, match=r"does not know flatten \(opset iOS17\). It knows: abs, acos"):
        registry.find("flatten", 7)
    with pytest.raises(
        UnknownOpError, match=r"slice_update is an operation since iOS18. Received: .* opset iOS17"
    ):
        registry.find("slice_update", 7)


def test_the_newest_version_that_an_opset_has_is_taken() -> None:
    assert "roi" in registry.find("crop_resize", 6).arguments
    assert "boxes" in registry.find("crop_resize", 7).arguments
    assert registry.known()["crop_resize"] == ["iOS13", "iOS17"]
