"""Graph inputs from input layers: dtypes, and names for the dimensions that a model leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kexport.errors import LoweringError, UsageError
from kexport.ir import Builder, Dim, TensorType, Value, dtypes, symbol
from kexport.loading.spec import LayerSpec

BATCH = "batch"


class Dimensions:
    """Names open dimensions, and binds those whose length is given.

    Args:
        batch: the batch size where the model leaves it open; None keeps it open, as the symbol ``batch``.
        given: lengths by symbol name.
    """

    def __init__(self, batch: int | None, given: Mapping[str, int]) -> None:
        for name, length in {**given, BATCH: 1 if batch is None else batch}.items():
            if isinstance(length, bool) or not isinstance(length, int) or length < 1:
                raise UsageError(f"A dimension is a positive integer. Received: {name}={length!r}")
        self._batch = batch
        self._given = given
        self._names: dict[str, None] = {}

    def shape(self, saved: Sequence[int | None]) -> tuple[Dim, ...]:
        """The shape of an input layer's ``batch_shape``."""
        return tuple(self._dim(saved, axis) for axis in range(len(saved)))

    def _dim(self, saved: Sequence[int | None], axis: int) -> Dim:
        size = saved[axis]
        if size is not None:
            return size
        if axis == 0:
            self._names[BATCH] = None
            return self._given.get(BATCH, symbol(BATCH)) if self._batch is None else self._batch
        name = self._unique(_base_name(saved, axis))
        return self._given.get(name, symbol(name))

    def _unique(self, base: str) -> str:
        name, count = base, 0
        while name in self._names:
            count += 1
            name = f"{base}_{count}"
        self._names[name] = None
        return name

    def check_all_used(self) -> None:
        """Raise :class:`UsageError` when a length was given for a dimension that the model does not leave open."""
        unknown = [name for name in self._given if name not in self._names]
        if unknown:
            known = ", ".join(self._names) or "none"
            raise UsageError(
                f"A length is given for a dimension that the model leaves open. Received: {', '.join(unknown)}.",
                hint=f"Open dimensions of this model: {known}.",
            )


def _base_name(saved: Sequence[int | None], axis: int) -> str:
    if len(saved) == 3 and axis == 1:
        return "time"
    if len(saved) == 4:
        channels_first = saved[1] is not None and saved[3] is None
        names = {2: "height", 3: "width"} if channels_first else {1: "height", 2: "width"}
        return names.get(axis, f"dim{axis}")
    return f"dim{axis}"


def graph_input(b: Builder, layer: LayerSpec, name: str, dimensions: Dimensions) -> Value:
    """The graph input of an input layer.

    Raises:
        LoweringError: the layer gives no usable shape or dtype, or its tensors are sparse or ragged.
    """
    saved, dtype = layer.config.get("batch_shape"), layer.config.get("dtype") or "float32"
    where = f"Layer {layer.path!r} ({layer.class_name})"
    if not isinstance(saved, list | tuple) or not all(_is_dimension(size) for size in saved):
        raise LoweringError(
            f"{where}: an input has a batch_shape of positive integers and None. Received: {saved!r}.",
            hint="Build the model with an input shape before it is saved.",
        )
    if dtype not in dtypes.ALL:
        raise LoweringError(f"{where}: an input has a dtype of {', '.join(dtypes.ALL)}. Received: {dtype!r}.")
    for kind in ("sparse", "ragged"):
        if layer.config.get(kind):
            raise LoweringError(
                f"{where}: {kind} inputs have no equivalent.", hint="Save the model with dense inputs."
            )
    return b.input(name, TensorType(dtype, dimensions.shape(saved)))


def _is_dimension(size: object) -> bool:
    return size is None or (isinstance(size, int) and not isinstance(size, bool) and size > 0)
