"""What coremltools reads of the packages: every operation passes its checks, and says what it is said to be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kexport.ir import Builder, Graph, TensorType, Value, dims
from kexport_targets.coreml import schema
from support.graphs import graph_from, graph_of
from support.op_cases import CASES, op_of
from support.recurrent import Drawn
from targets.coreml.running import emitted

SIDE = Path(__file__).with_name("coremltools_side.py")
TIME = dims.symbol("time")


def asked(paths: Sequence[Path]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(SIDE)],
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def written(graph: Graph, folder: Path, **chosen: Any) -> Path:
    folder.mkdir(parents=True)
    return folder / emitted(graph, folder, **chosen).main


def test_the_numbers_of_the_format() -> None:
    numbers = asked([])["numbers"]
    ours = {"Entry": None, "Repeated": "RepeatedFloats"}
    for name, fields in schema.FIELDS.items():
        theirs = numbers["messages"].get(ours.get(name, name) or "", {"key": 1, "value": 2})
        assert fields == {key: theirs[key] for key in fields}, name
    for dtype, number in schema.DATA_TYPES.items():
        assert numbers["data"][dtype.upper()] == number
    for dtype, number in schema.ARRAY_TYPES.items():
        assert numbers["arrays"][dtype.upper()] == number
    for color, number in schema.COLOR_SPACES.items():
        assert numbers["colors"][color] == number
    for version, opset in schema.DEPLOYMENT_TARGETS.values():
        assert numbers["opsets"][str(version)] == opset


@pytest.mark.parametrize(
    ("target", "dtype", "half"),
    [
        ("iOS15", "float32", False),
        ("iOS16", "int32", False),
        ("iOS16", "float32", True),
        ("iOS18", "float32", False),
    ],
)
def test_every_op_passes_its_checks(target: str, dtype: str, half: bool, tmp_path: Path) -> None:
    paths = []
    for name, case in CASES.items():
        if dtype in case.dtypes and op_of(name) != "bitcast":
            graph = graph_from({f"x{i}": (dtype, case.shape) for i in range(case.inputs)}, case.body)
            paths.append(written(graph, tmp_path / name, deployment_target=target, float16=half))
    found = asked(paths)["packages"]
    assert len(found) > 80
    assert {path: about["problems"] for path, about in found.items() if about["problems"]} == {}
    assert {(about["version"], about["opset"]) for about in found.values()} == {
        schema.DEPLOYMENT_TARGETS[target]
    }


def recurrent(op: str, mask: bool) -> Graph:
    """A layer over an open number of steps: an operation, or a loop where it has a mask."""
    flags = {"bias": True, "go_backwards": True, "mask": mask, "zero_output_for_mask": False}
    made = Drawn(op, 1, 4, 3, 4, ("tanh", "sigmoid"), **flags, states=False, reset_after=False)
    return made.graph(1, TIME)


def test_recurrent_layers_and_loops_pass_its_checks(tmp_path: Path) -> None:
    paths = []
    for op in ("lstm", "gru", "simple_rnn"):
        for mask in (False, True):
            for target in schema.DEPLOYMENT_TARGETS:
                folder = tmp_path / f"{op}{mask}{target}"
                paths.append(written(recurrent(op, mask), folder, deployment_target=target))
            paths.append(written(recurrent(op, mask), tmp_path / f"{op}{mask}half", float16=True))
    found = asked(paths)["packages"]
    assert {path: about["problems"] for path, about in found.items() if about["problems"]} == {}


def test_a_description(tmp_path: Path) -> None:
    def body(b: Builder, x: Value, image: Value) -> dict[str, Value]:
        mean = b.op("reduce_mean", image, axes=(1, 2))
        y = b.op("softmax", b.op("add", mean, b.op("reduce_sum", x, axes=(1,))), axis=1)
        return {"scores": y}

    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\n")
    types = {"x/y": TensorType("float32", (1, TIME, 3)), "image": TensorType("float32", (1, 8, 6, 3))}
    said = {"author": "Ann", "license": "MIT", "model_version": "3", "summary": "Sums"}
    for name, lengths in (("range", range(2, 9)), ("some", (4, 8))):
        graph = graph_of(types, body)
        graph.lengths = {"time": lengths}
        path = written(
            graph,
            tmp_path / name,
            labels=str(labels),
            image_input="image",
            image_color="BGR",
            float16=True,
            **said,
        )
        about = asked([path])["packages"][str(path)]
        assert about["problems"] == ""
        assert about["inputs"] == {
            "x_y": {
                "kind": "multiArrayType",
                "dtype": "FLOAT32",
                "shape": [1, 2, 3] if name == "range" else [1, 4, 3],
                "ranges": [[1, 1], [2, 8], [3, 3]] if name == "range" else [],
                "shapes": [] if name == "range" else [[1, 4, 3], [1, 8, 3]],
            },
            "image": {"kind": "imageType", "color": "BGR", "height": 8, "width": 6},
        }
        assert about["outputs"] == {
            "classLabel": {"kind": "stringType"},
            "classLabel_probs": {"kind": "dictionaryType"},
            "scores": {
                "kind": "multiArrayType",
                "dtype": "FLOAT32",
                "shape": [1, 3],
                "ranges": [],
                "shapes": [],
            },
        }
        assert about["classifier"] == ["classLabel", "classLabel_probs"]
        assert [about[key] for key in ("author", "license", "model_version", "text")] == list(said.values())
        assert json.loads(about["metadata"]["kexport.names"]) == {"inputs": {"x_y": "x/y"}, "outputs": {}}
