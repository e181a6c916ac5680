"""The files beside a SavedModel, read by what reads them: YAML, and protocol buffers' text format."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from kexport.contracts import Signature
from kexport.errors import UsageError
from kexport.ir import Builder, Dim, TensorType, Value, dims
from kexport_runtimes.tf_serving import stubs
from kexport_targets.saved_model import TARGET
from kexport_targets.saved_model.serving import Served, served_name
from support.graphs import graph_of

BATCH = dims.symbol("batch")


def written(folder: Path, shape: tuple[Dim, ...] = (BATCH, 4), **options: Any) -> Path:
    def body(b: Builder, x: Value) -> dict[str, Value]:
        return {"y": b.op("relu", x)}

    graph = graph_of({"x": TensorType("float32", shape)}, body)
    artifact = TARGET.emit(TARGET.legalize(graph, {}), folder, {"serving": True, **options})
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert names == set(artifact.files)
    return folder / "serving"


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def batching(path: Path) -> Any:
    """BatchingParameters, which no package has: as of tensorflow_serving/servables/tensorflow/session_bundle_config.proto, 2.20."""
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", package="test", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    message = file.message_type.add(name="BatchingParameters")
    wrapped = (
        ("max_batch_size", 1),
        ("batch_timeout_micros", 2),
        ("max_enqueued_batches", 3),
        ("num_batch_threads", 4),
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, number in wrapped:
        message.field.add(
            name=name,
            number=number,
            type=kinds.TYPE_MESSAGE,
            label=kinds.LABEL_OPTIONAL,
            type_name=".google.protobuf.Int64Value",
        )
    message.field.add(name="allowed_batch_sizes", number=6, type=kinds.TYPE_INT64, label=kinds.LABEL_REPEATED)
    message.field.add(
        name="pad_variable_length_inputs", number=7, type=kinds.TYPE_BOOL, label=kinds.LABEL_OPTIONAL
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("test.BatchingParameters"))
    return text_format.Parse(path.read_text(), kind())


def test_models_config(tmp_path: Path) -> None:
    with stubs._messages_alone():
        module = importlib.import_module("tensorflow_serving.config.model_server_config_pb2")
    text = (written(tmp_path, model_name="digits-2") / "models.config").read_text()
    (config,) = text_format.Parse(text, module.ModelServerConfig()).model_config_list.config
    assert (config.name, config.base_path, config.model_platform) == (
        "digits-2",
        "/models/digits-2",
        "tensorflow",
    )
    assert config.model_version_policy.latest.num_versions == 1


def test_batching_of_an_open_batch(tmp_path: Path) -> None:
    folder = written(tmp_path)
    found = batching(folder / "batching.config")
    assert (found.max_batch_size.value, found.batch_timeout_micros.value) == (32, 1000)
    assert not found.allowed_batch_sizes
    assert not found.pad_variable_length_inputs
    assert any("--enable_batching=true" in item for item in command(folder))


def test_batching_of_a_fixed_batch_fills_it_up(tmp_path: Path) -> None:
    found = batching(written(tmp_path, (8, 4)) / "batching.config")
    assert (found.max_batch_size.value, [*found.allowed_batch_sizes]) == (8, [8])


def test_samples_of_different_lengths_are_not_put_together(tmp_path: Path) -> None:
    folder = written(tmp_path, (BATCH, dims.symbol("time")))
    assert batching(folder / "batching.config").max_batch_size.value == 1
    assert not any("batching" in item for item in command(folder))


def command(folder: Path) -> list[str]:
    (compose,) = documents(folder / "compose.yaml")
    (service,) = compose["services"].values()
    return service["command"]


def test_compose(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (compose,) = documents(folder / "compose.yaml")
    service = compose["services"]["made"]
    assert service["image"].startswith("tensorflow/serving:2.")
    mounts = dict(mount.split(":")[:2] for mount in service["volumes"])
    for source in mounts:
        assert (folder / source).exists()
    assert (folder / ".." / "1" / "saved_model.pb").is_file()
    assert mounts[".."] == "/models/made"
    for argument in service["command"]:
        name, _, value = argument.partition("=")
        assert name.startswith("--")
        if value.startswith("/"):
            assert value in mounts.values()
    assert {port.rpartition(":")[2] for port in service["ports"]} == {"8500", "8501"}
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["healthcheck"]["test"][-1].count("\\r\\n") == 2
    assert "GET /v1/models/made HTTP/1.0" in service["healthcheck"]["test"][-1]


def test_kubernetes(tmp_path: Path) -> None:
    folder = written(tmp_path)
    parts = {item["kind"]: item for item in documents(folder / "kubernetes.yaml")}
    assert {kind: item["apiVersion"] for kind, item in parts.items()} == {
        "ConfigMap": "v1",
        "Deployment": "apps/v1",
        "Service": "v1",
        "HorizontalPodAutoscaler": "autoscaling/v2",
    }
    for name in ("models.config", "batching.config"):
        assert parts["ConfigMap"]["data"][name] == (folder / name).read_text()
    spec = parts["Deployment"]["spec"]
    # The autoscaler says how many: a number here would undo it at every apply.
    assert "replicas" not in spec
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert parts["Service"]["spec"]["selector"].items() <= labels.items()
    (container,) = spec["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/v1/models/made", "port": "rest"}
    assert {port["targetPort"] for port in parts["Service"]["spec"]["ports"]} == set(ports)
    volumes = {volume["name"]: volume for volume in spec["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert volumes["config"]["configMap"]["name"] == parts["ConfigMap"]["metadata"]["name"]
    assert all(isinstance(argument, str) for argument in container["args"])
    # A share of what a pod asks for is what the autoscaler goes by.
    scaler = parts["HorizontalPodAutoscaler"]["spec"]
    assert container["resources"]["requests"]["cpu"]
    assert scaler["metrics"][0]["resource"]["name"] == "cpu"
    reference = scaler["scaleTargetRef"]
    assert (reference["kind"], reference["name"]) == ("Deployment", parts["Deployment"]["metadata"]["name"])
    assert scaler["minReplicas"] < scaler["maxReplicas"]


def test_kserve(tmp_path: Path) -> None:
    (service,) = documents(written(tmp_path) / "kserve.yaml")
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    model = service["spec"]["predictor"]["model"]
    assert model["modelFormat"] == {"name": "tensorflow"}
    assert model["storageUri"] == "pvc://made-models/made"


def test_memory_grows_with_the_weights() -> None:
    def memory(weights: int, *, in_graph: bool) -> int:
        return Served("m", Signature((), ()), weights, in_graph=in_graph).memory_mib

    assert [memory(weights, in_graph=True) for weights in (0, 1, 1 << 20)] == [512, 513, 526]
    assert memory(1 << 30, in_graph=False) == 512 + 2 * 1024


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Functional_1", "functional-1"),
        ("sequential", "sequential"),
        ("Ünï", "n"),
        ("__", "model"),
        ("a" * 80, "a" * 53),
    ],
)
def test_a_models_own_name_becomes_a_label(model: str, name: str) -> None:
    assert served_name("", model) == name


@pytest.mark.parametrize("name", ["Digits", "a_b", "-a", "a-", "a/b", "a" * 54, "a b", 'a"'])
def test_a_name_that_can_not_be_one_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--model-name is of small letters"):
        served_name(name, "model")


def test_they_are_written_on_demand(tmp_path: Path) -> None:
    graph = graph_of({"x": TensorType("float32", (BATCH, 4))}, lambda b, x: {"y": b.op("relu", x)})
    artifact = TARGET.emit(TARGET.legalize(graph, {}), tmp_path, {})
    assert [path.as_posix() for path in artifact.files] == ["1/saved_model.pb"]
    assert artifact.details["model_name"] == "made"
