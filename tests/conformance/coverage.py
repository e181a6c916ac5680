"""Writes docs/coverage.md: which layers are shown to work, from files of which Keras, on which target.

``make docs-coverage``. The numbers are those of the tables that the tests run: the conformance
table's rows, and the models in the archives of old versions of Keras.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from browser.on_webgpu import COMPUTED, NO_KERNEL, OTHER_NUMBERS, SEEN, SEEN_WITH
from conformance.cases import FAMILIES
from conformance.layers_without_rows import REASONS
from kexport.api.catalogue import Catalogue, catalogue
from kexport.loading.keras1 import _CLASSES as KERAS1_CLASSES
from kexport.loading.translation import ALIASES
from support.targets import REFUSED, TARGETS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "coverage.md"
ARCHIVES = ROOT / "tests" / "fixtures" / "legacy"

#: The versions, by what wrote the files.
WRITERS = {"keras2": 2, "keras3": 3}
VERSIONS = (1, 2, 3)

#: Names of targets, where they are not spelled so.
TITLES = {"tflite": "TF Lite", "onnx": "ONNX", "saved_model": "SavedModel", "coreml": "Core ML"}

#: Rows' names of layers in the archives that are no class.
LEGACY_NAMES = {"merge": "Merge", "CuDNN": "LSTM"}


@dataclass(frozen=True)
class Shown:
    """A model that the tests export to some targets, run and compare: whose ``subject`` a layer is, or an architecture."""

    subject: str
    version: int
    files: int
    targets: tuple[str, ...]


def conformance() -> Iterator[Shown]:
    """The rows of the conformance table, one a writer."""
    for cases in FAMILIES.values():
        for case in cases:
            targets = tuple(target for target in TARGETS if case.id not in REFUSED.get(target, {}))
            for writer in case.only:
                yield Shown(case.id.partition("-")[0], WRITERS[writer], len(case.formats), targets)


def legacy() -> Iterator[Shown]:
    """The models in the archives of old versions."""
    for archive in sorted(ARCHIVES.glob("keras-*.zip")):
        version = int(archive.stem.partition("-")[2].partition(".")[0])
        names = zipfile.ZipFile(archive).namelist()
        for row in (name.removesuffix(".npz") for name in names if name.endswith(".npz")):
            forms = {name.partition("/")[0] for name in names if name.startswith((f"{row}.", f"{row}-"))}
            files = sum(name.endswith((".h5", ".keras", "-folder")) for name in forms)
            yield Shown(_class(row.partition("-")[0]), version, files, TARGETS)


def _class(name: str) -> str:
    """What Keras 3 calls the layer of an archive's row."""
    name = KERAS1_CLASSES.get(name, name)
    return LEGACY_NAMES.get(name, ALIASES.get(name, name))


def counted(shown: Iterable[Shown]) -> Counter[tuple[str, int, str]]:
    """How many models, by subject, version and target."""
    return Counter((item.subject, item.version, target) for item in shown for target in item.targets)


def table(subjects: Iterable[str], models: Counter[tuple[str, int, str]], title: str) -> Iterator[str]:
    """A row a subject, a column for each version of Keras on each target."""
    columns = [(target, version) for target in TARGETS for version in VERSIONS]
    heads = [f"{TITLES.get(target, target)}, Keras {version}" for target, version in columns]
    yield f"| {title} | {' | '.join(heads)} |"
    yield f"|---|{'--:|' * len(columns)}"
    for subject in subjects:
        numbers = [models[subject, version, target] for target, version in columns]
        yield f"| {subject} | {' | '.join(str(number or '') for number in numbers)} |"


def page() -> str:
    """The whole page."""
    known, shown = catalogue(), [*conformance(), *legacy()]
    models = counted(shown)
    subjects = {item.subject for item in shown}
    layers = sorted({*known.layers} & subjects)
    lines = [
        *_head(shown, layers),
        "",
        *table(layers, models, "layer"),
        "",
        "## Whole models",
        "",
        *table(sorted(subjects - {*known.layers}), models, "architecture"),
        "",
        *_in_the_browser(),
        *_rest(known, {*known.layers} - subjects),
        *_refused(known),
    ]
    return "\n".join(lines) + "\n"


