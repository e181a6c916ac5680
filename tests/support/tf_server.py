"""A server that speaks TF Serving's two protocols: ``python tf_server.py SECONDS NAME=FOLDER …``.

Models are loaded and run by TensorFlow's own loader and session; gRPC is tensorflow-serving-api's servicers; REST follows
tensorflow_serving/g3doc/api_rest.md, with the errors of its handler. As in TF Serving, a model is available once the requests beside
it are answered. Listens on 127.0.0.1 alone, prints its ports as JSON, and ends with its standard input, or after SECONDS.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

WARM_UP = Path("assets.extra") / "tf_serving_warmup_requests"
NOT_IN_JSON = ("float16", "bfloat16", "uint16")
STATES = get_model_status_pb2.ModelVersionStatus


#: gRPC code → HTTP status (``ToHTTPStatusCode``, tensorflow_serving/model_servers/http_server.cc).
HTTP = {"INVALID_ARGUMENT": 400, "NOT_FOUND": 404, "UNIMPLEMENTED": 501, "INTERNAL": 500}


class RefusedError(Exception):
    """A request that is answered with an error: a gRPC code, which is an HTTP status too."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Model:
    """The newest version in a folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.version = max(int(path.name) for path in folder.iterdir() if path.name.isdigit())
        self.problem = ""
        self.warmed = 0
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            meta = tf.compat.v1.saved_model.load(self._session, ["serve"], str(folder / str(self.version)))
        self.signatures = dict(meta.signature_def)
        try:
            self._warm_up(folder / str(self.version) / WARM_UP)
        except Exception as error:  # noqa: BLE001  (whatever keeps the model from being served is its status)
            self.problem = str(error)

    def _warm_up(self, path: Path) -> None:
        records = tf.compat.v1.io.tf_record_iterator(str(path)) if path.exists() else []
        for record in records:
            log = prediction_log_pb2.PredictionLog.FromString(record)
            assert log.WhichOneof("log_type") == "predict_log"
            request = log.predict_log.request
            self.run(
                request.model_spec.signature_name,
                {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()},
            )
            self.warmed += 1

    def signature(self, name: str) -> Any:
        name = name or "serving_default"
        if name not in self.signatures:
            raise RefusedError(
                "INVALID_ARGUMENT", f'Serving signature name: "{name}" not found in signature def'
            )
        return self.signatures[name]

    def run(self, name: str, arrays: dict[str, Any]) -> dict[str, Any]:
        signature = self.signature(name)
        if set(arrays) != set(signature.inputs):
            raise RefusedError(
                "INVALID_ARGUMENT",
                f"input size does not match signature: {len(arrays)}!={len(signature.inputs)}",
            )
        feeds = {signature.inputs[key].name: array for key, array in arrays.items()}
        fetches = {key: info.name for key, info in signature.outputs.items()}
        try:
            return self._session.run(fetches, feeds)
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise RefusedError("INVALID_ARGUMENT", str(error)[:300]) from error


class Models:
    def __init__(self, models: dict[str, Model]) -> None:
        self._models = models

    def status(self, name: str, version: int | None) -> Any:
        model = self._models.get(name)
        if model is None or version not in (None, model.version):
            raise RefusedError("NOT_FOUND", f"Could not find any versions of model {name}")
        answer = get_model_status_pb2.GetModelStatusResponse()
        entry = answer.model_version_status.add()
        entry.version = model.version
        entry.state = STATES.END if model.problem else STATES.AVAILABLE
        entry.status.error_message = model.problem
        return answer

    def available(self, name: str, version: int | None) -> Model:
        model = self._models.get(name)
        if model is None or model.problem or version not in (None, model.version):
            which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise RefusedError("NOT_FOUND", f"Servable not found for request: {which}")
        return model

    def metadata(self, name: str, version: int | None) -> tuple[Any, Any]:
        model = self.available(name, version)
        table = get_model_metadata_pb2.SignatureDefMap()
        for key, signature in model.signatures.items():
            table.signature_def[key].CopyFrom(signature)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = name
        answer.model_spec.version.value = model.version
        answer.metadata["signature_def"].Pack(table)
        return answer, table


def asked_version(spec: Any) -> int | None:
    return spec.version.value if spec.HasField("version") else None


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models: Models) -> None:
        self._models = models

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802  (the stub's name)
        try:
            model = self._models.available(request.model_spec.name, asked_version(request.model_spec))
            arrays = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            outputs = model.run(request.model_spec.signature_name, arrays)
        except RefusedError as error:
            context.abort(getattr(grpc.StatusCode, error.code), str(error))
        answer = predict_pb2.PredictResponse()
        answer.model_spec.name = model.name
        answer.model_spec.version.value = model.version
        for index, (name, array) in enumerate(outputs.items()):
            tensor = tf.make_tensor_proto(array)
            if index % 2 == 0 and array.dtype == np.float32:
                # TF Serving's own servers write fields, unless they are told otherwise.
                tensor.ClearField("tensor_content")
                del tensor.float_val[:]
                tensor.float_val.extend(array.reshape(-1).tolist())
            answer.outputs[name].CopyFrom(tensor)
        return answer

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            return self._models.metadata(request.model_spec.name, asked_version(request.model_spec))[0]
        except RefusedError as error:
            context.abort(getattr(grpc.StatusCode, error.code), str(error))


class Statuses(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models: Models) -> None:
        self._models = models

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            return self._models.status(request.model_spec.name, asked_version(request.model_spec))
        except RefusedError as error:
            context.abort(getattr(grpc.StatusCode, error.code), str(error))


#: tensorflow_serving/model_servers/http_rest_api_util.cc, without labels and the other two methods.
PREDICT = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?:predict", re.IGNORECASE)
STATUS = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(/metadata)?", re.IGNORECASE)


class Rest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    models: Models

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(self._told)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(lambda: self._predicted(body))

    def _answer(self, work: Any) -> None:
        try:
            status, text = 200, work()
        except RefusedError as error:
            status, text = HTTP[error.code], json.dumps({"error": str(error)}, indent=4)
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _told(self) -> str:
        found = STATUS.fullmatch(self.path)
        if found is None:
            raise RefusedError("INVALID_ARGUMENT", f"Malformed request: GET {self.path}")
        name, version, metadata = found[1], found[2] and int(found[2]), found[3]
        keep = {"always_print_fields_with_no_presence": True}
        if not metadata:
            return json_format.MessageToJson(
                self.models.status(name, version), preserving_proto_field_name=True, **keep
            )
        answer, table = self.models.metadata(name, version)
        spec, signatures = (
            json_format.MessageToDict(item, preserving_proto_field_name=True, **keep)
            for item in (answer.model_spec, table)
        )
        return json.dumps({"model_spec": spec, "metadata": {"signature_def": signatures}}, indent=1)

    def _predicted(self, body: bytes) -> str:
        found = PREDICT.fullmatch(self.path)
        if found is None:
            raise RefusedError("INVALID_ARGUMENT", f"Malformed request: POST {self.path}")
        try:
            document = json.loads(body)
        except ValueError as error:
            raise RefusedError("INVALID_ARGUMENT", f"JSON Parse error: {error}") from error
        model = self.models.available(found[1], found[2] and int(found[2]))
        signature = document.get("signature_name", "")
        infos = model.signature(signature).inputs
        rows = "instances" in document
        if rows == ("inputs" in document):
            raise RefusedError("INVALID_ARGUMENT", "Missing 'inputs' or 'instances' key")
        items = by_row(document["instances"], infos) if rows else by_column(document["inputs"], infos)
        outputs = model.run(signature, {name: array_of(items[name], infos[name]) for name in infos})
        return json.dumps({"predictions": rowed(outputs)} if rows else {"outputs": columned(outputs)})


def by_row(instances: Any, infos: Any) -> dict[str, Any]:
    if not isinstance(instances, list) or not instances:
        raise RefusedError("INVALID_ARGUMENT", "No values in 'instances' array")
    if not isinstance(instances[0], dict) or "b64" in instances[0]:
        (name,) = infos
        return {name: instances}
    for index, row in enumerate(instances):
        if set(row) != set(infos):
            raise RefusedError(
                "INVALID_ARGUMENT",
                f"Failed to process element: {index} of 'instances' list. keys must be equal",
            )
    return {name: [row[name] for row in instances] for name in infos}


def by_column(inputs: Any, infos: Any) -> dict[str, Any]:
    if not isinstance(inputs, dict) or "b64" in inputs:
        (name,) = infos
        return {name: inputs}
    for name in infos:
        if name not in inputs:
            raise RefusedError("INVALID_ARGUMENT", f"Missing named input: {name} in 'inputs' object.")
    return inputs


def array_of(items: Any, info: Any) -> Any:
    dtype = tf.dtypes.as_dtype(info.dtype)
    if dtype.name in NOT_IN_JSON:
        raise RefusedError("UNIMPLEMENTED", f"Conversion of JSON Value to type: {dtype.name}")
    try:
        if dtype == tf.string:
            return np.array(decoded(items), object)
        array = np.array(items, np.uint64 if dtype == tf.uint64 else None)
        assert not dtype.is_integer or array.dtype.kind in "iu"
        return array.astype(dtype.as_numpy_dtype)
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        raise RefusedError(
            "INVALID_ARGUMENT", f"JSON Value is not of expected type: {dtype.name} ({error})"
        ) from error


def decoded(items: Any) -> Any:
    if isinstance(items, list):
        return [decoded(item) for item in items]
    return base64.b64decode(items["b64"], validate=True) if isinstance(items, dict) else items.encode()


def plain(name: str, array: Any) -> Any:
    if array.dtype.name in NOT_IN_JSON:
        raise RefusedError(
            "INVALID_ARGUMENT", f"Failed to write JSON value for tensor type: {array.dtype.name}"
        )
    if array.dtype == object:
        return texts(name, array.tolist())
    return array.tolist()


def texts(name: str, items: Any) -> Any:
    if isinstance(items, list):
        return [texts(name, item) for item in items]
    return {"b64": base64.b64encode(items).decode()} if name.endswith("_bytes") else items.decode()


def rowed(outputs: dict[str, Any]) -> Any:
    if len({array.shape[:1] for array in outputs.values()}) != 1:
        raise RefusedError("INVALID_ARGUMENT", "Tensor has inconsistent batch size")
    lists = {name: plain(name, array) for name, array in outputs.items()}
    if len(lists) == 1:
        return next(iter(lists.values()))
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def columned(outputs: dict[str, Any]) -> Any:
    lists = {name: plain(name, array) for name, array in outputs.items()}
    return next(iter(lists.values())) if len(lists) == 1 else lists


def main(seconds: float, named: list[str]) -> None:
    threading.Timer(seconds, lambda: os._exit(3)).start()
    models = {}
    for item in named:
        name, _, folder = item.partition("=")
        models[name] = Model(name, Path(folder))
    Rest.models = Models(models)
    rest = ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 64 << 20)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(Rest.models), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Statuses(Rest.models), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ready = {
        "rest": rest.server_address[1],
        "grpc": port,
        "warmed": {name: model.warmed for name, model in models.items()},
    }
    print(json.dumps(ready), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
