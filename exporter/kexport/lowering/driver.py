"""From a :class:`ModelSpec` to a :class:`Graph`: calls layers' rules in dependency order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kexport.errors import KexportError, LoweringError
from kexport.ir import Builder, Constant, Graph, GraphError, Value, dims, dtypes
from kexport.loading.spec import CallSpec, Filled, LayerSpec, Length, ModelSpec, Provenance, TensorRef
from kexport.lowering.dtype_policy import compute_dtype
from kexport.lowering.filled import filled, length
from kexport.lowering.inputs import Dimensions, graph_input
from kexport.lowering.masks import Masks, masks_are_taken
from kexport.lowering.order import by_depth, in_order
from kexport.lowering.registry import Context, Rule, has_rule, is_operation, rule_for
from kexport.lowering.tracing import Tracer
from kexport.nested import leaves, mapped

#: Models inside models inside models: more than anybody builds, less than Python's stack holds.
MAX_NESTING = 64

#: Layers that cast their inputs themselves, or take them as they are (``autocast = False`` in keras/src/layers, 3.15).
_NO_AUTOCAST = frozenset(
    [
        *["Embedding", "GroupNormalization", "InputLayer", "LayerNormalization", "ReversibleEmbedding"],
        *["SlicingOpLambda", "TFOpLambda", "TensorFlowOpLayer"],
    ]
)


def lower(
    spec: ModelSpec,
    *,
    batch: int | None = 1,
    dimensions: Mapping[str, int] | None = None,
    tracer: Tracer | None = None,
) -> Graph:
    """The graph that computes ``spec`` at inference.

    Args:
        spec: the model, as a loader returns it.
        batch: the batch size; None keeps it open, as the symbol ``batch``. A model of a fixed batch size keeps its own.
        dimensions: lengths for other open dimensions, by name: ``time`` (rank 3, axis 1), ``height`` and ``width``
            (rank 4), ``dim<axis>``; further ones of the same name end in ``_1``, ``_2``.
        tracer: calls layers and functions that are the user's own; without one they are unknown.

    Returns:
        A checked graph; ``layer_outputs`` has every layer call but those of input layers and inside wrappers.

    Raises:
        LoweringError: a layer has no equivalent, or the model does not fit together.
        UsageError: ``dimensions`` names one that the model does not leave open.
    """
    driver = _Driver(spec.provenance, tracer)
    inputs = driver.inputs_of(spec, batch, dimensions)
    outputs = driver.lower_model(spec, inputs)
    graph = Graph(
        spec.name,
        inputs,
        outputs,
        driver.builder.nodes,
        list(spec.input_names),
        list(spec.output_names),
        driver.layer_outputs,
    )
    graph.check()
    return graph


def lowered_so_far(
    spec: ModelSpec,
    *,
    batch: int | None = 1,
    dimensions: Mapping[str, int] | None = None,
    tracer: Tracer | None = None,
) -> tuple[list[Value], dict[str, Value]]:
    """What is known of a model that can't be lowered: its inputs, and the outputs of the layer calls before the one that stops it, by
    the keys of ``Graph.layer_outputs``; the arguments are those of :func:`lower`."""
    driver, inputs = _Driver(spec.provenance, tracer), list[Value]()
    with contextlib.suppress(KexportError):
        inputs = driver.inputs_of(spec, batch, dimensions)
        driver.lower_model(spec, inputs)
    return inputs, driver.layer_outputs


class _Driver:
    """The state of one lowering."""

    def __init__(self, provenance: Provenance, tracer: Tracer | None) -> None:
        self.builder = Builder()
        self._tracer = tracer
        self.layer_outputs: dict[str, Value] = {}
        self._provenance = provenance
        self._masks = Masks(self.builder, provenance)
        self._weight_values: dict[tuple[int, str], Value] = {}
        self._nesting = 0
        self._inside_wrapper = 0

    def inputs_of(
        self, spec: ModelSpec, batch: int | None, dimensions: Mapping[str, int] | None
    ) -> list[Value]:
        """The graph's inputs."""
        sizes = Dimensions(batch, dimensions or {})
        layers = {layer.name: layer for layer in spec.layers}
        inputs = []
        for ref, name in zip(spec.inputs, spec.input_names, strict=True):
            layer = layers.get(ref.layer)
            if layer is None or layer.class_name != "InputLayer":
                raise LoweringError(
                    f"Model {spec.name!r}: an input is the tensor of an input layer. Received: {ref}."
                )
            inputs.append(graph_input(self.builder, layer, name, sizes))
        sizes.check_all_used()
        return inputs

    def lower_model(self, model: ModelSpec, inputs: Sequence[Value], repeat: int = 0) -> list[Value]:
        """Add the nodes of ``model``; return its outputs. ``repeat`` counts the calls of a nested model before this one."""
        tensors = dict(zip(model.inputs, inputs, strict=True))
        table = {layer.name: layer for layer in model.layers}
        calls = in_order(model, table, tensors)
        if masks_are_taken(model, self._provenance):
            calls = by_depth(calls, table, tensors)
        for name, index in calls:
            layer = table[name]
            outputs = self._lower_call(layer, layer.calls[index], tensors, repeat * len(layer.calls) + index)
            tensors.update((TensorRef(name, index, i), value) for i, value in enumerate(outputs))
        missing = [ref for ref in model.outputs if ref not in tensors]
        if missing:
            raise LoweringError(
                f"Model {model.name!r}: an output is a tensor that a layer computes. Received: {missing[0]}."
            )
        return [tensors[ref] for ref in model.outputs]

    def _lower_call(
        self, layer: LayerSpec, call: CallSpec, tensors: Mapping[TensorRef, Value], index: int
    ) -> list[Value]:
        for ref in call.tensors():
            if ref not in tensors:
                raise LoweringError(
                    f"Layer {ref.layer!r}: it has no output {ref.tensor}, which layer {layer.path!r} takes."
                )
        args = self._resolve(call.args, tensors)
        kwargs = self._resolve(call.kwargs, tensors)
        outputs = self._lower_layer(layer, args, kwargs, index)
        if not self._inside_wrapper:
            key = f"{layer.path}:{index}" if index else layer.path
            for position, value in enumerate(outputs):
                self.layer_outputs[f"{key}#{position}" if position else key] = value
        return outputs

    def _resolve(self, item: Any, tensors: Mapping[TensorRef, Value]) -> Any:
        """``item`` with each :class:`TensorRef` and each weight replaced by its value."""

        def resolved(leaf: Any) -> Any:
            match leaf:
                case TensorRef():
                    return tensors[leaf]
                case Constant():
                    key = id(leaf), leaf.dtype
                    if key not in self._weight_values:
                        self._weight_values[key] = self.builder.constant(leaf, name="weight")
                    return self._weight_values[key]
                case Filled():
                    return filled(self.builder, leaf)
                case Length():
                    return length(self.builder, leaf)
            return leaf

        return mapped(resolved, item)

    def _lower_layer(
        self, layer: LayerSpec, args: Sequence[Any], kwargs: Mapping[str, Any], repeat: int = 0
    ) -> list[Value]:
        """The outputs of ``layer`` for these arguments; errors of rules and ops come out with its name."""
        rest = dict(kwargs)
        if not args and "inputs" in rest:
            args = (rest.pop("inputs"),)
        outer, self.builder.origin = self.builder.origin, layer.path
        try:
            if layer.model is not None:
                return self._lower_nested(layer, layer.model, args, rest, repeat)
            traced = self._tracer is not None and not has_rule(layer)
            rule = self._trace if traced else rule_for(layer)
            dtype = compute_dtype(layer)
            args = tuple(self._autocast(layer, dtype, item) for item in args)
            rest = {name: self._autocast(layer, dtype, item) for name, item in rest.items()}
            return self._apply(rule, layer, dtype, args, rest)
        except KexportError:
            raise
        except (GraphError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            received = ", ".join(str(value.type) for value in _values((args, rest))) or "no tensors"
            raise LoweringError(
                f"Layer {layer.path!r} ({layer.class_name}): its configuration, weights and inputs do not fit together: "
                f"{error!s}. Received: {received}."
            ) from error
        finally:
            self.builder.origin = outer

    def _apply(
        self, rule: Rule, layer: LayerSpec, dtype: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> list[Value]:
        ctx = Context(
            layer,
            self.builder,
            self._provenance,
            kwargs,
            lower_model=lambda model, values: self._wrapped(lambda: self.lower_model(model, values)),
            lower_layer=lambda child, values, more: self._wrapped(
                lambda: self._lower_layer(child, (values[0] if len(values) == 1 else list(values),), more)
            ),
            args=args,
            compute_dtype=dtype,
            weight_values=self._weight_values,
            masks=self._masks,
            tracer=self._tracer,
        )
        every = list(_values((args, kwargs)))
        if not every and layer.class_name != "TFOpLambda":
            raise ctx.error(f"It is called on tensors. Received: {args!r}")
        # An operation may have a number first (``2 - x``) or its tensors by keyword.
        inputs = list(_values(args[:1])) or every
        operation = is_operation(layer)
        if not operation:
            self._masks.before(layer, every)
        result = rule(ctx, *inputs)
        outputs = result if isinstance(result, list) else [result]
        if not operation:
            self._masks.after(layer, every, outputs)
        # What an operation returns has no mask, even where it is its input unchanged.
        masked = [operation and self._masks.of(value) is not None for value in outputs]
        outputs = [
            self.builder.op("identity", value) if mask else value
            for value, mask in zip(outputs, masked, strict=True)
        ]
        for value in outputs:
            _check_lengths(ctx, value)
        return outputs

    def _trace(self, ctx: Context, *inputs: Value) -> list[Value]:
        """The rule of a layer of the user's own: the graph that its call builds."""
        assert self._tracer is not None
        values = list(_values((ctx.args, ctx.kwargs)))
        masks = [self._masks.of(value) for value in values]
        types = [None if mask is None else mask.type for mask in masks]
        traced = self._tracer.layer(ctx.layer, _types(ctx.args), _types(ctx.kwargs), types)
        given = [*values, *(mask for mask in masks if mask is not None)]
        results = self._wrapped(lambda: self.lower_model(traced.model, given))
        outputs, made = results[: traced.outputs], results[traced.outputs :]
        # An output may be an input, or a value inside, which has a mask of its own or none.
        outputs = [self.builder.op("identity", value) for value in outputs]
        for value, mask in zip(outputs, made, strict=False):
            self._masks.put(value, mask)
        return outputs

    def _wrapped(self, lower_inner: Callable[[], list[Value]]) -> list[Value]:
        """What a wrapper lowers inside itself is no layer call of the model's own."""
        self._inside_wrapper += 1
        try:
            return lower_inner()
        finally:
            self._inside_wrapper -= 1

    def _lower_nested(
        self, layer: LayerSpec, model: ModelSpec, args: Sequence[Any], kwargs: Mapping[str, Any], repeat: int
    ) -> list[Value]:
        where = f"Layer {layer.path!r} ({layer.class_name})"
        values = list(_values(args[:1]))
        if len(values) != len(model.inputs):
            raise LoweringError(f"{where}: it takes {len(model.inputs)} tensors. Received: {len(values)}.")
        if kwargs.get("training") is True and self._provenance.keras_major < 3:
            raise LoweringError(
                f"{where}: it is called with training=True, and an export computes inference.",
                hint="Call it without training=True before the model is saved.",
            )
        if self._nesting >= MAX_NESTING:
            raise LoweringError(f"{where}: models are nested at most {MAX_NESTING} deep.")
        table = {inner.name: inner for inner in model.layers}
        fitted = [
            self._fit(value, table.get(ref.layer)) for value, ref in zip(values, model.inputs, strict=True)
        ]
        self._nesting += 1
        try:
            return self.lower_model(model, fitted, repeat)
        finally:
            self._nesting -= 1

    def _fit(self, value: Value, declared: LayerSpec | None) -> Value:
        """``value`` as a nested model's input layer takes it: Keras casts it, and drops or adds a last dimension of 1
        where the rank is one off (``Functional._standardize_inputs``, keras/src/models/functional.py, 3.15)."""
        if declared is None or declared.class_name != "InputLayer":
            return value
        shape = declared.config.get("batch_shape")
        dtype = declared.config.get("dtype") or "float32"
        if isinstance(shape, list | tuple):
            if value.rank == len(shape) + 1 and value.shape[-1] == 1:
                value = self.builder.op("squeeze", value, axes=(value.rank - 1,))
            elif value.rank == len(shape) - 1 and shape[-1] == 1:
                value = self.builder.op("expand_dims", value, axes=(value.rank,))
            if value.rank != len(shape) or any(
                _differ(a, b) for a, b in zip(value.shape[1:], shape[1:], strict=True)
            ):
                raise LoweringError(
                    f"Layer {declared.path!r} (InputLayer): it takes the shape {tuple(shape)}. "
                    f"Received: {dims.format_shape(value.shape)}."
                )
        if value.dtype == dtype:
            return value
        return self._masks.same(self.builder.op("cast", value, dtype=dtype), value)

    def _autocast(self, layer: LayerSpec, dtype: str, item: Any) -> Any:
        """``item`` with its float tensors cast to the layer's compute dtype, which is what Keras does before a call."""
        if layer.class_name in _NO_AUTOCAST or is_operation(layer) or not dtypes.is_float(dtype):
            return item

        def cast(leaf: Any) -> Any:
            if not isinstance(leaf, Value) or not dtypes.is_float(leaf.dtype) or leaf.dtype == dtype:
                return leaf
            return self._masks.same(self.builder.op("cast", leaf, dtype=dtype), leaf)

        return mapped(cast, item)


def _types(item: Any) -> Any:
    """``item`` with each value replaced by its type."""
    return mapped(lambda leaf: leaf.type if isinstance(leaf, Value) else leaf, item)


def _values(item: Any) -> Iterator[Value]:
    return (leaf for leaf in leaves(item) if isinstance(leaf, Value))


def _differ(dim: dims.Dim, declared: int | None) -> bool:
    return isinstance(dim, int) and declared is not None and dim != declared


def _check_lengths(ctx: Context, value: Value) -> None:
    if ctx.layer.class_name == "TensorFlowOpLayer" and value.rank == 1 and not dtypes.is_float(value.dtype):
        return  # the lengths of a scalar, which raw operators compute with
    if any(isinstance(dim, int) and dim < 1 for dim in value.shape):
        inputs = ", ".join(str(item.type) for item in _values(ctx.args))
        raise ctx.error(
            f"Every dimension of its output is at least 1. Received: {value.type} for {inputs}",
            hint="The input is smaller than the layer's window; export with larger dimensions.",
        )
