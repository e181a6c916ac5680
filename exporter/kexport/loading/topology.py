"""From a model's JSON to a :class:`ModelSpec` whose layers have no weights yet."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from functools import partial
from itertools import count, pairwise
from typing import Any

from kexport.ir import dtypes
from kexport.loading.configs import WRAPPED, is_object
from kexport.loading.context import MAX_NESTING, Context, shorten
from kexport.loading.inbound import calls_of, tensor_structure
from kexport.loading.spec import CallSpec, LayerSpec, ModelSpec, TensorRef
from kexport.loading.translation import public_class, translate
from kexport.nested import mapped

MODEL_CLASSES = {"Sequential", "Functional", "Model"}
_SHAPE_KEYS = ("batch_shape", "batch_input_shape")


def read_model(
    raw: object, ctx: Context, *, path: str = "", name: str | None = None, depth: int = 0
) -> ModelSpec:
    """The model that ``{"class_name": …, "config": …}`` describes.

    Args:
        path: the path of the layer that the model is; empty for the outermost.
        name: the name of that layer.

    Raises:
        ModelReadError: it is none, is a subclassed one, or its parts contradict each other.
    """
    if depth > MAX_NESTING:
        raise ctx.error(f"Models are nested deeper than {MAX_NESTING} levels at {shorten(path)}")
    record = ctx.mapping(raw, "The model's config")
    class_name = ctx.text(record.get("class_name"), "The model's class_name")
    config = record.get("config")
    if class_name == "Sequential":
        return _sequential(config, ctx, path=path, name=name, depth=depth)
    body = ctx.mapping(config, f"The config of model {path or class_name!r}")
    if "layers" not in body or "input_layers" not in body or "output_layers" not in body:
        raise ctx.code_error(
            f"{'Layer ' + repr(path) if path else 'The model'} is a {class_name!r}, which is neither Sequential nor Functional; "
            f"what it computes stands in its Python code, not in the file",
            hint="Hand over its code: --custom-objects FILE. Or rebuild it as a Functional model around the same layers, and save that.",
        )
    return _functional(class_name, body, ctx, path=path, name=name, depth=depth)


def is_model(raw: Mapping[str, Any]) -> bool:
    """Whether a serialized layer is a nested model."""
    if raw.get("class_name") in MODEL_CLASSES:
        return True
    config = raw.get("config")
    return isinstance(config, Mapping) and "layers" in config and "input_layers" in config


def _functional(
    class_name: str, body: Mapping[str, Any], ctx: Context, *, path: str, name: str | None, depth: int
) -> ModelSpec:
    raws = [ctx.mapping(item, "A layer") for item in ctx.sequence(body["layers"], "The model's layers")]
    names: dict[str, None] = {}
    for raw in raws:
        layer_name = _name_of(raw, ctx)
        if layer_name in names:
            raise ctx.error(f"Two layers of model {path or 'at the top'!r} are called {layer_name!r}")
        names[layer_name] = None
    layers = []
    for raw, layer_name in zip(raws, names, strict=True):
        where = _join(path, layer_name)
        layer = read_layer(raw, ctx, path=where, name=layer_name, depth=depth)
        layers.append(replace(layer, calls=calls_of(raw.get("inbound_nodes", []), names, where, ctx)))
    owner = path or "the model"
    inputs, input_keys = tensor_structure(body["input_layers"], f"the inputs of {owner}", ctx)
    outputs, output_keys = tensor_structure(body["output_layers"], f"the outputs of {owner}", ctx)
    kept = {layer.name: layer for layer in layers}
    if ctx.provenance.keras_major == 3:
        outputs = [_counted_from_0(ref, kept) for ref in outputs]
    model = ModelSpec(
        name=name or str(body.get("name") or "model"),
        class_name=class_name if class_name != "Model" else "Functional",
        layers=tuple(layers),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        input_names=_unique(input_keys, inputs),
        output_names=_unique(output_keys, outputs),
        provenance=ctx.provenance,
    )
    made = _checked(_renumbered(model), owner, ctx)
    if ctx.provenance.version[:2] in {(3, 2), (3,)} and ctx.provenance.format != "live":
        _check_calls_are_told_apart(made, ctx)
    return made


def _check_calls_are_told_apart(model: ModelSpec, ctx: Context) -> None:
    """Raise where Keras 3.2 lost which call of a layer another one reads.

    It wrote the first call's number for all (``serialize_node`` in keras/src/models/functional.py, 3.2.1), so that Keras itself
    loads another model than was saved. A model has no call that nothing reads.
    """
    read = {(ref.layer, ref.call) for layer in model.layers for call in layer.calls for ref in call.tensors()}
    read |= {(ref.layer, ref.call) for ref in model.outputs}
    for layer in model.layers:
        unread = [index for index in range(len(layer.calls)) if (layer.name, index) not in read]
        if len(layer.calls) > 1 and unread:
            raise ctx.error(
                f"Layer {layer.path!r} is called {len(layer.calls)} times, and nothing reads call {unread[0]}: Keras 3.2 saved later "
                "calls as the first, so that the file does not say what the model computed (nor does Keras load it so)",
                hint="Build the model from its code with a later Keras, load_weights from this file, and save it again.",
            )


def _counted_from_0(ref: TensorRef, layers: Mapping[str, LayerSpec]) -> TensorRef:
    """An output of a Keras 3 model: there (and only there) the calls of nested Functional models are counted from 1.

    ``Functional.get_config`` in keras/src/models/functional.py, 3.15 (``kept_nodes``).
    """
    layer = layers.get(ref.layer)
    functional = layer is not None and layer.model is not None and layer.class_name != "Sequential"
    return replace(ref, call=ref.call - 1) if functional and ref.call > 0 else ref


def _sequential(config: object, ctx: Context, *, path: str, name: str | None, depth: int) -> ModelSpec:
    """Sequential configs are a list of layers (before Keras 2.2.3) or hold one."""
    body: Mapping[str, Any] = (
        {} if isinstance(config, list) else ctx.mapping(config, f"The config of {path or 'the model'!r}")
    )
    raws = (
        config
        if isinstance(config, list)
        else ctx.sequence(body.get("layers"), "The layers of a Sequential model")
    )
    if raws and _merges_models(raws[0]):
        return _merged_sequential(raws, ctx, path=path, name=name or "sequential", depth=depth)
    layers: list[LayerSpec] = []
    names: dict[str, None] = {}
    for raw in raws:
        record = ctx.mapping(raw, "A layer")
        layer_name = _name_of(record, ctx, fallback=_nameless(record, names))
        if layer_name in names:
            raise ctx.error(f"Two layers of model {path or 'at the top'!r} are called {layer_name!r}")
        names[layer_name] = None
        layers.append(read_layer(record, ctx, path=_join(path, layer_name), name=layer_name, depth=depth))
    if not layers:
        raise ctx.error(f"The Sequential model {path or name or ''!r} has no layers")
    if layers[0].class_name != "InputLayer":
        layers.insert(0, _input_layer(layers[0], raws[0], body, ctx, path))
    return _chained(layers, ctx, path=path, name=name or str(body.get("name") or "sequential"))


def _chained(layers: list[LayerSpec], ctx: Context, *, path: str, name: str) -> ModelSpec:
    """The model in which each layer is called on the output of the one before it."""
    called = [layers[0]]
    for before, layer in pairwise(layers):
        if layer.class_name == "InputLayer":
            raise ctx.error(
                f"Layer {layer.path!r} of a Sequential model is an input, but not its first layer"
            )
        called.append(replace(layer, calls=(CallSpec(args=(TensorRef(before.name),)),)))
    outputs = [TensorRef(called[-1].name)]
    if called[-1].model is not None:
        outputs = [TensorRef(called[-1].name, 0, index) for index in range(len(called[-1].model.outputs))]
    model = ModelSpec(
        name=name,
        class_name="Sequential",
        layers=tuple(called),
        inputs=(TensorRef(called[0].name),),
        outputs=tuple(outputs),
        input_names=(called[0].name,),
        output_names=_unique([None] * len(outputs), outputs),
        provenance=ctx.provenance,
    )
    return _checked(model, path or "the model", ctx)


def _merges_models(raw: object) -> bool:
    """Whether the first layer of a Sequential model is Keras 1's Merge of other models."""
    config = raw.get("config") if isinstance(raw, Mapping) else None
    return (
        isinstance(raw, Mapping)
        and raw.get("class_name") == "Merge"
        and isinstance(config, Mapping)
        and bool(config.get("layers"))
    )


