"""The files of a bundle: their names, what model.json says of them, one page of everything, the same bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kexport.contracts import Companions, Sample, Signature
from kexport.errors import MissingDependencyError, UnsupportedOpError, UsageError
from kexport.ir import symbol
from kexport_targets.web import TARGET, annotations, pages
from kexport_targets.web.description import MOST_EXAMPLES, example_bytes
from kexport_targets.web.static_files import STATIC, StaticFiles
from support.graphs import graph_from
from targets.web.making import emitted, finished, images


def contents(folder: Path, name: str) -> bytes:
    """A file of a bundle, which lies in its folder or in its page."""
    if (folder / "model.json").exists():
        return (folder / name).read_bytes()
    return pages.block_contents((folder / "index.html").read_text("utf-8"), name)


def description(folder: Path) -> dict[str, Any]:
    return json.loads(contents(folder, "model.json"))


def entries(data: Any) -> list[dict[str, Any]]:
    """Every file that model.json names, wherever."""
    if isinstance(data, list):
        return [entry for one in data for entry in entries(one)]
    if not isinstance(data, dict):
        return []
    own = [data] if "sha256" in data else []
    return own + [entry for one in data.values() for entry in entries(one)]


def test_every_file_is_the_one_that_its_name_and_model_json_say(tmp_path):
    artifact = finished(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in artifact.files}
    named = entries(description(tmp_path))
    assert len(named) == 16
    for entry in named:
        raw = (tmp_path / entry["file"]).read_bytes()
        digest = hashlib.sha256(raw).hexdigest()
        assert (entry["bytes"], entry["sha256"]) == (len(raw), digest)
        if not entry["file"].endswith(".wasm.br"):
            assert f"-{digest[:12]}." in entry["file"]
    for build in description(tmp_path)["engine"]["builds"].values():
        assert build["brotli"]["file"] == build["wasm"]["file"].removesuffix(".gz") + ".br"
    page = (tmp_path / "index.html").read_text("utf-8")
    for file in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert file.startswith("data:") or (tmp_path / file).is_file()


def test_the_model_has_a_signature_for_its_layers(tmp_path):
    finished(tmp_path)
    told = description(tmp_path)
    assert [(layer["path"], layer["class"], layer["inputs"]) for layer in told["layers"]] == [
        ("conv", "Conv2D", ["image"]),
        ("norm", "BatchNormalization", ["conv"]),
        ("relu", "ReLU", ["norm"]),
        ("pool", "GlobalAveragePooling2D", ["relu"]),
        ("digit", "Dense", ["pool"]),
    ]
    shown = {layer["path"]: layer["output"] for layer in told["layers"]}
    # The convolution's kernel takes up what follows it.
    assert shown["conv"] is None
    assert shown["relu"]["shape"] == [1, 8, 8, 6]
    interpreter = Interpreter(str(tmp_path / told["model"]["file"]), num_threads=1)
    x = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)
    found = interpreter.get_signature_runner("layers")(image=x)
    assert found.keys() == {"digit", "activation_map"} | {port["name"] for port in shown.values() if port}
    np.testing.assert_allclose(
        found[shown["relu"]["name"]].mean(axis=(1, 2)), found[shown["pool"]["name"]], atol=1e-6
    )


def test_the_golden_sample_is_the_first_and_its_bytes_are_in_order(tmp_path):
    finished(tmp_path)
    golden = description(tmp_path)["golden"]
    assert golden["reference"] == "Keras 3.15.1"
    assert golden["outputs"] == {"digit": {"range": 1.0, "bound": 1.0}}
    numbers = np.frombuffer((tmp_path / golden["file"]["file"]).read_bytes(), np.float32)
    np.testing.assert_array_equal(numbers[:64], np.linspace(0, 1, 64, dtype=np.float32))
    assert numbers[64:].sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("single", [False, True])
def test_further_golden_samples_lie_in_a_file_of_their_own_as_far_as_there_is_room(tmp_path, single):
    finished(tmp_path, examples=3, single_file=single)
    told = description(tmp_path)["golden"]["examples"]
    assert told["count"] == 3
    raw = contents(tmp_path, told["file"]["file"])
    assert told["file"]["sha256"] == hashlib.sha256(raw).hexdigest()
    numbers = np.frombuffer(raw, np.float32).reshape(3, 64 + 3)
    assert numbers[:, 0].tolist() == [1, 2, 3]
    np.testing.assert_allclose(numbers[:, 64:].sum(axis=1), 1, atol=1e-6)
    finished(tmp_path / "many", examples=20)
    assert description(tmp_path / "many")["golden"]["examples"]["count"] == MOST_EXAMPLES
    finished(tmp_path / "one")
    assert description(tmp_path / "one")["golden"]["examples"] is None


def test_examples_that_there_is_no_room_for_are_left_out():
    x = np.zeros((1, 8, 8, 1), np.float32)
    sample = Sample({"image": x}, {"digit": np.zeros((1, 3), np.float32)}, "", 0, {}, {})
    about = Companions({}, {}, sample, [sample] * 3)
    signature = Signature.of(images())
    size = 4 * (64 + 3)
    assert example_bytes(about, signature, 3 * size) == (3, bytes(3 * size))
    assert example_bytes(about, signature, 3 * size - 1) == (2, bytes(2 * size))
    assert example_bytes(about, signature, size - 1) == (0, b"")


def test_an_output_says_whether_its_numbers_are_shares_of_1(tmp_path):
    finished(tmp_path)
    assert [port["shares"] for port in description(tmp_path)["outputs"]] == [True]

    def body(b, x):
        return [b.op("relu", x)]

    emitted(tmp_path / "relu", graph_from({"x": ("float32", (2, 3))}, body))
    assert [port["shares"] for port in description(tmp_path / "relu")["outputs"]] == [False]


def test_without_a_reference_there_is_no_golden_sample(tmp_path):
    artifact = TARGET.finish(emitted(tmp_path), tmp_path, Companions({"name": "x"}, {}, None))
    assert description(tmp_path)["golden"] is None
    assert not any("golden" in path.name for path in artifact.files)


@pytest.mark.parametrize("single", [False, True])
def test_the_same_model_gives_the_same_bytes(tmp_path, single):
    one, two = finished(tmp_path / "one", single_file=single), finished(tmp_path / "two", single_file=single)
    assert one.files == two.files
    for path in one.files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_a_single_page_holds_everything_and_runs_nothing_else(tmp_path):
    artifact = finished(tmp_path, single_file=True)
    assert [path.name for path in artifact.files] == ["index.html"]
    page = (tmp_path / "index.html").read_text("utf-8")
    told = json.loads(pages.block_contents(page, "model.json"))
    for entry in [told["model"], told["golden"]["file"], told["engine"]["builds"]["compat"]["wasm"]]:
        raw = pages.block_contents(page, entry["file"])
        assert hashlib.sha256(raw).hexdigest() == entry["sha256"]
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page).group(1)
    run = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(run) == 3
    for script in run:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert "http" not in policy
    assert "<title>small &lt;digits&gt;</title>" in page or "<title>made</title>" in page


def test_a_script_that_ends_a_script_is_written_otherwise():
    page = pages.single_page(
        "{{policy}}|{{scripts}}", title="", style="", scripts=('x = "</script>"',), files={"a&b": b"\0"}
    )
    assert '<script>x = "<\\/script>"</script>' in page
    assert pages.block_contents(page, "a&amp;b") == b"\0"


def test_what_has_open_lengths_or_text_is_refused(tmp_path):
    with pytest.raises(UnsupportedOpError, match="unknown dimension batch") as refused:
        emitted(tmp_path, images(symbol("batch")))
    assert refused.value.hint == "Give a batch with --batch N."


def test_labels_are_as_many_as_the_output_has(tmp_path):
    text, listed = tmp_path / "labels.txt", tmp_path / "labels.json"
    text.write_text("ä\nb\nc\n", "utf-8")
    listed.write_text('["x", 1, 2]', "utf-8")
    finished(tmp_path / "one", labels=text)
    assert description(tmp_path / "one")["labels"] == ["ä", "b", "c"]
    finished(tmp_path / "two", labels=listed)
    assert description(tmp_path / "two")["labels"] == ["x", "1", "2"]
    listed.write_text('["x"]', "utf-8")
    with pytest.raises(UsageError, match=r"has 3 labels\. Received: 1 in 'labels.json'"):
        finished(tmp_path / "three", labels=listed)
    with pytest.raises(UsageError, match="can't be read"):
        finished(tmp_path / "four", labels=tmp_path / "none.txt")


def test_pixels_are_scaled_as_the_user_or_the_model_says(tmp_path):
    finished(tmp_path / "one", pixels="torch")
    how = description(tmp_path / "one")["preprocessing"]
    assert (how["input"], how["layout"], how["channels"]) == ("image", "channels_last", "rgb")
    assert how["mean"] == [123.675, 116.28, 103.53]
    finished(tmp_path / "two")
    assert description(tmp_path / "two")["preprocessing"] is None
    with pytest.raises(UsageError, match=r"one of unit, signed, raw, torch, caffe\. Received: 'zebra'"):
        finished(tmp_path / "three", pixels="zebra")
    rescaling = {
        "inputs": [{"name": "x", "shape": [1, 3, 32, 32]}],
        "layers": [{"class": "Rescaling", "inputs": ["x"]}, {"class": "Conv2D", "inputs": ["rescaling"]}],
    }
    own = annotations.own_scaling(rescaling)
    assert own is not None
    assert (own["scale"], own["layout"]) == ((1.0, 1.0, 1.0), "channels_first")


def test_sizes_tell_what_a_browser_loads(tmp_path):
    sizes = finished(tmp_path).details["sizes"]
    assert sizes["bundle"] == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert (
        sizes["first_visit_brotli"] < sizes["first_visit_gzip"] < sizes["first_visit_raw"] < sizes["bundle"]
    )
    # One build of the engine, not three, and of that the core.
    assert sizes["first_visit_raw"] - sizes["model"] < STATIC.sizes("litert-simd.wasm.gz")["raw"] / 2
    # And of its forms the smaller one where brotli is understood.
    assert sizes["first_visit_brotli"] - sizes["model"] < STATIC.sizes("litert-simd-core.wasm.gz")["raw"]


def test_a_runtime_that_is_not_built_is_told_of(tmp_path):
    with pytest.raises(MissingDependencyError, match="not built in this checkout") as missing:
        _ = StaticFiles(tmp_path).build
    assert missing.value.exit_code == 7
    assert "make setup" in missing.value.hint
    (tmp_path / "build.json").write_text('{"sizes": {}}')
    with pytest.raises(MissingDependencyError, match=r"it is without sw\.js"):
        StaticFiles(tmp_path).read("sw.js")


def test_the_activation_map_is_the_dense_layer_at_each_place(tmp_path):
    emitted(tmp_path, float16=False)
    told = description(tmp_path)
    assert told["activationMap"] == {"name": "activation_map", "dtype": "float32", "shape": [1, 8, 8, 3]}
    interpreter = Interpreter(str(tmp_path / told["model"]["file"]), num_threads=1)
    x = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)
    found = interpreter.get_signature_runner("layers")(image=x)
    scores = found["activation_map"].mean(axis=(1, 2))
    shares = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(shares, found["digit"], atol=1e-6)


def test_the_activation_map_adds_no_weights(tmp_path, monkeypatch):
    emitted(tmp_path / "with")
    monkeypatch.setattr("kexport_targets.web.layers.activation_map", lambda graph, output: None)
    emitted(tmp_path / "without")
    assert description(tmp_path / "without")["activationMap"] is None
    sizes = [description(tmp_path / name)["model"]["bytes"] for name in ("with", "without")]
    assert 0 < sizes[0] - sizes[1] < 1500
