"""The graph that Keras's own bookkeeping holds behind symbolic tensors, as plain data.

Runs where the model lives: in the caller's process for a live model, in the reference process for a file. It is handed the Keras
to use (``record_model.Library``) and imports none, so that one code serves Keras 3 and tf.keras.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

#: Arrays up to this size stand in the JSON; larger ones are kept apart, as weights are.
_SMALL = 16

#: Layers of Keras's own that hold code of the user's: their calls are traced.
_CODE = frozenset(["Lambda"])

Keep = Callable[[Any, str], str]
"""Keeps an array or a variable, in a dtype, and says under which key."""


def is_symbolic(item: Any) -> bool:
    """Whether ``item`` is a symbolic tensor of any Keras."""
    return type(item).__name__.endswith("KerasTensor")


def leaves(item: Any) -> Iterator[Any]:
    """The leaves of nested lists, tuples and dicts, dicts by sorted key, as Keras flattens them."""
    if isinstance(item, dict):
        for key in sorted(item):
            yield from leaves(item[key])
    elif isinstance(item, list | tuple):
        for part in item:
            yield from leaves(part)
    elif item is not None:
        yield item


def is_keras_own(thing: Any) -> bool:
    """Whether Keras itself defines the class of ``thing``, and what it computes stands in its config."""
    root = type(thing).__module__.partition(".")[0]
    return root in {"keras", "tf_keras"} and type(thing).__name__ not in _CODE


#: What Keras raises where something has no config, or one that is no plain data.
NO_CONFIG = (TypeError, ValueError, NotImplementedError, AttributeError)


def config_of(library: Any, thing: Any) -> Any:
    """What a file says of ``thing``; None where it is not Keras's own, or something inside it can't be described."""
    if not is_keras_own(thing):
        return None
    try:
        return plain(library, thing)
    except NO_CONFIG:
        return None


def is_layer(operation: Any) -> bool:
    """Whether ``operation`` is a layer, and no operation of ``keras.ops``."""
    return hasattr(operation, "trainable_weights")


def policy_name(layer: Any) -> str:
    """The name of a layer's dtype policy."""
    policy = getattr(layer, "dtype_policy", None) or getattr(layer, "_dtype_policy", None)
    return str(getattr(policy, "name", None) or getattr(layer, "dtype", None) or "float32")


def dtype_name(tensor: Any) -> str:
    """The name of a tensor's or a variable's dtype."""
    dtype = tensor.dtype
    return dtype if isinstance(dtype, str) else str(getattr(dtype, "name", dtype)).rpartition(".")[2]


