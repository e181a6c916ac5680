"""Trains the models on the Keras that runs it, from Keras 1.2 on Python 2.7 to Keras 3 on Python 3.14, and saves them.

    python train.py FOLDER --data DATA [--model NAME] [--policy mixed_float16] [--distribute]

Prints a line of JSON for each: what was saved and how well it does on data that it has not seen, or why this backend has it not.
"""

import argparse
import json
import os
import sys
import time

# No GPU, no log noise.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import shims
from models import MODELS

#: Of the samples; the others are for testing.
TRAINED_ON = 0.8


def read(path):
    """The inputs, as a list, and what is to be predicted."""
    with np.load(path) as arrays:
        names = sorted(name for name in arrays.files if name.startswith("x"))
        return [arrays[name] for name in names], arrays["y"]


def build(name, inputs, y):
    """The model for its data."""
    make, data = MODELS[name][:2]
    shapes = [x.shape[1:] for x in inputs]
    if data == "texts":
        return make(shapes[0], y.shape[-1], words=600)
    if data == "diabetes":
        return make(*shapes)
    return make(shapes[0]) if data.startswith("noisy") else make(shapes[0], y.shape[-1])


def score(model, loss, inputs, y):
    """The share of right answers, or the mean squared error in units of the variance."""
    predicted = shims.predict(model, inputs if len(inputs) > 1 else inputs[0])
    if loss == "categorical_crossentropy":
        return {"accuracy": round(float(np.mean(predicted.argmax(-1) == y.argmax(-1))), 3)}
    return {"error": round(float(np.mean((predicted - y) ** 2) / np.var(y)), 3)}


def train(name, options):
    """Train one model; what is to be said of it."""
    begun = time.time()
    _, data, loss, epochs = MODELS[name]
    inputs, y = read(os.path.join(options.data, data + ".npz"))
    shims.seed(7)
    try:
        if options.distribute:
            model = shims.distributed(lambda: build_compiled(name, inputs, y, loss))
        else:
            model = build_compiled(name, inputs, y, loss)
    except shims.Lacking as reason:
        return {"model": name, "lacking": str(reason)}
    count = int(len(y) * TRAINED_ON)
    first, rest = [x[:count] for x in inputs], [x[count:] for x in inputs]
    shims.fit(model, first if len(first) > 1 else first[0], y[:count], epochs)
    path = shims.save(model, options.folder, name)
    told = score(model, loss, rest, y[count:])
    return dict(told, model=name, file=os.path.basename(path), seconds=round(time.time() - begun, 1))


def build_compiled(name, inputs, y, loss):
    model = build(name, inputs, y)
    # The learning rate is Adam's first argument, whatever Keras calls it.
    model.compile(optimizer=shims.keras.optimizers.Adam(0.01), loss=loss)
    return model


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="where the models go")
    parser.add_argument(
        "--model", action="append", choices=sorted(MODELS), help="one of them; repeatable (default: all)"
    )
    parser.add_argument("--data", required=True, help="the folder that prepare_data.py wrote")
    parser.add_argument("--policy", help="a dtype policy: mixed_float16, mixed_bfloat16")
    parser.add_argument("--distribute", action="store_true", help="spread the training over two devices")
    options = parser.parse_args()
    if not os.path.isdir(options.folder):
        os.makedirs(options.folder)
    if options.policy:
        shims.set_policy(options.policy)
    for name in options.model or sorted(MODELS):
        print(json.dumps(train(name, options), sort_keys=True))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
