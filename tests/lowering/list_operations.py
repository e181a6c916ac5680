"""Prints the name of each class of operations in the installed Keras, one a line."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil

os.environ.update(KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")

from keras.src import ops
from keras.src.ops.operation import Operation

found = set()
for module in pkgutil.iter_modules(ops.__path__):
    if not module.name.endswith("_test"):
        for value in vars(importlib.import_module(f"keras.src.ops.{module.name}")).values():
            if inspect.isclass(value) and issubclass(value, Operation) and value is not Operation:
                found.add(value)
print(*sorted(kind.__name__ for kind in found if kind.__module__.startswith("keras.src.ops.")), sep="\n")
