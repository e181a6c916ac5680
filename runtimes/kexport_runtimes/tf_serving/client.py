"""What kexport sees of TF Serving."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kexport_runtimes.tf_serving.model import ServedModel


_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_VALUE: Final = re.compile(r"[ -~]*")


class TFServing:
    """Connects to servers. Implements ``kexport.contracts.ServingClient`` by shape.

    REST needs nothing but Python; gRPC needs grpcio and tensorflow-serving-api.
    """

    name = "TF Serving"

    def missing(self, address: str) -> str | None:
        """None where this address can be spoken to from here; otherwise why not, with the command that changes it.

        Raises:
            ValueError: it is no address.
        """
        from kexport_runtimes.tf_serving import stubs
        from kexport_runtimes.tf_serving.address import Address

        return None if Address.parse(address).is_rest else stubs.missing()

    def connect(
        self,
        address: str,
        model: str,
        *,
        version: int | None = None,
        timeout: float = 30.0,
        headers: Mapping[str, str] | None = None,
        ca_file: str | None = None,
    ) -> ServedModel:
        """A model on a server; nothing is sent yet.

        Args:
            address: ``http://HOST:PORT`` or ``https://`` (REST), ``grpc://HOST:PORT`` or ``grpcs://``.
            model: the name that it is served under.
            version: which one to ask; by default the newest that is available.
            timeout: seconds for each request, from the first byte to the last.
            headers: that every request has (``Authorization``).
            ca_file: certificates (PEM) that an encrypted server's may be signed by, in place of the system's.

        Raises:
            ValueError: an argument can't be what it is.
            OSError: ``ca_file`` can't be read.
        """
        from kexport_runtimes.tf_serving.address import Address

        where = Address.parse(address)
        given = dict(headers or {})
        for name, value in given.items():
            # What both HTTP and gRPC have; gRPC's binary ones end in -bin.
            if not _NAME.fullmatch(name) or name.lower().endswith("-bin") or not _VALUE.fullmatch(value):
                raise ValueError(
                    f"A header is NAME: VALUE, in printable ASCII. Received: {name!r}: {value!r}"
                )
        if where.is_rest:
            from kexport_runtimes.tf_serving.rest import RestModel

            return RestModel(where, model, version, timeout=timeout, headers=given, ca_file=ca_file)
        from kexport_runtimes.tf_serving.grpc_model import GrpcModel

        return GrpcModel(where, model, version, timeout=timeout, headers=given, ca_file=ca_file)


CLIENT = TFServing()
