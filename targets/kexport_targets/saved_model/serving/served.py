"""What the files say of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kexport.contracts import Signature

#: Of TF Serving 2.19; its models are those of TensorFlow 2.12 and later.
IMAGE: Final = "tensorflow/serving:2.19.1"

#: Where the image listens (its entry point: tensorflow_serving/tools/docker/Dockerfile), and where its models are.
GRPC_PORT: Final = 8500
REST_PORT: Final = 8501
MODELS: Final = "/models"
CONFIG: Final = "/config"

_MEBIBYTE: Final = 1 << 20
#: The server itself and batches on their way; and what TensorFlow takes for each byte of weights, in a graph and in variables: measured
#: with its C++ loader on ResNet50, 13.1 and 1.4 (docs/decisions/0007).
_SERVER_MIB: Final = 512
_PER_BYTE_IN_GRAPH: Final = 14
_PER_BYTE: Final = 2


@dataclass(frozen=True)
class Served:
    """A model under its name on a server.

    Attributes:
        name: what the server calls it.
        signature: the model's own.
        weights: bytes of its weights.
        in_graph: whether these are in the graph.
        alone: whether what a sample comes to depends on those beside it, as where texts are filled up to the longest of them.
    """

    name: str
    signature: Signature
    weights: int
    in_graph: bool
    alone: bool = False

    @property
    def batch(self) -> int | None:
        """The batch of all inputs; None where it is open."""
        sizes = {port.type.shape[0] for port in self.signature.inputs}
        return next((size for size in sizes if isinstance(size, int)), None)

    @property
    def batches(self) -> bool:
        """Whether requests can be put together: not where their samples may be of different sizes, or change one another."""
        return not self.alone and all(
            isinstance(dim, int) for port in self.signature.inputs for dim in port.type.shape[1:]
        )

    @property
    def memory_mib(self) -> int:
        """What a server of it is given."""
        per_byte = _PER_BYTE_IN_GRAPH if self.in_graph else _PER_BYTE
        return _SERVER_MIB + -(-per_byte * self.weights // _MEBIBYTE)

    @property
    def arguments(self) -> list[str]:
        """What the server is started with."""
        found = [f"--model_config_file={CONFIG}/models.config", "--rest_api_timeout_in_ms=30000"]
        if self.batches:
            found += ["--enable_batching=true", f"--batching_parameters_file={CONFIG}/batching.config"]
        return found


def listed(items: list[str], indent: int) -> str:
    """A YAML list of texts."""
    return "\n".join(f"{' ' * indent}- {item}" for item in items)
