"""A model on a server, over gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from kexport_runtimes.tf_serving import stubs, tensors
from kexport_runtimes.tf_serving.address import Address
from kexport_runtimes.tf_serving.errors import ServerError, late
from kexport_runtimes.tf_serving.http import MOST_BYTES
from kexport_runtimes.tf_serving.model import Arrays, Ask, Ports, ServedModel, State

_SHOWN = 400

#: What gRPC says where the answer is in another protocol: as observed in gRPC 1.85, and in ``try_http_parsing`` of older ones
#: (src/core/ext/transport/chttp2/transport/chttp2_transport.cc).
_NO_GRPC = ("Expected SETTINGS frame", "http1.x server")


class GrpcModel(ServedModel):
    """Asks with tensorflow-serving-api's own stubs."""

    forms = ("grpc",)

    def __init__(
        self,
        address: Address,
        model: str,
        version: int | None,
        *,
        timeout: float,
        headers: Mapping[str, str],
        ca_file: str | None,
    ) -> None:
        super().__init__(address, model, version, timeout)
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        self._ca_file = ca_file
        self._channel = self._open()

    def states(self) -> list[State]:
        """The model's versions (``GetModelStatus``)."""
        status = stubs.api("get_model_status_pb2")
        request = status.GetModelStatusRequest()
        self._specify(request.model_spec)
        stub = stubs.api("model_service_pb2_grpc").ModelServiceStub(self._channel)
        kinds = status.ModelVersionStatus.State
        return [
            State(int(item.version), kinds.Name(item.state), str(item.status.error_message))
            for item in self._called(stub.GetModelStatus, request).model_version_status
        ]

    def signatures(self) -> dict[str, Ports]:
        """Their inputs and outputs (``GetModelMetadata``)."""
        metadata = stubs.api("get_model_metadata_pb2")
        request = metadata.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._specify(request.model_spec)
        answer = self._called(self._predictor().GetModelMetadata, request)
        table = metadata.SignatureDefMap()
        if "signature_def" not in answer.metadata or not answer.metadata["signature_def"].Unpack(table):
            raise ServerError("garbage", "The answer holds no signatures.")
        return {
            name: Ports(_ports(entry.inputs), _ports(entry.outputs))
            for name, entry in table.signature_def.items()
            if not name.startswith("__")
        }

    @contextmanager
    def asker(
        self, inputs: Mapping[str, NDArray[Any]], signature: str, ports: Ports, form: str
    ) -> Iterator[Ask]:
        """Requests share the channel, which is made for many at once."""
        request = stubs.api("predict_pb2").PredictRequest()
        self._specify(request.model_spec)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            tensors.fill(request.inputs[name], array, ports.inputs[name][0])
        call = self._predictor().Predict

        def ask() -> Callable[[], Arrays]:
            answer = self._called(call, request)
            return lambda: _outputs(answer, ports)

        yield ask

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def _open(self) -> Any:
        grpc = stubs.grpc()
        options = [("grpc.max_receive_message_length", MOST_BYTES), ("grpc.max_send_message_length", -1)]
        # Addresses are the server's own, whatever proxies the environment names.
        options.append(("grpc.enable_http_proxy", 0))
        if not self.address.encrypted:
            return grpc.insecure_channel(self.address.netloc, options=options)
        roots = None if self._ca_file is None else Path(self._ca_file).read_bytes()
        return grpc.secure_channel(
            self.address.netloc, grpc.ssl_channel_credentials(root_certificates=roots), options=options
        )

    def _predictor(self) -> Any:
        return stubs.api("prediction_service_pb2_grpc").PredictionServiceStub(self._channel)

    def _specify(self, spec: Any) -> None:
        spec.name = self.model
        if self.version is not None:
            spec.version.value = self.version

    def _called(self, call: Any, request: Any) -> Any:
        grpc = stubs.grpc()
        try:
            return call(request, timeout=self.timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            code = error.code()
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise late(self.timeout) from error
            said = str(error.details() or "")[:_SHOWN]
            if any(words in said for words in _NO_GRPC):
                said += ". (TF Serving speaks gRPC on its own port, by default 8500; http:// asks the other, 8501.)"
            raise ServerError(code.name, f"{code.name}: {said}") from error


def _outputs(answer: Any, ports: Ports) -> Arrays:
    if set(answer.outputs) != set(ports.outputs):
        names = ", ".join(sorted(answer.outputs))
        raise ServerError(
            "wrong names", f"The outputs are {', '.join(ports.outputs)}. Received: {names:.200}"
        )
    return {name: tensors.array(answer.outputs[name], name) for name in ports.outputs}


def _ports(table: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    found: dict[str, tuple[str, tuple[int, ...] | None]] = {}
    for name, info in table.items():
        shape = info.tensor_shape
        dims = None if shape.unknown_rank else tuple(int(dim.size) for dim in shape.dim)
        found[name] = tensors.NAMES.get(int(info.dtype), f"DataType {info.dtype}"), dims
    return found
