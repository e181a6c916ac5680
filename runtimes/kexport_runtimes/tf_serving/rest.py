"""A model on a server, over REST."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from numpy.typing import NDArray

from kexport_runtimes.tf_serving import values
from kexport_runtimes.tf_serving.address import Address
from kexport_runtimes.tf_serving.errors import ServerError
from kexport_runtimes.tf_serving.http import Connection
from kexport_runtimes.tf_serving.model import DTYPES, Answered, Ask, Ports, ServedModel, State

#: An error's text is shown as far as this.
_SHOWN = 400


class RestModel(ServedModel):
    """Asks in JSON: samples one by one (``row``), or inputs (``column``)."""

    forms = ("row", "column")

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
        self._headers = headers
        self._tls = ssl.create_default_context(cafile=ca_file) if address.encrypted else None
        path = f"/v1/models/{quote(model, safe='')}"
        self._path = path if version is None else f"{path}/versions/{version}"
        self._connection = self._connect()

    def states(self) -> list[State]:
        """The model's versions (``GetModelStatus``)."""
        found = self._asked(self._path).get("model_version_status")
        wrong = ServerError("garbage", "The answer does not list the model's versions.")
        if not isinstance(found, list):
            raise wrong
        try:
            return [
                State(
                    int(item["version"]),
                    str(item["state"]),
                    str(item.get("status", {}).get("error_message", "")),
                )
                for item in found
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise wrong from error

    def signatures(self) -> dict[str, Ports]:
        """Their inputs and outputs (``GetModelMetadata``)."""
        found = self._asked(f"{self._path}/metadata")
        try:
            table = found["metadata"]["signature_def"]["signature_def"]
            return {
                str(name): Ports(_ports(entry["inputs"]), _ports(entry["outputs"]))
                for name, entry in table.items()
                # What TensorFlow keeps there for itself has no inputs.
                if not name.startswith("__")
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ServerError("garbage", "The answer holds no signatures.") from error

    @contextmanager
    def asker(
        self, inputs: Mapping[str, NDArray[Any]], signature: str, ports: Ports, form: str
    ) -> Iterator[Ask]:
        """Each has a connection, as a client would."""
        rows = form == "row"
        unknown = {kind for kind, _ in (*ports.inputs.values(), *ports.outputs.values())} & {
            *values.NOT_IN_JSON
        }
        if unknown:
            raise ValueError(f"TF Serving's JSON has no {', '.join(sorted(unknown))}: ask over gRPC.")
        body = values.request(inputs, signature, rows=rows)
        outputs = {name: kind for name, (kind, _) in ports.outputs.items()}
        connection = self._connect()

        def ask() -> Answered:
            status, found = connection.post(f"{self._path}:predict", body)
            _check(status, found)
            return lambda: values.answer(found, outputs, rows=rows)

        try:
            yield ask
        finally:
            connection.close()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _connect(self) -> Connection:
        return Connection(self.address, timeout=self.timeout, headers=self._headers, tls=self._tls)

    def _asked(self, path: str) -> dict[str, Any]:
        status, body = self._connection.get(path)
        _check(status, body)
        return values.parsed(body)


def _check(status: int, body: bytes) -> None:
    if status == 200:
        return
    try:
        said = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        said = repr(body[:120])
    raise ServerError(f"HTTP {status}", f"HTTP {status}: {said[:_SHOWN]}")


def _ports(table: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    found: dict[str, tuple[str, tuple[int, ...] | None]] = {}
    for name, entry in table.items():
        shape = entry["tensor_shape"]
        dims = None if shape.get("unknown_rank") else tuple(int(dim["size"]) for dim in shape.get("dim", []))
        found[str(name)] = DTYPES.get(str(entry["dtype"]), str(entry["dtype"])), dims
    return found
