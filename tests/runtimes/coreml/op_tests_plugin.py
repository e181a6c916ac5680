"""A pytest plugin that lets coremltools' own tests of its operations predict on the interpreter.

Those tests build a program of one operation, convert it, and where Core ML is, compare its prediction with a value that
coremltools' authors, NumPy, SciPy or PyTorch give. With this plugin Core ML seems to be there: ``MLModel.predict`` and
``make_state`` run the saved package on the interpreter. The comparison, with its tolerances, is coremltools' own.

Cases with float16 data that convert at float32 leave the program in float16, but ask for an error below 1e-4: less than the
last bit of a float16 above 0.1. These are given four such bits (0.4 %), and recurrent layers the last bit of a sum of 64 products, which are up
to 8: they round it at every step.

Each case is written to the file that ``KEXPORT_OP_TESTS_RESULTS`` names, a line of JSON: its id, its outcome, and whether it
made a prediction that was compared. ``KEXPORT_OP_TESTS_PART``, such as ``1/4``, runs the second of four parts, told apart by ids.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# coremltools imports it where it is installed; its tests skip what needs it.
sys.modules["tensorflow"] = None
logging.getLogger("coremltools").setLevel(logging.CRITICAL)

import coremltools  # noqa: E402
from coremltools.converters.mil import testing_utils  # noqa: E402

from kexport_runtimes.coreml.description import ArrayFeature  # noqa: E402
from kexport_runtimes.coreml.features import CALLER_DTYPES  # noqa: E402
from kexport_runtimes.coreml.session import Session  # noqa: E402

RESULTS = os.environ["KEXPORT_OP_TESTS_RESULTS"]
PART, PARTS = map(int, os.environ.get("KEXPORT_OP_TESTS_PART", "0/1").split("/"))

#: Four last bits of float16, and of its values below 1/4.
HALF_RTOL, HALF_ATOL = 4 * 2.0**-10, 1e-3

#: The last bit of float16 from 8 on.
RECURRENT_HALF_ATOL = 2.0**-7


class Counts:
    """What the running case has done."""

    comparing = False
    compared = 0
    has_half_data = False
    is_recurrent = False


def short_id(item: pytest.Item) -> str:
    """The id from the folder of tests on, the same wherever coremltools is installed."""
    folder = Path(coremltools.__file__).parent / "converters/mil/mil/ops/tests"
    return f"{item.path.relative_to(folder).as_posix()}::{item.nodeid.partition('::')[2]}"


def session_of(model: Any) -> Session:
    if not hasattr(model, "_kexport_session"):
        model._kexport_session = Session(Path(model.package_path), function=model.function_name)
    return model._kexport_session


def predict(model: Any, data: dict[str, Any], state: Any = None) -> dict[str, Any]:
    """As ``MLModel.predict``: numbers are converted to the model's own types."""
    session = session_of(model)
    given = {}
    for name, value in data.items():
        feature = session.interface.inputs[name]
        if isinstance(feature, ArrayFeature):
            given[name] = np.asarray(value).astype(CALLER_DTYPES.get(feature.dtype.name, feature.dtype.name))
        else:
            given[name] = value
    if not Counts.comparing:
        # The case compares for itself.
        Counts.compared += 1
    try:
        return session.run(given, state)
    except RuntimeError as error:
        # Core ML's words, which cases that must fail look for.
        raise RuntimeError(f"Unable to compute the prediction using ML Program: {error}") from error


def compare_backend(
    mlmodel: Any, input_key_values: Any, expected_outputs: Any, *args: Any, **kwargs: Any
) -> Any:
    """coremltools' own, counted where there is something to compare with."""
    if Counts.has_half_data:
        kwargs["atol"] = max(
            kwargs.get("atol", 1e-4), RECURRENT_HALF_ATOL if Counts.is_recurrent else HALF_ATOL
        )
        kwargs["rtol"] = max(kwargs.get("rtol", 1e-5), HALF_RTOL)
    Counts.comparing = True
    try:
        found = _compare_backend(mlmodel, input_key_values, expected_outputs, *args, **kwargs)
    finally:
        Counts.comparing = False
        if expected_outputs:
            Counts.compared += 1
    return found


_compare_backend = testing_utils.compare_backend
testing_utils.compare_backend = compare_backend
testing_utils._IS_MACOS = True
coremltools.models.utils._macos_version = lambda: (15, 0)
coremltools.models.MLModel.predict = predict
coremltools.models.MLModel.make_state = lambda model: session_of(model).make_state()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def chosen(item: pytest.Item) -> bool:
        return int(hashlib.sha256(short_id(item).encode()).hexdigest(), 16) % PARTS == PART

    items[:] = [item for item in items if chosen(item)]


def pytest_runtest_setup(item: pytest.Item) -> None:
    Counts.compared = 0
    Counts.is_recurrent = item.path.name == "test_recurrent.py"
    Counts.has_half_data = "precision='fp32'" in item.nodeid and bool(re.search("float16|fp16", item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if call.when == "call" or report.outcome != "passed":
        reason = "" if report.outcome == "passed" else str(call.excinfo.value)[:300] if call.excinfo else ""
        line = {
            "id": short_id(item),
            "outcome": report.outcome,
            "compared": Counts.compared > 0,
            "reason": reason,
        }
        with open(RESULTS, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return report
