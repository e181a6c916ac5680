"""ONNX Runtime's own format, which its builds for phones read, and the operators that a build needs for a model.

ONNX Runtime writes it, as its ``convert_onnx_models_to_ort`` does in the style ``Fixed``: optimized as far as that holds on any
processor (without the optimizer ``NchwcTransformer``, whose blocks of channels are for x86 alone). The list's form is that of
docs/reference/operators/reduced-operator-config-file.md of ONNX Runtime 1.17: a line ``domain;version;operators`` for each version,
after an operator the types that it computes in.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import onnxruntime
from onnxruntime.tools.ort_format_model import OperatorTypeUsageManager, OrtFormatModelProcessor

from kexport.errors import UnsupportedOpError
from kexport_targets.onnx.ort_head import with_head_in_order

#: Errors are raised; it need not print them as well.
_FATAL_ONLY = 4

_FOR_ONE_PROCESSOR = ["NchwcTransformer"]


def write_ort(model: Path, out: Path) -> None:
    """Optimize an .onnx file and write it as .ort; the same file gives the same bytes.

    Raises:
        UnsupportedOpError: ONNX Runtime can't.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = 1
    options.optimized_model_filepath = str(out)
    options.add_session_config_entry("session.save_model_format", "ORT")
    try:
        onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"], disabled_optimizers=_FOR_ONE_PROCESSOR
        )
    except Exception as error:  # classes of its own, which share no base of theirs
        raise UnsupportedOpError(
            f"ONNX Runtime {onnxruntime.__version__} can't write the model as .ort: {str(error).strip()}",
            hint="Export it without --ort.",
        ) from error
    out.write_bytes(with_head_in_order(bytearray(out.read_bytes())))


def required_operators(model: Path) -> str:
    """What ``build.sh --include_ops_by_config`` takes, for an .ort file."""
    found: dict[str, dict[int, set[str]]] = {}
    types = OperatorTypeUsageManager()
    with warnings.catch_warnings():
        # It leaves the file that it has read to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        OrtFormatModelProcessor(str(model), found, types).process()
    lines = [
        f"{domain};{version};"
        + ",".join(f"{op}{types.get_config_entry(domain, op) or ''}" for op in sorted(operators))
        for domain, versions in sorted(found.items())
        for version, operators in sorted(versions.items())
    ]
    return "".join(f"{line}\n" for line in lines)
