"""Who asks for traces: of a model in this process, or in the reference process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kexport.errors import LoweringError
from kexport.ir import Array, Constant, TensorType, dtypes
from kexport.loading.spec import LayerSpec, Provenance
from kexport.loading.traced import read_traced
from kexport.lowering.tracing import Traced
from kexport.tracing.lengths import LengthError, at, symbols_of, traced_at

_HINT = (
    "What a custom layer computes has to be written in keras.ops and Keras layers, for tensors whose values aren't known: no "
    "NumPy, no functions of a backend, no decisions on values. A length that must be known is fixed with --batch N and --dim NAME=N."
)


class _Tracer:
    """Asks, reads, and remembers: a model is lowered once a target."""

    def __init__(self, provenance: Provenance, label: str) -> None:
        self._provenance = provenance
        self._label = label
        self._answers: dict[str, Mapping[str, Any]] = {}
        self._constants: dict[str, Constant] = {}

    def layer(
        self,
        layer: LayerSpec,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        masks: Sequence[TensorType | None],
    ) -> Traced:
        """What a layer computes; see :class:`kexport.lowering.tracing.Tracer`."""
        inputs = len(masks) + sum(mask is not None for mask in masks)

        def request(call: Any) -> Mapping[str, Any]:
            given, named, masked = call
            return {
                "what": "layer",
                "path": layer.path,
                "args": _encoded(given),
                "kwargs": _encoded(named),
                "masks": [None if mask is None else _spec(mask) for mask in masked],
            }

        return self._traced(layer, request, [list(args), dict(kwargs), list(masks)], inputs)

    def function(self, layer: LayerSpec, name: str, x: TensorType) -> Traced:
        """What a function of a layer computes."""

        def request(call: Any) -> Mapping[str, Any]:
            return {"what": "function", "path": layer.path, "name": name, **_spec(call)}

        return self._traced(layer, request, x, 1)

    def state_sizes(self, cell: LayerSpec) -> list[Any]:
        """The state sizes of a cell."""
        sizes = self._answer(cell, {"what": "states", "path": cell.path})["sizes"]
        return list(sizes)

    def _traced(
        self, layer: LayerSpec, request: Callable[[Any], Mapping[str, Any]], call: Any, inputs: int
    ) -> Traced:
        """The trace of ``call``, which ``request`` asks for once its lengths are known."""
        symbols = symbols_of(call)
        if symbols:
            record = self._open(layer, symbols, lambda lengths: request(at(call, lengths)))
        else:
            record = self._answer(layer, request(call))
        model = read_traced(
            record, inputs, self._weight, self._provenance, path=layer.path, label=self._label
        )
        return Traced(model, len(record["outputs"]))

    def _open(
        self, layer: LayerSpec, symbols: list[str], request: Callable[[Mapping[str, int]], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        def trace(lengths: Mapping[str, int], **more: Any) -> Mapping[str, Any]:
            answer = self._answer(layer, {**request(lengths), **more})
            return {key: answer[key] for key in ("layers", "outputs", "masks")}

        try:
            try:
                return traced_at(symbols, trace, self._weight)
            except LengthError:
                # Most code is done with the arrays that it makes; some computes with them (positions of a length).
                return traced_at(symbols, partial(trace, stand_ins=True), self._weight)
        except LengthError as error:
            raise LoweringError(
                f"Layer {layer.path!r} ({layer.class_name}): its code can't be traced for open lengths "
                f"({', '.join(symbols)}): {error}.",
                hint="Fix the length: --batch N for the batch, --dim NAME=N for another.",
            ) from error

    def _answer(self, layer: LayerSpec, request: Mapping[str, Any]) -> Mapping[str, Any]:
        key = repr(request)
        if key not in self._answers:
            try:
                self._answers[key] = self._ask(request)
            except TraceFailedError as error:
                raise LoweringError(
                    f"Layer {layer.path!r} ({layer.class_name}): its code can't be traced: {error}.",
                    hint=_HINT,
                ) from error
        return self._answers[key]

    def _weight(self, key: str) -> Constant:
        if key not in self._constants:
            self._constants[key] = self._fetch(key)
        return self._constants[key]

    def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        raise NotImplementedError

    def _fetch(self, key: str) -> Constant:
        raise NotImplementedError


class TraceFailedError(Exception):
    """Why a trace could not be had."""


class LiveTracer(_Tracer):
    """Of a model in this process."""

    def __init__(
        self, library: Any, model: Any, custom: Mapping[str, Any], provenance: Provenance, label: str
    ) -> None:
        super().__init__(provenance, label)
        from kexport.tracing.calls import Calls

        self._kept: dict[str, tuple[Any, str]] = {}
        self._keys: dict[tuple[int, str], str] = {}
        self._calls = Calls(library, model, custom, self._keep)

    def _keep(self, item: Any, dtype: str) -> str:
        key = self._keys.setdefault((id(item), dtype), str(len(self._keys)))
        self._kept[key] = item, dtype
        return key

    def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        from kexport.tracing.calls import TraceError

        try:
            return self._calls.answer(request)
        except TraceError as error:
            raise TraceFailedError(str(error)) from error

    def _fetch(self, key: str) -> Constant:
        item, dtype = self._kept[key]

        def read() -> Array:
            array = np.asarray(item.numpy() if hasattr(item, "numpy") else item)
            return array.astype(dtypes.numpy_dtype(dtype), copy=False)

        return Constant.lazy(dtype, tuple(int(dim) for dim in item.shape), read)


#: Sends a request to the process; the answer's arrays are in the folder that it returns.
Ask = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class WorkerTracer(_Tracer):
    """Of a model in the reference process."""

    def __init__(self, ask: Ask, provenance: Provenance, label: str) -> None:
        super().__init__(provenance, label)
        self._send = ask
        self._arrays: dict[str, Mapping[str, Any]] = {}

    def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = self._send(request)
        self._arrays.update(answer["arrays"])
        return answer

    def _fetch(self, key: str) -> Constant:
        entry = self._arrays[key]
        dtype, path = str(entry["dtype"]), Path(entry["path"])

        def read() -> Array:
            array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
            return array.astype(dtypes.numpy_dtype(dtype), copy=False)

        return Constant.lazy(dtype, tuple(entry["shape"]), read)


def _encoded(item: Any) -> Any:
    if isinstance(item, TensorType):
        return {"class_name": "__input__", "config": _spec(item)}
    if isinstance(item, Mapping):
        return {str(key): _encoded(value) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return [_encoded(part) for part in item]
    if isinstance(item, np.ndarray | np.generic):
        return item.tolist()
    return item


def _spec(type_: TensorType) -> dict[str, Any]:
    return {
        "shape": list(type_.shape),
        "dtype": type_.dtype,
    }
