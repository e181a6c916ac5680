"""Calls of the user's own layers, cells and functions on symbolic tensors, in the process that the model lives in."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kexport.tracing.stand_ins import StandIns
from kexport.tracing.symbolic import NO_CONFIG, Keep, Walk, config_of, is_keras_own, is_symbolic, leaves

#: Operators of variables that would compute at once, where the other operand is symbolic.
_OPERATORS = tuple(
    f"__{name}__"
    for name in (
        *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"),
        *("eq", "ne", "lt", "le", "gt", "ge"),
    )
)

#: Attributes in which wrappers keep what they wrap.
_WRAPPED = ("layer", "forward_layer", "backward_layer", "cell")


class TraceError(Exception):
    """A call can't be traced; the text says why."""


class Calls:
    """Traces calls in one live model.

    Args:
        library: the Keras that the model is of (``record_model.Library``).
        model: the live model.
        custom: functions and classes by the names that the model's configs call them.
        keep: keeps arrays and variables.
    """

    def __init__(self, library: Any, model: Any, custom: Mapping[str, Any], keep: Keep) -> None:
        self._library = library
        self._custom = custom
        self._keep = keep
        self._layers: dict[str, Any] = {}
        self._model = model

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What a request asks for, as plain data.

        ``{"what": "layer", "path", "args", "kwargs", "masks"}`` calls the layer at a path; its tensors are
        ``{"class_name": "__input__", "config": {"shape", "dtype"}}``, and ``masks`` has what is the mask of each, or None.
        ``{"what": "function", "path", "name", "shape", "dtype"}`` calls a function that the layer holds.
        ``{"what": "states", "path"}`` asks a cell for its state sizes. With ``"stand_ins": true`` in a request for a call, arrays that
        the code makes are symbolic, too (:mod:`kexport.tracing.stand_ins`).

        Raises:
            TraceError: it can't be.
        """
        layer = self._find(request["path"])
        if request["what"] == "states":
            sizes = [_size(size) for size in leaves(layer.state_size)]
            return {"sizes": sizes}
        if request["what"] == "function":
            function = self._function(layer, request["name"])
            x = self._input(request)
            return self._written(request, [x], lambda: function(x), None)
        return self._layer(layer, request)

    # --- finding -----------------------------------------------------------------------------------------------------

    def _find(self, path: str) -> Any:
        if path not in self._layers:
            head, _, name = path.rpartition("/")
            holder = self._find(head) if head else self._model
            found = next((inner for inner in _inside(holder) if inner.name == name), None)
            if found is None and holder is self._model and self._model.name == path:
                found = self._model
            if found is None:
                raise TraceError(f"the model has no layer {path!r}")
            self._layers[path] = found
        return self._layers[path]

    def _function(self, layer: Any, name: str) -> Callable[[Any], Any]:
        """The function that a layer's config calls ``name``: what the layer itself holds, else what the user handed over."""
        held = [getattr(layer, key, None) for key in ("activation", "recurrent_activation")]
        functions: list[Callable[[Any], Any]] = [item for item in held if callable(item)]
        named = [item for item in functions if getattr(item, "__name__", None) == name]
        given = [self._custom[name]] if name in self._custom else []
        # An object with a __call__ has no name of its own.
        foreign = [item for item in functions if not is_keras_own(item)]
        found: list[Callable[[Any], Any]] = [*named, *given, *foreign]
        if not found:
            raise TraceError(f"no function is called {name!r}")
        return found[0]

    # --- calling -----------------------------------------------------------------------------------------------------

    def _layer(self, layer: Any, request: Mapping[str, Any]) -> dict[str, Any]:
        if config_of(self._library, layer) is not None:
            raise TraceError(f"it is Keras's own {type(layer).__name__}, for which no lowering is known")
        inputs: list[Any] = []
        masks: list[Any] = []
        given = [self._decoded(item, inputs) for item in request["args"]]
        named = {key: self._decoded(item, inputs) for key, item in request["kwargs"].items()}
        for tensor, mask in zip(list(inputs), request["masks"], strict=True):
            masks.append(None if mask is None else self._input(mask))
            if masks[-1] is not None:
                # Keras 3 and tf.keras both keep a tensor's mask there.
                tensor._keras_mask = masks[-1]  # noqa: SLF001  (so set_keras_mask does it)
        tensors = [*inputs, *(mask for mask in masks if mask is not None)]
        accepted = inspect.signature(layer.call).parameters
        # Keras notes what a call context adds, whether the layer's own call takes it or not.
        named = {key: value for key, value in named.items() if key in accepted or value is not None}
        named.pop("training", None)
        if "training" in accepted:
            named["training"] = False
        if "mask" in accepted and "mask" not in named and masks and masks[0] is not None:
            several = given and isinstance(given[0], list)
            named["mask"] = masks[: len(given[0])] if several else masks[0]
        mask_of = self._mask_rule(layer, given, masks)
        return self._written(
            request,
            tensors,
            lambda: layer.call(*given, **named),
            mask_of,
            dtype=_compute_dtype(layer),
        )

    def _mask_rule(self, layer: Any, given: list[Any], masks: list[Any]) -> Callable[[], Any] | None:
        """What makes the mask of the output; None where it has none, since most layers stop masks."""
        first = given[0] if given else None
        previous = masks[: len(first)] if isinstance(first, list) else masks[0] if masks else None
        if not _is_keras_function(type(layer).compute_mask):
            return lambda: layer.compute_mask(first, previous)
        return (lambda: previous) if getattr(layer, "supports_masking", False) else None

    def _written(
        self,
        request: Mapping[str, Any],
        tensors: list[Any],
        call: Callable[[], Any],
        mask_of: Callable[[], Any] | None,
        dtype: str | None = None,
    ) -> dict[str, Any]:
        """The graph behind what ``call`` returns, from ``tensors``."""
        path = request["path"]
        stand_ins = StandIns(self._library)
        walk = Walk(
            self._library,
            tensors,
            self._keep,
            lambda name, layer: self._register(path, name, layer),
            stand_ins.array,
        )
        symbolic = request.get("stand_ins") and self._library.major >= 3
        scope = stand_ins.instead_of_arrays() if symbolic else contextlib.nullcontext()
        with _symbolic_scope(self._library, dtype), scope:
            try:
                result = call()
                mask = mask_of() if mask_of is not None else None
            except Exception as error:
                # Whatever the user's code raises on symbolic tensors is the reason.
                raise TraceError(_reason(error)) from error
            outputs = list(leaves(result))
            odd = next((item for item in outputs if not is_symbolic(item)), None)
            if odd is not None or not outputs:
                raise TraceError(
                    f"it returns tensors computed from its inputs. Received: {type(odd).__name__ if outputs else result!r}"
                )
            try:
                references = [walk.reference(tensor) for tensor in outputs]
                masks = [walk.reference(item) for item in leaves(mask) if is_symbolic(item)]
            except NO_CONFIG as error:
                raise TraceError(_reason(error)) from error
        return {"layers": walk.layers, "outputs": references, "masks": masks}

    def _register(self, path: str, name: str, layer: Any) -> None:
        self._layers[f"{path}/{name}"] = layer

    def _decoded(self, item: Any, inputs: list[Any]) -> Any:
        if isinstance(item, dict):
            if item.get("class_name") == "__input__":
                inputs.append(self._input(item["config"]))
                return inputs[-1]
            return {key: self._decoded(value, inputs) for key, value in item.items()}
        if isinstance(item, list):
            return [self._decoded(value, inputs) for value in item]
        return item

    def _input(self, spec: Mapping[str, Any]) -> Any:
        keras, shape = self._library.module, tuple(spec["shape"])
        if self._library.major >= 3:
            return keras.KerasTensor(shape, dtype=spec["dtype"])
        return keras.Input(batch_shape=shape, dtype=spec["dtype"])


