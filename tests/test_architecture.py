"""Imports point one way. Lint bans the heavy packages by folder; here the whole table is held against the sources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE_ROOTS = [ROOT / "exporter", ROOT / "targets", ROOT / "runtimes"]

#: Package → what its modules may import, besides the standard library and themselves (by the longest prefix that fits).
ALLOWED = {
    "kexport": ["kexport"],
    "kexport.ir": ["numpy"],
    "kexport.errors": ["kexport.verification", "kexport.loading.spec"],  # for annotations alone
    "kexport.contracts": ["kexport.ir"],
    "kexport.plugins": ["kexport.contracts", "kexport.errors"],
    "kexport.nested": [],
    "kexport.loading": ["numpy", "h5py", "kexport.ir", "kexport.errors", "kexport.nested"],
    "kexport.lowering": [
        *["numpy", "kexport.ir", "kexport.errors", "kexport.nested"],
        *["kexport.loading.spec", "kexport.loading.policies"],
    ],
    "kexport.passes": ["numpy", "kexport.ir", "kexport.errors"],
    "kexport.backends": ["kexport.errors"],
    "kexport.reference": [
        "numpy",
        "kexport.ir",
        "kexport.errors",
        "kexport.loading.spec",
        "kexport.backends",
    ],
    "kexport.tracing": [
        *["numpy", "kexport.ir", "kexport.errors", "kexport.loading", "kexport.lowering.tracing"],
        *["kexport.nested", "kexport.reference"],
    ],
    # The one module of the export that imports Keras: where a live model's code is called.
    "kexport.tracing.calls": ["keras", "kexport.tracing"],
    "kexport.verification": [
        "numpy",
        "kexport.ir",
        "kexport.errors",
        "kexport.contracts",
        "kexport.reference",
    ],
    "kexport.api": ["kexport"],
    "kexport.reporting": ["rich", "kexport"],
    "kexport.cli": ["click", "rich", "kexport"],
    "kexport_targets": ["numpy", "kexport.ir", "kexport.passes", "kexport.contracts", "kexport.errors"],
    "kexport_targets.tflite": [
        *["numpy", "flatbuffers", "ai_edge_litert", "tflite_runtime"],
        *["kexport.ir", "kexport.passes", "kexport.contracts", "kexport.errors", "kexport_targets.emission"],
        "kexport_targets.without_text",
    ],
    "kexport_targets.onnx": [
        *["numpy", "onnx"],
        *["kexport.ir", "kexport.passes", "kexport.contracts", "kexport.errors", "kexport_targets.emission"],
        "kexport_targets.wire",
    ],
    # ONNX Runtime writes its own format.
    "kexport_targets.onnx.ort_format": ["onnxruntime", "kexport.errors", "kexport_targets.onnx"],
    "kexport_targets.onnx.ort_head": ["onnxruntime", "ort_flatbuffers_py", "flatbuffers"],
    # A bundle is a .tflite file and what runs it in a browser: the file is the tflite target's.
    "kexport_targets.web": [
        *["numpy", "kexport.ir", "kexport.contracts", "kexport.errors"],
        *["kexport_targets.tflite.emit", "kexport_targets.tflite.legalize", "kexport_targets.tflite.writer"],
        "kexport_targets.without_text",
    ],
    "kexport_targets.coreml": [
        *["numpy", "kexport.ir", "kexport.passes", "kexport.contracts", "kexport.errors"],
        *["kexport_targets.emission", "kexport_targets.wire", "kexport_targets.without_text"],
    ],
    "kexport_runtimes": ["numpy"],
    # grpc and tensorflow_serving are imported by name there, when they are needed.
    "kexport_runtimes.tf_serving": ["numpy", "grpc", "tensorflow_serving"],
    # A program of its own.
    "kexport_runtimes.tensorflow.worker": ["numpy", "tensorflow", "kexport_runtimes.tensorflow"],
    "kexport_runtimes.onnxruntime": [
        "numpy",
        "onnxruntime",
        "kexport_runtimes.arguments",
        "kexport_runtimes.timing",
    ],
    # SciPy and ONNX Runtime compute what NumPy is slow at, where they are installed.
    "kexport_runtimes.coreml": ["numpy", "scipy", "kexport_runtimes.timing"],
    "kexport_runtimes.coreml.heavy": ["numpy", "onnxruntime", "kexport_runtimes.coreml"],
    "kexport_runtimes.coreml.native": ["numpy", "coremltools", "PIL", "kexport_runtimes.coreml"],
    "kexport_runtimes.litert": [
        "numpy",
        "ai_edge_litert",
        "tflite_runtime",
        "kexport_runtimes.arguments",
        "kexport_runtimes.timing",
    ],
}

#: Run in processes of their own, on whatever Keras is there.
EXEMPT = {
    "kexport.reference.record_model",
    "kexport.backends.inside.probe",
    "kexport.backends.inside.compatibility",
}


def modules() -> Iterator[tuple[str, Path]]:
    for root in SOURCE_ROOTS:
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(name: str, path: Path) -> Iterator[str]:
    is_package = path.name == "__init__.py"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") if is_package else name.split(".")[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            # `from kexport import plugins` imports kexport.plugins.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def rule_for(name: str) -> str:
    return max((package for package in ALLOWED if within(name, package)), key=len)


MODULES = dict(modules())


def test_every_source_root_is_read() -> None:
    assert {name.partition(".")[0] for name in MODULES} == {"kexport", "kexport_targets", "kexport_runtimes"}
    assert len(MODULES) > 60


@pytest.mark.parametrize("name", sorted(set(MODULES) - EXEMPT))
def test_imports_point_one_way(name: str) -> None:
    rule = rule_for(name)
    allowed = [rule, *ALLOWED[rule]]
    for module in imported(name, MODULES[name]):
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or module == "kexport.__version__":
            continue
        assert any(within(module, package) for package in allowed), f"{name} may not import {module}"


def test_lowering_and_verification_do_not_know_targets() -> None:
    core = [name for name in MODULES if within(name, "kexport")]
    for name in core:
        for module in imported(name, MODULES[name]):
            assert not module.startswith(("kexport_targets", "kexport_runtimes")), f"{name} imports {module}"


def test_the_rules_catch_what_they_are_for(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "def f():\n    from kexport.lowering.registry import lowers\n    import tensorflow.keras\n"
    )
    found = list(imported("kexport_targets.bad", bad))
    assert found == ["kexport.lowering.registry.lowers", "tensorflow.keras"]
    assert not any(within(module, package) for module in found for package in ALLOWED["kexport_targets"])


def test_nothing_of_this_machine_is_in_the_sources() -> None:
    home = str(ROOT)
    for path in MODULES.values():
        text = path.read_text("utf-8")
        assert home not in text
        assert "/home/" not in text
