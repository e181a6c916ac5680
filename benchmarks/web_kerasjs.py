"""A Keras 3 model in Keras.js's format: ``python web_kerasjs.py MODEL.keras FILE.bin``; the path leads to the package's ``model_pb2``.

Keras.js reads a model's configuration as Keras 2.1 wrote it, and that is what its own encoder copies from an HDF5 file; here it is told
from the model. ReLU layers without a bound become the activation, which Keras.js has (keras-js 1.0.3, lib/layers/index.js).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def layer_config(layer: Any) -> dict[str, Any]:
    """Class, configuration and inputs of a layer as Keras 2.1 told them."""
    kind, config = type(layer).__name__, dict(layer.get_config())
    if kind == "InputLayer":
        config["batch_input_shape"] = [None, *layer.batch_shape[1:]]
    if (
        kind == "ReLU"
        and config["max_value"] is None
        and not config["negative_slope"]
        and not config["threshold"]
    ):
        kind, config = "Activation", {"name": config["name"], "activation": "relu"}
    parents = layer._inbound_nodes[0].parent_nodes  # noqa: SLF001 - Keras tells a layer's inputs nowhere else
    calls = [[[parent.operation.name, 0, 0, {}] for parent in parents]] if parents else []
    # Without initializers and policies.
    plain = {name: value for name, value in config.items() if not isinstance(value, dict)}
    return {"class_name": kind, "name": layer.name, "config": plain, "inbound_nodes": calls}


def main() -> None:
    """Write the file."""
    source, path = sys.argv[1], Path(sys.argv[2])
    import keras
    import model_pb2  # type: ignore[import-not-found]
    import numpy as np

    model = keras.saving.load_model(source, compile=False)
    functional = getattr(model, "_functional", model)  # that of a sequential model shows its input layer, too
    layers = list(functional.layers)
    written = model_pb2.Model(id=model.name, name=model.name, keras_version="2.1.3", backend="tensorflow")
    written.model_config = json.dumps(
        {
            "class_name": "Model",
            "config": {"name": model.name, "layers": [layer_config(layer) for layer in layers]},
        }
    )
    for layer in layers:
        for variable in layer.weights:
            value = np.asarray(variable, np.float32)
            written.model_weights.add(
                layer_name=layer.name,
                weight_name=f"{layer.name}/{variable.name}",
                shape=value.shape,
                type="float32",
                data=value.tobytes(),
            )
    path.write_bytes(written.SerializeToString())


if __name__ == "__main__":
    main()