def _head(shown: list[Shown], layers: list[str]) -> list[str]:
    rows = sum(len(case.only) for cases in FAMILIES.values() for case in cases)
    files = sum(item.files for item in shown)
    targets = ", ".join(TITLES.get(name, name) for name in TARGETS)
    return [
        "# What is shown to work",
        "",
        "<!-- Made by tests/conformance/coverage.py (make docs-coverage); a test holds it against the tables. -->",
        "",
        f"A number counts models whose subject the layer is, each another use of its arguments: {len(shown)} models in {files} files. {rows} of them are",
        f"the conformance table's: Keras 3 and tf_keras (Keras 2) save each as `.keras` and `.h5`; each is exported to every target ({targets}),",
        "run there, and every output is compared with what Keras computed, to 1e-5 of its range in float32. The others are models that real old",
        "versions of Keras saved, with what those versions computed. Beside these, every model function of `keras.applications` is exported and run",
        "(`tests/applications`), and layers with drawn arguments are (`tests/lowering/test_drawn_*.py`).",
        "",
        f"## {len(layers)} layers",
    ]


def _in_the_browser() -> list[str]:
    """A row a family: what a bundle's page computes on which accelerator."""
    lines = [
        "## In the browser",
        "",
        "Web bundles hold TF Lite's file, and are run in Chromium on WebAssembly in float32, each model of the conformance table in one of its files, to 1e-5",
        "of an output's range (`tests/browser/test_conformance_in_browser.py`). Their page takes WebGPU where the golden sample comes out right there, to 1e-3;",
        "where the engine has no kernel for one of the ops, or other numbers come out, it takes the CPU and says why",
        f"(`tests/browser/test_conformance_on_webgpu.py`). Seen with {SEEN_WITH}:",
        "",
        "| family | models on WebAssembly | cases on WebGPU | on the CPU: no kernel | on the CPU: other numbers |",
        "|---|--:|--:|--:|--:|",
    ]
    for family, rows in FAMILIES.items():
        cases = [case for case in rows if case.id not in REFUSED["web"]]
        if not cases:
            continue
        seen = Counter(SEEN[case.id] for case in cases)
        numbers = [seen[kind] or "" for kind in (COMPUTED, NO_KERNEL, OTHER_NUMBERS)]
        lines.append(
            f"| {family} | {sum(len(case.only) for case in cases)} | {' | '.join(map(str, numbers))} |"
        )
    return [*lines, ""]


def _rest(known: Catalogue, others: set[str]) -> list[str]:
    by_class: dict[str, list[str]] = {}
    for old, new in {**KERAS1_CLASSES, **ALIASES}.items():
        if old != new:
            by_class.setdefault(ALIASES.get(new, new), []).append(old)
    renamed = "; ".join(f"{new}: {', '.join(sorted(set(old)))}" for new, old in sorted(by_class.items()))
    why = [f"- {name}: {REASONS[name]}" for name in sorted(others & REASONS.keys())]
    return [
        "## Beside these",
        "",
        f"- {len(known.operations)} operations of `keras.ops` and {len(known.functions)} functions of TensorFlow in Functional models: `kexport layers` lists them, and each has",
        "  rows of its own (`tests/lowering/operation_rows.py`, `tf_op_rows.py`).",
        f"- Other names of layers, read as the first: {renamed}.",
        f"- Without a row of their own: {', '.join(sorted(others - REASONS.keys()))}.",
        *why,
        "",
    ]


def _refused(known: Catalogue) -> list[str]:
    rows = [f"| {row.kind} | `{row.name}` | {row.reason} |" for row in known.refused]
    return ["## Refused", "", "| | | reason |", "|---|---|---|", *rows]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
