"""Code of the user's own: what the driver asks of whoever can call it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kexport.ir import TensorType
from kexport.loading.spec import LayerSpec, ModelSpec


@dataclass(frozen=True)
class Traced:
    """What a call computes.

    Attributes:
        model: its inputs are the call's tensors, depth first, arguments before keyword arguments, then the masks of those that have
            one; its outputs the call's, then their masks.
        outputs: how many outputs the call has.
    """

    model: ModelSpec
    outputs: int


class Tracer(Protocol):
    """Calls the user's code on symbolic tensors.

    Raises:
        LoweringError: the code can't be traced.
    """

    def layer(
        self,
        layer: LayerSpec,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        masks: Sequence[TensorType | None],
    ) -> Traced:
        """What ``layer`` computes; ``args`` and ``kwargs`` hold a :class:`TensorType` for each tensor, ``masks`` the type of
        each one's mask."""
        ...

    def function(self, layer: LayerSpec, name: str, x: TensorType) -> Traced:
        """What the function that ``layer`` calls ``name`` computes."""
        ...

    def state_sizes(self, cell: LayerSpec) -> list[Any]:
        """The sizes of a recurrent cell's states, a number or a list of them each."""
        ...