def _merged_sequential(raws: list[Any], ctx: Context, *, path: str, name: str, depth: int) -> ModelSpec:
    """A Keras 1 Sequential model that begins with a Merge of models, as the Functional model that it is.

    The merged models' layers become its own, which is also how Keras 1 saves their weights
    (``flattened_layers`` in keras/models.py, 1.2.2).
    """
    if depth > MAX_NESTING:
        raise ctx.error(f"Models are nested deeper than {MAX_NESTING} levels at {shorten(path)}")
    branches = [
        _unwrapped(raw, ctx, path=path, depth=depth + 1)
        for raw in ctx.sequence(raws[0]["config"]["layers"], "The layers of a Merge")
    ]
    layers = {layer.name: layer for branch in branches for layer in branch.layers}
    merged: list[TensorRef] = [ref for branch in branches for ref in branch.outputs]
    args: Any = merged
    for raw in raws:
        record = ctx.mapping(raw, "A layer")
        layer_name = _name_of(record, ctx, fallback="merge")
        if layer_name in layers:
            raise ctx.error(f"Two layers of model {path or 'at the top'!r} are called {layer_name!r}")
        layer = read_layer(record, ctx, path=_join(path, layer_name), name=layer_name, depth=depth)
        layers[layer_name] = replace(layer, calls=(CallSpec(args=(args,)),))
        args = TensorRef(layer_name)
    inputs = [ref for branch in branches for ref in branch.inputs]
    model = ModelSpec(
        name=name,
        class_name="Functional",
        layers=tuple(layers.values()),
        inputs=tuple(inputs),
        outputs=(args,),
        input_names=_unique([None] * len(inputs), inputs),
        output_names=(args.layer,),
        provenance=ctx.provenance,
    )
    return _checked(model, path or "the model", ctx)


