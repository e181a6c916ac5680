"""``--xcode``: the Swift package around a model.

Every generated file is parsed; where there is a Swift compiler, it is held to types, too, against stubs of Apple's modules.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tree_sitter
import tree_sitter_swift

import kexport
from kexport.contracts import Pixels, Port, Sample
from kexport.errors import MissingDependencyError
from kexport.ir import TensorType
from kexport_runtimes.coreml import swift_package
from kexport_targets.coreml.write import Description, Feature
from kexport_targets.coreml.xcode import golden, names
from kexport_targets.coreml.xcode.project import Project, project
from kexport_targets.coreml.xcode.tests_source import MARK
from support import tiny

STUBS = Path(__file__).parent / "swift_stubs"
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
SWIFTC = shutil.which("swiftc")

HOSTILE = [
    *["in", "self", "init", "Type", "default", "1st", "", "_", "a b", "a-b", "a_b", "a_b_2", "größe"],
    *['"', "\\", "\\(fatalError())", "*/", "/*", "\n", "\r\n}", "\u2028let x", "\x00", "\ud800", "`|<b>", "${x}", "😀"],
    *["features", "value", "array", "output", "input", "MLShapedArray", "MLFeatureValue", "Float", "Dictionary", "Output"],
    *["Input", "golden", "row", "try", "name", "String", "model"],
]  # fmt: skip


def described(kind: str) -> tuple[Description, list[str], list[str]]:
    fixed = Feature("x", "float32", (1, 4))
    if kind == "hostile":
        inputs = [Feature(f"i{index}", "float32", (1, 4)) for index in range(len(HOSTILE))]
        outputs = [Feature(f"o{index}", "int32", (1,)) for index in range(len(HOSTILE))]
        return Description(inputs, outputs), HOSTILE, HOSTILE
    if kind == "image":
        image = Feature("picture", "float32", (1, 3, 8, 6), image="RGB")
        return Description([image, fixed], [Feature("y", "float16", None)]), ["picture", "x"], ["y"]
    if kind == "classifier":
        classes = [Feature("classLabel", "string", None), Feature("classLabel_probs", "probabilities", None)]
        own = Feature("classLabel_0", "float32", (1, 3))
        return (
            Description([fixed], [*classes, own], classifier=("classLabel", "classLabel_probs")),
            ["x"],
            ["classLabel"],
        )
    ranged = Feature("x", "int32", (1, 1), ((1, 1), (1, 512)))
    listed = Feature("z", "float16", (1, 8), (), tuple((1, 8 * n) for n in range(1, 12)))
    return Description([ranged, listed], [Feature("y", "int32", None)]), ["x", "z"], ["y"]


KINDS = ("hostile", "image", "classifier", "flexible")


def write(kind: str, folder: Path, version: int = 16, model: str = "some model") -> Path:
    made = project(model, *described(kind), version=version)
    files = made.write(folder)
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert found == sorted(files)
    return folder / made.folder


def problems(source: bytes) -> list[str]:
    found, stack = [], [PARSER.parse(source).root_node]
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing:
            found.append(f"line {node.start_point.row + 1}: {source[node.start_byte : node.end_byte][:80]!r}")
        stack += node.children
    return found


def test_the_parser_sees_what_is_wrong() -> None:
    assert problems(b"let x = [1, 2\n")
    assert problems(b"struct S { func }\n")


@pytest.mark.parametrize("version", [15, 16, 17, 18])
@pytest.mark.parametrize("kind", KINDS)
def test_every_file_parses(tmp_path: Path, kind: str, version: int) -> None:
    sources = list(write(kind, tmp_path, version, 'hos"tile\n*/ \\(x)').rglob("*.swift"))
    assert len(sources) == 4
    for source in sources:
        text = source.read_bytes()
        assert problems(text) == [], source.name
        assert text.endswith(b"}\n") or source.name == "Package.swift"
        assert b"\r" not in text
        assert b"\x00" not in text
        assert not any(line.endswith((b" ", b"\t")) for line in text.split(b"\n"))


def test_packages_are_the_same_each_time(tmp_path: Path) -> None:
    first, second = (write("image", tmp_path / name) for name in "ab")
    for path in first.rglob("*.*"):
        if path.is_file():
            assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()


def test_members_are_different_identifiers() -> None:
    found = names.identifiers([*HOSTILE, "in", "in_"])
    assert len(set(found)) == len(found)
    assert all(name.isidentifier() and name.isascii() and name.strip("_") for name in found)
    assert names.identifiers(["a-b", "a_b", "x"]) == ["a_b_2", "a_b", "x"]
    assert names.identifiers(["in", "class", "1st", "_"]) == ["in_", "class_", "_1st", "value"]


@pytest.mark.parametrize(
    ("model", "module"),
    [
        ("mobilenetv2_1.00_224", "Mobilenetv2_1_00_224"),
        ("sequential", "Sequential"),
        ("core-ml", "KerasCoreMl"),
        ("", "Keras"),
        ("3d", "Keras3d"),
        ("größe", "GrE"),
        ("../../etc", "Etc"),
        ("x" * 300, "X" + "x" * 79),
    ],
)
def test_modules(model: str, module: str) -> None:
    assert names.module(model) == module


def test_literals_hold_all_text() -> None:
    assert names.literal('a"\\(b)\n') == '"a\\"\\\\(b)\\u{A}"'
    for text in HOSTILE:
        assert problems(f"let x = {names.literal(text)}\n".encode()) == []


def test_what_the_wrapper_says(tmp_path: Path) -> None:
    def source(kind: str) -> str:
        return next(write(kind, tmp_path / kind).glob("Sources/*/*.swift")).read_text("utf-8")

    assert "public var picture: CVPixelBuffer" in source("image")
    assert "an image of 6 × 8 pixels, RGB" in source("image")
    assert '"picture": MLFeatureValue(pixelBuffer: input.picture)' in source("image")
    assert "public let classLabel_probs: [String: Double]" in source("classifier")
    # The model's own output is called like the classifier's label.
    assert 'classLabel_2: array("classLabel_0", of: features)' in source("classifier")
    assert '"x": 1 × 1–512.' in source("flexible")
    assert "or one of 3 more" in source("flexible")


def test_golden_vectors_are_laid_out() -> None:
    pixels = Port("p", TensorType("uint8", (1, 1, 1, 3)), pixels=Pixels(1.0, (0.0,)))
    ports = [pixels, Port("i", TensorType("int32", (1, 1)))]
    outputs = [Port("y", TensorType("float16", (1, 2)))]
    sample = Sample(
        {"p": np.array([[[[1, 2, 3]]]], "u1"), "i": np.array([[-2]], ">i8")},
        {"y": np.array([[1.5, -1.0]], ">f8")},
        *("a reference", 5e-3, {"y": 2.5}, {}),
    )
    files = golden.vectors(ports, outputs, sample, half=True)
    description = json.loads(files["golden.json"])
    raw = files["golden.bin"]
    assert [entry["offset"] for entry in description["inputs"]] == [0, 4]
    assert raw[:4] == b"\x01\x02\x03\x00"
    assert np.frombuffer(raw[4:8], "<i4").tolist() == [-2]
    assert np.frombuffer(raw[description["outputs"][0]["offset"] :], "<f4").tolist() == [1.5, -1.0]
    assert description["outputs"][0]["range"] == 2.5
    assert description["tolerances"] == {"cpuOnly": 5e-3, "cpuAndGPU": 1e-2, "cpuAndNeuralEngine": 2e-2}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny.write_model(tmp_path / "tiny.h5")


def test_an_export(model: Path, tmp_path: Path) -> None:
    vectors = tiny.write_golden(tmp_path / "golden.npz")
    result = kexport.export(model, "coreml", output=tmp_path / "out", golden=vectors, xcode=True)
    package = tmp_path / "out/coreml/xcode/Tiny"
    assert result.artifact == package / "Sources/Tiny/Model/model.mlpackage"
    assert len(list((tmp_path / "out").rglob("weight.bin"))) == 1
    assert kexport.verify(result.folder).passed
    place = package / "Tests/TinyTests/Golden"
    description = json.loads((place / "golden.json").read_text())
    with np.load(vectors) as arrays:
        wanted = next(arrays[name] for name in arrays.files if name.endswith("scores"))[:1]
    offset = description["outputs"][0]["offset"]
    stored = np.frombuffer((place / "golden.bin").read_bytes()[offset:], "<f4")
    np.testing.assert_array_equal(stored, wanted.ravel())
    assert description["tolerances"]["cpuOnly"] == 1e-5


def test_an_export_without_a_reference(model: Path, tmp_path: Path) -> None:
    kexport.export(
        model, "coreml", output=tmp_path / "out", verify=False, xcode=True, deployment_target="iOS18"
    )
    package = tmp_path / "out/coreml/xcode/Tiny"
    description = json.loads((package / "Tests/TinyTests/Golden/golden.json").read_text())
    assert description["outputs"] == []
    assert (
        '.iOS("18.0"), .macOS("15.0"), .tvOS("18.0"), .watchOS("11.0")'
        in (package / "Package.swift").read_text()
    )


def swiftc(*arguments: Any, folder: Path) -> None:
    done = subprocess.run(
        [str(SWIFTC), *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "warning:" not in done.stderr


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: Any) -> Path:
    folder: Path = tmp_path_factory.mktemp("stubs")
    for module in ("CoreML", "CoreVideo"):
        swiftc("-emit-module", "-module-name", module, "-I.", STUBS / f"{module}.swift", folder=folder)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(SWIFTC is None, reason="swiftc is not installed")
@pytest.mark.parametrize("version", [15, 18])
@pytest.mark.parametrize("kind", KINDS)
def test_every_file_has_its_types(tmp_path: Path, stubs: Path, kind: str, version: int) -> None:
    package = write(kind, tmp_path / "package", version)
    (tmp_path / "bundle.swift").write_text(
        "import Foundation\nextension Bundle { static var module: Bundle { main } }\n"
    )
    sources = [*package.glob("Sources/*/*.swift"), "bundle.swift"]
    swiftc("-emit-module", "-module-name", package.name, "-I", stubs, *sources, folder=tmp_path)
    for flags in ([], ["-D", "SWIFT_PACKAGE"]):
        tests = package.glob("Tests/*/*.swift")
        swiftc(*flags, "-typecheck", "-I.", "-I", stubs, *tests, "bundle.swift", folder=tmp_path)


FAKE = """#!{python}
import sys, pathlib
arguments = sys.argv[1:]
assert arguments[0] == "test" and arguments[1] == "--package-path" and arguments[3] == "--scratch-path"
assert (pathlib.Path(arguments[2]) / "Package.swift").is_file() and pathlib.Path(arguments[4]).is_dir()
print({lines!r})
print("not built", file=sys.stderr)
sys.exit({code})
"""


@pytest.fixture
def exported(model: Path, tmp_path: Path) -> Path:
    vectors = tiny.write_golden(tmp_path / "golden.npz")
    return kexport.export(model, "coreml", output=tmp_path / "out", golden=vectors, xcode=True).folder


def on_a_mac(monkeypatch: Any, tmp_path: Path, lines: str, code: int) -> None:
    swift = tmp_path / "swift"
    swift.write_text(FAKE.format(python=sys.executable, lines=lines, code=code))
    swift.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(swift_package, "missing", lambda: None)


def reported(**values: Any) -> str:
    return f"{MARK} " + json.dumps({"output": "scores", "tolerance": 1e-4, "seconds": 1e-3, **values})


def test_marks_are_the_same() -> None:
    assert swift_package.MARK == MARK


def test_verify_runs_the_packages_tests(exported: Path, tmp_path: Path, monkeypatch: Any) -> None:
    lines = "\n".join([
        "Test Suite 'All tests' started",
        reported(compute_units="cpuOnly", error=1e-7),
        reported(compute_units="cpuAndGPU", error=2e-5),
        reported(compute_units="cpuAndGPU", error=1e-5, output="other"),
    ])  # fmt: skip
    on_a_mac(monkeypatch, tmp_path, lines, 0)
    before = sorted(exported.rglob("*"))
    for chosen in ({}, {"own_tests": True}):
        result = kexport.verify(exported, **chosen)
        assert result.passed
        assert result.rows[0].verdict is not None
        found = {row.name: row.max_rel_error for row in result.rows[0].verdict.accelerators}
        assert found == {"cpuOnly": 1e-7, "cpuAndGPU": 2e-5}
    assert sorted(exported.rglob("*")) == before
    assert kexport.verify(exported, own_tests=False).rows[0].verdict.accelerators == ()


def add_a_source(package: Path, manifest: Any) -> None:
    (package / "Sources/Tiny/More.swift").write_text("let more = 1\n")


def change_a_source(package: Path, manifest: Any) -> None:
    path = package / "Tests/TinyTests/Golden.swift"
    path.write_text(path.read_text().replace("seconds", "minutes"))
    for file in manifest["targets"]["coreml"]["files"]:
        if file["path"].endswith("TinyTests/Golden.swift"):
            file["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()


def take_a_source_away(package: Path, manifest: Any) -> None:
    path = package / "README.md"
    path.unlink()
    files = manifest["targets"]["coreml"]["files"]
    files[:] = [file for file in files if not file["path"].endswith("README.md")]


def link_a_folder(package: Path, manifest: Any) -> None:
    (package / "Plugins").symlink_to(package / "Sources")


def ask_for_another_model(package: Path, manifest: Any) -> None:
    manifest["targets"]["coreml"]["details"]["swift_package"]["model"] = "big"


def ask_for_code(package: Path, manifest: Any) -> None:
    (member,) = manifest["targets"]["coreml"]["details"]["swift_package"]["inputs"]
    member["feature"]["image"] = "\nlet more = 1 //"


def ask_for_nonsense(package: Path, manifest: Any) -> None:
    manifest["targets"]["coreml"]["details"]["swift_package"] = ["?"]


@pytest.mark.parametrize(
    "change",
    [
        *[add_a_source, change_a_source, take_a_source_away, link_a_folder],
        *[ask_for_another_model, ask_for_code, ask_for_nonsense],
    ],
)
def test_unasked_nothing_runs_but_what_kexport_wrote(
    change: Any, exported: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    change(exported / "coreml/xcode/Tiny", manifest)
    (exported / "manifest.json").write_text(json.dumps(manifest))
    on_a_mac(monkeypatch, tmp_path, reported(compute_units="cpuOnly", error=0.0), 0)
    result = kexport.verify(exported)
    assert result.passed
    assert result.rows[0].verdict.accelerators == ()
    assert "--own-tests" in result.rows[0].note
    asked = kexport.verify(exported, own_tests=True)
    assert [row.name for row in asked.rows[0].verdict.accelerators] == ["cpuOnly"]


def test_a_package_is_written_from_what_the_manifest_says(tmp_path: Path) -> None:
    for kind in KINDS:
        made = project("some model", *described(kind), version=16)
        assert Project.from_json(json.loads(json.dumps(made.to_json()))) == made
        made.write(tmp_path / kind)
        assert made.is_unchanged(tmp_path / kind)


@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        (
            reported(compute_units="cpuAndGPU", problem="an element is 3 of the range away"),
            1,
            "On cpuAndGPU: Output 'scores'",
        ),
        (reported(compute_units="cpuOnly", error=0.0), 1, "ended with 1: "),
        ("error: no such module", 1, "no such module"),
        ("nothing", 0, "ended with 0: nothing\nnot built"),
        (f"{MARK} [1, 2]\n{MARK} {{", 0, "ended with 0"),
    ],
)
def test_verify_sees_failing_tests(
    exported: Path, tmp_path: Path, monkeypatch: Any, lines: str, code: int, said: str
) -> None:
    on_a_mac(monkeypatch, tmp_path, lines, code)
    result = kexport.verify(exported, own_tests=True)
    assert not result.passed
    assert said in result.rows[0].problem


@pytest.mark.skipif(sys.platform == "darwin", reason="there they can run")
def test_the_packages_tests_want_a_mac(exported: Path) -> None:
    with pytest.raises(MissingDependencyError, match="only a Mac has"):
        kexport.verify(exported, own_tests=True)


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ({"swift": 0, "xcrun": 0}, None),
        ({"swift": 0, "xcrun": 72}, "no XCTest"),
        ({"swift": 0}, "no XCTest"),
        ({"xcrun": 0}, "no XCTest"),
    ],
)
def test_the_command_line_tools_alone_have_no_xctest(
    programs: dict[str, int], said: str | None, tmp_path: Path, monkeypatch: Any
) -> None:
    for name, code in programs.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nexit {code}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(swift_package.platform, "system", lambda: "Darwin")
    found = swift_package.missing()
    assert found is None if said is None else said in (found or "")


def test_a_swift_that_does_not_end(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="did not end"):
        swift_package.run_tests(tmp_path, swift=str(tmp_path / "no-swift"))