def _inside(holder: Any) -> Iterator[Any]:
    """The layers of a model, and what a wrapper wraps."""
    layers = getattr(holder, "layers", None)
    if isinstance(layers, list):
        yield from layers
    for role in _WRAPPED:
        inner = getattr(holder, role, None)
        if inner is not None and hasattr(inner, "name"):
            yield inner
            yield from getattr(inner, "cells", ())
    yield from getattr(holder, "cells", ())


def _size(size: Any) -> Any:
    return int(size) if not hasattr(size, "__len__") else [int(part) for part in size]


def _is_keras_function(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] in {"keras", "tf_keras"}


def _compute_dtype(layer: Any) -> str | None:
    dtype = getattr(layer, "compute_dtype", None)
    return dtype if isinstance(dtype, str) and "float" in dtype else None


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2]) or type(error).__name__
    return f"{type(error).__name__}: {text[:400]}".rstrip(".")


@contextlib.contextmanager
def _symbolic_scope(library: Any, dtype: str | None) -> Iterator[None]:
    """In it, variables have the dtype that a layer computes in, and ``variable * tensor`` is left to the symbolic tensor."""
    if library.major < 3:
        yield
        return
    # The one import of Keras outside of the reference: a live model of Keras 3 has imported it.
    from keras.src.backend.common.variables import AutocastScope  # noqa: TID251  (no other name for it)

    owner = next(kind for kind in library.module.Variable.__mro__ if "__mul__" in vars(kind))
    originals = {name: vars(owner)[name] for name in _OPERATORS if name in vars(owner)}
    for name, original in originals.items():
        setattr(owner, name, _deferring(original))
    try:
        with AutocastScope(dtype):
            yield
    finally:
        for name, original in originals.items():
            setattr(owner, name, original)


def _deferring(operator: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def deferring(self: Any, other: Any) -> Any:
        return NotImplemented if is_symbolic(other) else operator(self, other)

    return deferring
