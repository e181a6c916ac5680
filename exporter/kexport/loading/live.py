"""A ``keras.Model`` that the user has in memory: its own config and its own variables."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from kexport.errors import ModelReadError
from kexport.ir import Constant, dtypes
from kexport.ir.graph import Array
from kexport.loading.context import Context
from kexport.loading.live_policies import with_live_policies
from kexport.loading.spec import ModelSpec, Provenance
from kexport.loading.topology import read_model
from kexport.loading.vocabularies import with_live_vocabularies
from kexport.loading.weights import Assigned, Named, assign_flat


def is_live(source: object) -> bool:
    """Whether ``source`` looks like a model of a Keras that is imported already."""
    return hasattr(source, "get_config") and hasattr(source, "layers") and hasattr(source, "weights")


def provenance_of(model: Any) -> Provenance:
    """Who made a live model: Keras 3 on its backend, or tf.keras."""
    roots = {cls.__module__.partition(".")[0] for cls in type(model).__mro__}
    if "keras" in roots:
        keras = sys.modules["keras"]
        version = str(getattr(keras, "__version__", ""))
        if version.startswith("3"):
            return Provenance(version, str(keras.backend.backend()), "live")
        return Provenance(version, "tensorflow", "live", "tf.keras")
    if "tf_keras" in roots:
        return Provenance(
            str(getattr(sys.modules["tf_keras"], "__version__", "")), "tensorflow", "live", "tf.keras"
        )
    raise ModelReadError(
        f"The model must be a Keras model, or the path of one. Received: {type(model).__module__}.{type(model).__name__}"
    )


def read_live(model: Any, ctx: Context) -> tuple[ModelSpec, Assigned]:
    """The topology and the weights of a live model."""
    spec = with_live_policies(read_model(_serialized(model, ctx), ctx), model)
    by_name = {layer.name: layer for layer in model.layers}
    assigned: Assigned = {}
    for layer in spec.layers:
        source = by_name.get(layer.name)
        if source is not None:
            variables = [*source.trainable_weights, *source.non_trainable_weights]
            given = [Named(_path(variable), _constant(variable)) for variable in variables]
            if given:
                assigned.update(assign_flat(layer, given, ctx))
    return with_live_vocabularies(spec, model), assigned


def _serialized(model: Any, ctx: Context) -> Any:
    """The model's config as its file would hold it, through JSON, so that nothing of it is the model's own object."""
    package = sys.modules["tf_keras" if type(model).__module__.startswith("tf_keras") else "keras"]
    roots = {cls.__module__.partition(".")[0] for cls in type(model).__mro__}
    if "tf_keras" in roots:
        package = sys.modules["tf_keras"]
    if not getattr(model, "built", True):
        raise ctx.error(
            "The model is not built", hint="Call model.build(input_shape), or call it on data once."
        )
    try:
        return json.loads(json.dumps(package.saving.serialize_keras_object(model)))
    except (TypeError, ValueError, NotImplementedError, AttributeError) as error:
        raise ctx.code_error(
            f"The model can't be serialized: {error}", hint="Give its layers a get_config."
        ) from error


def _path(variable: Any) -> str:
    return str(getattr(variable, "path", None) or variable.name)


def _constant(variable: Any) -> Constant:
    dtype = variable.dtype if isinstance(variable.dtype, str) else variable.dtype.name
    shape = tuple(int(dim) for dim in variable.shape)

    def read() -> Array:
        array = np.asarray(variable.numpy() if hasattr(variable, "numpy") else variable)
        return array.astype(dtypes.numpy_dtype(dtype), copy=False)

    return Constant.lazy(dtype, shape, read)
