"""What users may rely on: the names of `kexport`, and that importing it is cheap."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys

import pytest

import kexport
from kexport import errors

NAMES = {
    *["export", "inspect", "record", "smoke", "verify"],
    *["ExportResult", "InspectResult", "RecordResult", "SmokeResult", "TargetResult", "VerifyResult"],
    *["KexportError", "__version__"],
}


def test_the_names() -> None:
    assert set(kexport.__all__) == NAMES
    assert set(dir(kexport)) == NAMES
    for name in NAMES:
        assert getattr(kexport, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'kexport' has no attribute 'convert'"):
        _ = kexport.convert


@pytest.mark.parametrize("name", sorted(name for name in NAMES if not name.startswith("_")))
def test_everything_public_is_documented(name: str) -> None:
    assert len(inspect.getdoc(getattr(kexport, name)) or "") > 20


@pytest.mark.parametrize("name", sorted(name for name in NAMES if name.endswith("Result")))
def test_results_are_frozen(name: str) -> None:
    result = getattr(kexport, name)
    assert dataclasses.is_dataclass(result)
    assert result.__dataclass_params__.frozen


def loaded_after(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(done.stderr.split())


def test_importing_kexport_imports_nothing_else() -> None:
    before = loaded_after("")
    new = {name for name in loaded_after("import kexport") - before if not name.startswith("_")}
    assert new <= {
        "kexport",
        "typing",
        "collections",
        "collections.abc",
        "re",
        "functools",
        "contextlib",
        "operator",
    } | {name for name in new if name.partition(".")[0] in sys.stdlib_module_names}
    assert "numpy" not in new


def test_help_imports_no_numpy_and_no_framework() -> None:
    help_text = "from kexport.cli.main import run; assert run(['--help']) == 0"
    heavy = {"numpy", "h5py", "flatbuffers", "keras", "tensorflow", "ai_edge_litert", "rich"}
    assert not heavy & loaded_after(help_text)


def error_classes() -> list[type[errors.KexportError]]:
    return [
        item
        for item in vars(errors).values()
        if isinstance(item, type) and issubclass(item, errors.KexportError)
    ]


def test_the_exit_codes_are_those_of_the_tree_in_the_docstring() -> None:
    for error in error_classes():
        lines = [line for line in (errors.__doc__ or "").splitlines() if f" {error.__name__} " in f"{line} "]
        drawn = [line.split(error.__name__)[1].split()[0] for line in lines if error.__name__ in line.split()]
        assert drawn == [str(error.exit_code)], error


def test_an_error_says_its_hint() -> None:
    error = errors.UsageError("No.", hint="Yes.")
    assert str(error) == "No.\nYes."
    assert str(errors.UsageError("No.")) == "No."