class Walk:
    """Writes down what computes symbolic tensors from others, each operation once.

    Args:
        library: the Keras that the tensors are of.
        inputs: the tensors that the graph begins at; they become ``input_0``, ``input_1``, …
        keep: keeps arrays.
        register: called with the name of each layer and the layer.
        array: the array that a symbolic tensor stands for, None where it stands for none.
    """

    def __init__(
        self,
        library: Any,
        inputs: Sequence[Any],
        keep: Keep,
        register: Callable[[str, Any], None],
        array: Callable[[Any], Any] = lambda _: None,
    ) -> None:
        self._library = library
        self._inputs = {id(tensor): index for index, tensor in enumerate(inputs)}
        self._alive = list(inputs)
        self._keep = keep
        self._register = register
        self._array = array
        self._names: dict[int, str] = {}
        self._calls: dict[tuple[int, int], int] = {}
        self.layers: dict[str, dict[str, Any]] = {}

    def reference(self, tensor: Any) -> list[Any]:
        """``[layer, call, tensor]`` of a tensor; what it depends on is written down first.

        Raises:
            ValueError: it depends on none of the inputs.
        """
        if id(tensor) in self._inputs:
            return [f"input_{self._inputs[id(tensor)]}", 0, 0]
        stack = [self._origin(tensor)]
        while stack:
            operation, index, _ = stack[-1]
            waiting = [
                origin
                for origin in (
                    self._origin(source)
                    for source in self._sources(operation, index)
                    if id(source) not in self._inputs
                )
                if (id(origin[0]), origin[1]) not in self._calls
            ]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if (id(operation), index) not in self._calls:
                self._write(operation, index)
        operation, index, position = self._origin(tensor)
        return [self._names[id(operation)], self._calls[id(operation), index], position]

    def _origin(self, tensor: Any) -> tuple[Any, int, int]:
        history = getattr(tensor, "_keras_history", None)
        operation = getattr(history, "operation", None) or getattr(history, "layer", None)
        if operation is None or type(operation).__name__ == "InputLayer":
            raise ValueError("what it computes depends on a tensor that is not handed to it")
        assert history is not None
        return operation, history.node_index, history.tensor_index

    @staticmethod
    def _node(operation: Any, index: int) -> tuple[Any, Any]:
        node = operation._inbound_nodes[index]  # noqa: SLF001  (Keras has no public way to it)
        arguments = getattr(node, "arguments", None)
        if arguments is not None:
            return arguments.args, arguments.kwargs
        return node.call_args, node.call_kwargs

    def _sources(self, operation: Any, index: int) -> Iterable[Any]:
        tensors = [item for item in leaves(list(self._node(operation, index))) if is_symbolic(item)]
        return [item for item in tensors if self._array(item) is None]

    def _write(self, operation: Any, index: int) -> None:
        args, kwargs = self._node(operation, index)
        if type(operation).__name__.endswith("OpLambda"):
            # Files of Keras 2 have the arguments after the first by name (``Node.serialize`` in tf_keras/src/engine/node.py, 2.21).
            names = operation._call_spec.arg_names[1:]  # noqa: SLF001  (the same)
            args, kwargs = args[:1], {**dict(zip(names, args[1:], strict=False)), **kwargs}
        name = self._name(operation)
        record = self.layers[name]
        self._calls[id(operation), index] = len(record["nodes"])
        record["nodes"].append({"args": self._encoded(list(args)), "kwargs": self._encoded(dict(kwargs))})

    def _name(self, operation: Any) -> str:
        known = self._names.get(id(operation))
        if known is not None:
            return known
        base = name = _base_name(operation)
        count = 0
        while name in self.layers or name.startswith("input_"):
            count += 1
            name = f"{base}_{count}" if not base.startswith("input_") else f"x_{base}_{count}"
        self._names[id(operation)] = name
        self._alive.append(operation)
        self.layers[name] = {**self._described(operation), "nodes": []}
        if _is_made_anew(operation):
            self.layers[name].get("raw", {}).get("config", {})["name"] = name
        if is_layer(operation):
            self._register(name, operation)
        return name

    def _described(self, operation: Any) -> dict[str, Any]:
        """The config and the weights of a layer of Keras's; of another, no more than its name: its call is traced."""
        raw = config_of(self._library, operation)
        if raw is not None:
            return {
                "raw": raw,
                "weights": self.weights(operation) if is_layer(operation) else [],
                "inside": self._inside(operation),
            }
        # Where something inside it has no config, its call can still be traced.
        return {
            "custom": type(operation).__name__,
            "config": {"name": operation.name, "dtype": policy_name(operation)},
        }

    def _inside(self, operation: Any) -> dict[str, list[list[str]]]:
        """The weights of each layer of a nested model."""
        layers = getattr(operation, "layers", None)
        if not isinstance(layers, list) or not hasattr(operation, "get_layer"):
            return {}
        return {layer.name: self.weights(layer) for layer in layers}

    def weights(self, layer: Any) -> list[list[str]]:
        """``[path, key]`` of each weight, the trainable ones first."""
        variables = [*layer.trainable_weights, *layer.non_trainable_weights]
        return [
            [str(getattr(variable, "path", None) or variable.name), self._kept(variable)]
            for variable in variables
        ]

    def _kept(self, variable: Any) -> str:
        return self._keep(variable, dtype_name(variable))

    def _encoded(self, item: Any) -> Any:
        if is_symbolic(item):
            array = self._array(item)
            if array is not None:
                return {"class_name": "__weight__", "config": self._kept(array)}
            return {"class_name": "__keras_tensor__", "config": {"keras_history": self.reference(item)}}
        if isinstance(item, dict):
            return {str(key): self._encoded(value) for key, value in item.items()}
        if isinstance(item, list | tuple):
            return [self._encoded(part) for part in item]
        if item is None or isinstance(item, bool | int | float | str):
            return item
        if _is_array(item):
            if np.prod(tuple(item.shape), dtype=np.int64) > _SMALL or _is_variable(item):
                return {"class_name": "__weight__", "config": self._kept(item)}
            array = np.asarray(item)
            return {
                "class_name": "__numpy__",
                "config": {
                    "value": array.astype(
                        np.float64 if array.dtype.kind not in "biuf" else array.dtype
                    ).tolist(),
                    "dtype": dtype_name(item),
                },
            }
        return plain(self._library, item)


def _is_made_anew(operation: Any) -> bool:
    """Whether each call makes an operation of its own, whose name then counts all that were ever made."""
    return not is_layer(operation) or type(operation).__name__.endswith("OpLambda")


def _base_name(operation: Any) -> str:
    """A name that is the same each time the call is traced."""
    name = type(operation).__name__.lower() if _is_made_anew(operation) else str(operation.name)
    return name.replace("/", "_")


def _is_array(item: Any) -> bool:
    return hasattr(item, "shape") and hasattr(item, "dtype")


def _is_variable(item: Any) -> bool:
    return hasattr(item, "assign")


def plain(library: Any, item: Any) -> Any:
    """``item`` as Keras serializes it, through JSON.

    Raises:
        NO_CONFIG: one of these: it has no config, or one that is no plain data.
    """
    return json.loads(json.dumps(library.module.saving.serialize_keras_object(item)))