def _unwrapped(raw: object, ctx: Context, *, path: str, depth: int) -> ModelSpec:
    """A merged model; a layer that stands there alone is a model of one layer."""
    record = ctx.mapping(raw, "A merged model")
    if is_model(record):
        return read_model(record, ctx, path=path, depth=depth)
    return read_model({"class_name": "Sequential", "config": [record]}, ctx, path=path, depth=depth)


def _input_layer(first: LayerSpec, raw: Any, body: Mapping[str, Any], ctx: Context, path: str) -> LayerSpec:
    """The input that a Sequential model without an InputLayer has, from what the file says about shapes."""
    shape = _declared_shape(first, raw, body)
    dtype = first.config.get("input_dtype") or first.config.get("dtype", "float32")
    if shape is None and first.model is not None and len(first.model.inputs) == 1:
        inner = first.model.layer(first.model.inputs[0].layer)
        shape, dtype = inner.config.get("batch_shape"), inner.config.get("dtype", dtype)
    if shape is None and not path and ctx.input_shape is not None:
        shape = [None, *ctx.input_shape]
    if shape is None and not path:
        raise ctx.error(
            "The Sequential model has no input shape",
            hint="Give the shape of one sample, without the batch: load(..., input_shape=(28, 28, 1)), --input-shape 28,28,1.",
        )
    keras3 = ctx.provenance.keras_major == 3
    name = "input_layer" if keras3 else f"{first.name}_input"
    # A policy such as mixed_float16 computes in float16 but takes float32 inputs, as Keras's Input does.
    plain = dtype if isinstance(dtype, str) and dtype in dtypes.ALL else "float32"
    config = {"batch_shape": shape, "dtype": plain, "name": name}
    class_name, full = translate("InputLayer", config, ctx, _join(path, name))
    return LayerSpec(
        name=name, path=_join(path, name), class_name=class_name, config=full, module="keras.layers"
    )


def _declared_shape(first: LayerSpec, raw: Any, body: Mapping[str, Any]) -> Any:
    for key in _SHAPE_KEYS:
        if first.config.get(key) is not None:
            return first.config[key]
    if first.config.get("input_shape") is not None:
        return [first.config.get("batch_size"), *first.config["input_shape"]]
    built = raw.get("build_config") if isinstance(raw, Mapping) else None
    seen = body.get("build_input_shape") or (built.get("input_shape") if isinstance(built, Mapping) else None)
    # The shape of what the model was first called with: its batch is no more the model's than any other.
    return [None, *seen[1:]] if isinstance(seen, list | tuple) and seen else seen


