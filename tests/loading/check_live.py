"""Loads live models in a process of their own and compares with what Keras says: ``check_live.py keras|tf_keras FOLDER``."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import make_models

from kexport.loading import defaults, load
from kexport.loading.weight_layout import variables_of


def flattened(layer):
    own = [weight.numpy() for weight in layer.weights.values()]
    inner = [] if layer.model is None else layer.model.layers
    return own + [array for child in (*layer.children.values(), *inner) for array in flattened(child)]


def main() -> None:
    keras = __import__(sys.argv[1])
    problems = []
    for build in (make_models.functional, make_models.sequential, make_models.cells):
        model = build(keras)
        random = np.random.default_rng(0)
        model.set_weights([random.random(w.shape, "float32") for w in model.get_weights()])
        spec = load(model)
        for layer in model.layers:
            mine = flattened(spec.layer(layer.name))
            theirs = sorted(map(np.sum, layer.get_weights()))
            if sorted(map(np.sum, mine)) != theirs:
                problems.append(f"{build.__name__}/{layer.name}")
    if sys.argv[1] == "keras":
        problems += wrong_defaults(keras)
        problems += wrong_layouts(keras)
    Path(sys.argv[2], "problems.json").write_text(json.dumps(problems))


def wrong_defaults(keras):
    """Defaults that the installed Keras does not have (spelled alike: ``activation=None`` is linear, 1 is [1, 1])."""
    spelled = {
        "data_format": "channels_last",
        "activation": "linear",
        "dtype": "float32",
        "sparse": False,
        "ragged": False,
    }
    problems = []
    for name, values in defaults.KERAS3.items():
        cls = getattr(keras.layers, name, None)
        if cls is None:
            continue
        parameters = inspect.signature(cls.__init__).parameters
        for key, value in values.items():
            if key not in parameters or (default := parameters[key].default) is inspect.Parameter.empty:
                continue
            wanted = spelled.get(key, default) if default is None else default
            if (
                np.ravel(wanted).tolist() != np.unique(np.ravel(value)).tolist()
                and np.ravel(wanted).tolist() != np.ravel(value).tolist()
            ):
                problems.append(f"{name}.{key}: {value!r} is {default!r}")
    return problems


SHAPES = {"Embedding": (4,), "LSTM": (5, 3), "GRU": (5, 3), "SimpleRNN": (5, 3)}


def wrong_layouts(keras):
    """Layers whose variables are not those of the table, in its order."""
    layers = keras.layers
    cases = [
        layers.Dense(2),
        layers.Dense(2, use_bias=False),
        layers.EinsumDense("ab,bc->ac", 3, bias_axes="c"),
        layers.Embedding(7, 2),
    ]
    sized = [
        (layers.Conv1D, 1),
        (layers.Conv2D, 2),
        (layers.Conv3D, 3),
        (layers.Conv1DTranspose, 1),
        (layers.Conv2DTranspose, 2),
    ]
    sized += [(layers.Conv3DTranspose, 3), (layers.SeparableConv1D, 1), (layers.SeparableConv2D, 2)]
    pairs = [(case, SHAPES.get(type(case).__name__, (3,))) for case in cases]
    pairs += [(cls(4, 2), (6,) * rank + (3,)) for cls, rank in sized]
    pairs += [(layers.DepthwiseConv1D(2), (6, 3)), (layers.DepthwiseConv2D(2, depth_multiplier=3), (6, 6, 3))]
    pairs += [
        (cls(2, 2), (5,) + (6,) * rank + (3,))
        for cls, rank in ((layers.ConvLSTM1D, 1), (layers.ConvLSTM2D, 2), (layers.ConvLSTM3D, 3))
    ]
    pairs += [
        (layers.BatchNormalization(scale=False), (3,)),
        (layers.BatchNormalization(), (3,)),
        (layers.LayerNormalization(center=False), (3,)),
    ]
    pairs += [
        (layers.GroupNormalization(1), (4, 3)),
        (layers.RMSNormalization(), (3,)),
        (layers.PReLU(), (3,)),
        (layers.Normalization(), (3,)),
    ]
    pairs += [
        (layers.LSTM(2), (5, 3)),
        (layers.GRU(2), (5, 3)),
        (layers.GRU(2, reset_after=False), (5, 3)),
        (layers.SimpleRNN(2), (5, 3)),
    ]
    problems = []
    for layer, shape in pairs:
        model = keras.Sequential([keras.Input(shape), layer])
        spec = load(model).layer(layer.name)
        names = [
            variable.path.rpartition("/")[2]
            for variable in (*layer.trainable_weights, *layer.non_trainable_weights)
        ]
        if [variable.name for variable in variables_of(spec)] != names or len(spec.weights) != len(names):
            problems.append(f"{type(layer).__name__}: {names}")
    return problems


if __name__ == "__main__":
    main()