#: The operations that take a dtype (classes in keras/src/ops with that argument, 3.15); no layer has such a name.
_OPERATIONS_OF_A_DTYPE = frozenset(
    [
        *[
            "Arange",
            "Array",
            "Cast",
            "ConvertToTensor",
            "Cumprod",
            "Cumsum",
            "EmptyLike",
            "Full",
            "FullLike",
            "Geomspace",
        ],
        *[
            "Linspace",
            "Logspace",
            "MultiHot",
            "Nancumprod",
            "Nancumsum",
            "OneHot",
            "OnesLike",
            "Prod",
            "SaturateCast",
        ],
        *["View", "ZerosLike"],
    ]
)


#: The layers whose configs have neither a dtype nor whether they are trainable (keras/src/layers, 3.15).
_BARE_LAYERS = frozenset(["Pipeline"])


def read_layer(raw: Mapping[str, Any], ctx: Context, *, path: str, name: str, depth: int) -> LayerSpec:
    """The layer that a serialized one describes, without calls and weights."""
    class_name = ctx.text(raw.get("class_name"), f"The class_name of layer {path!r}")
    module = raw.get("module") if isinstance(raw.get("module"), str) else ""
    registered = raw.get("registered_name") if isinstance(raw.get("registered_name"), str) else ""
    if is_model(raw):
        model = read_model(raw, ctx, path=path, name=name, depth=depth + 1)
        config = {"name": name, "trainable": _trainable(raw.get("config"))}
        return LayerSpec(name, path, model.class_name, config, module or "", registered or "", model=model)
    config = dict(ctx.mapping(raw.get("config"), f"The config of layer {path!r}"))
    if (
        not module
        and ctx.provenance.keras_major == 3
        and ctx.provenance.format == "h5"
        and "trainable" not in config
        and ("dtype" not in config or class_name in _OPERATIONS_OF_A_DTYPE)
        and class_name not in _BARE_LAYERS
        and ">" not in class_name
    ):
        # Legacy .h5 files of Keras 3 name no modules; operations of keras.ops are never trainable, layers have a dtype.
        module = "keras.ops"
    children = _children(class_name, config, ctx, path, depth)
    if module and ".ops" in module:
        return LayerSpec(name, path, class_name, dict(config), module)
    class_name = public_class(class_name, module or "", registered or "")
    if class_name == "Bidirectional":
        children = _both_directions(children, path)
    new_class, new_config = translate(class_name, config, ctx, path)
    return LayerSpec(name, path, new_class, new_config, module or "", registered or "", children=children)


def _children(
    class_name: str, config: Mapping[str, Any], ctx: Context, path: str, depth: int
) -> dict[str, LayerSpec]:
    """The layers that a wrapper's config holds."""
    if depth > MAX_NESTING:
        raise ctx.error(f"Layers are wrapped deeper than {MAX_NESTING} levels at {shorten(path)}")
    children = {}
    for role in WRAPPED:
        raw = config.get(role)
        if not is_object(raw):
            continue
        assert isinstance(raw, Mapping)
        name = _name_of(raw, ctx, fallback=role)
        children[role] = read_layer(raw, ctx, path=_join(path, name), name=name, depth=depth + 1)
    stacks = {"cell": config.get("cells", config.get("cell"))}
    if class_name == "Pipeline":
        stacks["step"] = config.get("layers")
    for role, stack in stacks.items():
        if isinstance(stack, list) and stack and all(map(is_object, stack)):
            for index, raw in enumerate(stack):
                name = _name_of(raw, ctx, fallback=f"{role}_{index}")
                children[f"{role}_{index}"] = read_layer(
                    raw, ctx, path=_join(path, name), name=name, depth=depth + 1
                )
    return children


def _both_directions(children: dict[str, LayerSpec], path: str) -> dict[str, LayerSpec]:
    """The two layers of a Bidirectional wrapper.

    A file describes the forward one, and the backward one only where the user gave it; else it is the same layer
    the other way round (keras/src/layers/rnn/bidirectional.py).
    """
    forward = children.get("forward_layer") or children.get("layer")
    if forward is None:
        return children
    backward = children.get("backward_layer")
    if backward is None:
        stem = forward.name.removeprefix("forward_")
        name = f"backward_{stem}"
        config = {
            **forward.config,
            "name": name,
            "go_backwards": not forward.config.get("go_backwards", False),
        }
        backward = _moved(replace(forward, name=name, config=config), _join(path, name))
    return {"forward_layer": forward, "backward_layer": backward}


def _moved(layer: LayerSpec, path: str) -> LayerSpec:
    """The layer, and those that it wraps, at another path."""
    children = {role: _moved(child, _join(path, child.name)) for role, child in layer.children.items()}
    return replace(layer, path=path, children=children)


def _trainable(config: object) -> bool:
    return not isinstance(config, Mapping) or config.get("trainable") is not False


def _name_of(raw: Mapping[str, Any], ctx: Context, fallback: str | None = None) -> str:
    config = raw.get("config")
    name = raw.get("name") or (config.get("name") if isinstance(config, Mapping) else None) or fallback
    return ctx.text(name, "A layer's name")


def _nameless(raw: Mapping[str, Any], taken: Container[str]) -> str | None:
    """A name for a Sequential model inside another one: before Keras 2.2.3 their configs were lists of layers, without a name."""
    if raw.get("class_name") != "Sequential" or not isinstance(raw.get("config"), list):
        return None
    return next(name for index in count(1) if (name := f"sequential_{index}") not in taken)


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _unique(keys: list[str | None], refs: list[TensorRef]) -> tuple[str, ...]:
    """A dict's key, or the layer's name, for each tensor; repeated ones get ``_1``, ``_2``."""
    names: dict[str, None] = {}
    counts: dict[str, int] = {}
    for key, ref in zip(keys, refs, strict=True):
        base = key or ref.layer
        name = base
        while name in names:
            counts[base] = counts.get(base, 0) + 1
            name = f"{base}_{counts[base]}"
        names[name] = None
    return tuple(names)


def _renumbered(model: ModelSpec) -> ModelSpec:
    """Count the calls of nested models from 0.

    Keras 2 counts a nested model's own construction as its call 0 and writes no node for it, so that its first call
    is number 1 (``_should_skip_first_node`` in tf_keras/src/engine/functional.py).
    """
    highest: dict[str, int] = {}
    lowest: dict[str, int] = {}
    for ref in (
        *model.inputs,
        *model.outputs,
        *(r for layer in model.layers for c in layer.calls for r in c.tensors()),
    ):
        highest[ref.layer] = max(ref.call, highest.get(ref.layer, 0))
        lowest[ref.layer] = min(ref.call, lowest.get(ref.layer, ref.call))
    shifted = {
        layer.name
        for layer in model.layers
        if layer.calls and highest.get(layer.name) == len(layer.calls) and lowest[layer.name] > 0
    }
    if not shifted:
        return model

    def fixed(leaf: Any) -> Any:
        counted = isinstance(leaf, TensorRef) and leaf.layer in shifted
        return replace(leaf, call=leaf.call - 1) if counted else leaf

    fix = partial(mapped, fixed)

    layers = [
        replace(layer, calls=tuple(CallSpec(fix(call.args), fix(call.kwargs)) for call in layer.calls))
        for layer in model.layers
    ]
    return replace(model, layers=tuple(layers), inputs=fix(model.inputs), outputs=fix(model.outputs))


def _checked(model: ModelSpec, owner: str, ctx: Context) -> ModelSpec:
    """The model itself, once every tensor that is read is one that a layer computes."""
    layers = {layer.name: layer for layer in model.layers}
    if not model.inputs or not model.outputs:
        raise ctx.error(f"Model {owner!r} has no {'outputs' if model.inputs else 'inputs'}")

    def check(ref: TensorRef, reader: str) -> None:
        layer = layers.get(ref.layer)
        if layer is None:
            raise ctx.error(f"{reader} reads an output of layer {ref.layer!r}, which the model does not have")
        if ref.call >= max(1, len(layer.calls)) or (layer.class_name == "InputLayer" and ref.tensor > 0):
            raise ctx.error(
                f"{reader} reads call {ref.call} of layer {ref.layer!r}, which has {len(layer.calls)} calls"
            )

    for ref in model.inputs:
        check(ref, f"The inputs of {owner}")
    for ref in model.outputs:
        check(ref, f"The outputs of {owner}")
    for layer in model.layers:
        for call in layer.calls:
            for ref in call.tensors():
                check(ref, f"Layer {layer.path!r}")
    return model
