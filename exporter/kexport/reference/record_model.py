#!/usr/bin/env python
# -*- coding: utf-8 -*-
"""Records what a Keras model computes, where the model was trained.

This one file needs Keras (1.2 to 3, any backend) and NumPy, on Python 2.7 to 3.13, and nothing of kexport. Copy it to
the machine, container or environment that the model was trained in, and run::

    python record_model.py model.h5 --out golden.npz

Then, anywhere else::

    kexport --target tflite model.h5 --golden golden.npz

The golden file holds inputs (made up here, or yours: --inputs) and the model's outputs on them.

kexport itself starts this file with --serve, in a process of its own: Keras is imported and the model loaded at once;
then each line on standard input, a JSON object, is answered by one on standard output.
"""
# Keras 1 and Theano live on Python 2.7, so there are no f-strings, annotations or keyword-only arguments here.
# ruff: noqa: B904, BLE001, C401, C402, EXE001, FURB188, S102, S307, SIM905, UP003, UP004, UP009, UP010, UP018, UP020, UP031
# mypy: ignore-errors

from __future__ import absolute_import, division, print_function, unicode_literals

import argparse
import ast
import collections
import hashlib
import inspect
import io
import json
import os
import re
import sys
import threading
import time
import traceback
import zipfile
import zlib

RECORDER_VERSION = 1
FORMAT_VERSION = 1
SAMPLES = 4
#: Of models that take text: it is of many kinds.
TEXT_SAMPLES = 8
#: Lengths tried for unknown dimensions, until the model computes something.
LENGTHS = (37, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 12000, 16384, 32768, 65536)


class RecordError(Exception):
    """What the user should read, without a traceback. ``kind`` tells kexport what to do about it."""

    def __init__(self, kind, message):
        Exception.__init__(self, message)
        self.kind = kind


# --- the environment: set before Keras is imported ------------------------------------------------------------------


def prepare_environment():
    """One CPU thread of control, no GPU, no reordered arithmetic, no log noise."""
    forced = {
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_DETERMINISTIC_OPS": "1",
        "JAX_PLATFORMS": "cpu",
        "KERAS_TORCH_DEVICE": "cpu",
    }
    for key, value in forced.items():
        os.environ[str(key)] = str(value)
    os.environ.setdefault(str("TF_CPP_MIN_LOG_LEVEL"), str("3"))
    # oneDNN reorders sums; kexport turns it on where it is all that can run a channels_first model.
    os.environ.setdefault(str("TF_ENABLE_ONEDNN_OPTS"), str("0"))


def import_library(choice):
    """The Keras to use: ``keras``, ``tf_keras``, ``tensorflow.keras``, or the first that imports (``auto``)."""
    names = ["keras", "tf_keras", "tensorflow.keras"] if choice == "auto" else [choice]
    reasons = []
    for name in names:
        try:
            return Library(_import(name))
        except ImportError as error:
            reasons.append("%s: %s" % (name, error))
    raise RecordError("missing", "Keras can't be imported here (%s)." % "; ".join(reasons))


def _import(name):
    if os.environ.get("KERAS_BACKEND") == "theano":
        try:
            # Keras 1 on Theano 1.0 uses theano.ifelse without importing it.
            __import__(str("theano.ifelse"))
        except ImportError:
            pass
    if name == "tensorflow.keras":
        import tensorflow

        return tensorflow.keras
    return __import__(str(name))


class Library(object):
    """A Keras module and what differs between its versions."""

    def __init__(self, module):
        self.module = module
        self.name = {"keras": "keras", "tf_keras": "tf_keras"}.get(module.__name__, "tf.keras")
        self.version = str(getattr(module, "__version__", None) or _tensorflow_version() or "")
        head = self.version.split(".")[0]
        self.major = int(head) if head.isdigit() else 0

    @property
    def backend(self):
        """The backend and its version: ``tensorflow 2.21.0``."""
        name = "tensorflow"
        if self.name == "keras":
            backend = self.module.backend.backend
            name = backend() if callable(backend) else str(backend)
        version = getattr(sys.modules.get(name), "__version__", "")
        return ("%s %s" % (name, version)).strip()

    @property
    def is_eager(self):
        """Whether a model can be called on arrays."""
        if self.major >= 3:
            return True
        tensorflow = sys.modules.get("tensorflow")
        executing = getattr(tensorflow, "executing_eagerly", None)
        return self.name != "keras" and executing is not None and executing()

    def on_cpu(self):
        """A context in which the CPU computes."""
        if self.major >= 3:
            return self.module.device("cpu:0")
        tensorflow = sys.modules.get("tensorflow")
        if self.is_eager and tensorflow is not None:
            return tensorflow.device("/CPU:0")
        return _NoContext()


class _NoContext(object):
    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None


def _tensorflow_version():
    return getattr(sys.modules.get("tensorflow"), "__version__", None)


# --- loading --------------------------------------------------------------------------------------------------------

#: Where the classes of a file may live ...
_ROOTS = frozenset(["", "keras", "tf_keras", "tensorflow"])
#: ... and the parts of Keras that hold functions with effects, where they may not.
_REFUSED_PARTS = frozenset(
    "utils saving distribution datasets callbacks visualization tree export io".split()
)


def read_config(path):
    """The model's configuration in a file as plain data; None where the file has none."""
    if os.path.isdir(path):
        path = os.path.join(path, "config.json")
    if path.endswith(".json"):
        with io.open(path, encoding="utf-8") as file:
            return json.load(file)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json").decode("utf-8"))
    import h5py

    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
    if text is None:
        return None
    return json.loads(text.decode("utf-8") if isinstance(text, bytes) else text)


def check_config(config, known=(), trusted=False):
    """Refuse a file that brings code (but ``trusted``), or that names a class from outside Keras which the user did not hand over.

    Raises:
        RecordError: of kind ``unsafe``.
    """
    stack = [config]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            _check_entry(item, known, trusted)
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            stack.extend(item)


def _check_entry(item, known, trusted):
    name = item.get("class_name")
    settings = item.get("config")
    if trusted and name in ("__lambda__", "Lambda"):
        return
    if name == "__lambda__" or (name == "Lambda" and isinstance(settings, dict) and _holds_code(settings)):
        label = settings.get("name", "a Lambda") if isinstance(settings, dict) else "a Lambda"
        raise RecordError("unsafe", "The file holds Python code (layer %r), which is not run." % label)
    module = item.get("module")
    if "class_name" not in item or not isinstance(module, type("")):
        return
    parts = module.split(".")
    trusted = parts[0] in _ROOTS and not _REFUSED_PARTS.intersection(parts)
    trusted = trusted or (module == "builtins" and name == "function")
    if not trusted and name not in known and item.get("registered_name") not in known:
        label = "%s.%s" % (module, name)
        raise RecordError(
            "custom", "The file names %s, which is not Keras's: give it with --custom-objects." % label
        )


def _holds_code(settings):
    for key in ("function", "output_shape", "mask"):
        value = settings.get(key)
        marshalled = isinstance(value, list) and len(value) == 3 and isinstance(value[0], type(""))
        wrapped = isinstance(value, dict) and value.get("class_name") == "__lambda__"
        if settings.get(key + "_type") == "lambda" or marshalled or wrapped:
            return True
    return False


def load_custom_objects(path):
    """The classes and functions that a Python file of the user's defines, and those in its dict CUSTOM_OBJECTS, which may have
    names such as ``<lambda>``."""
    scope = {str("__name__"): str("kexport_custom_objects"), str("__file__"): path}
    with io.open(path, "rb") as file:
        exec(compile(file.read(), path, "exec"), scope)
    found = dict((key, value) for key, value in scope.items() if not key.startswith("_"))
    more = found.pop("CUSTOM_OBJECTS", {})
    if not isinstance(more, dict):
        raise RecordError("custom", "CUSTOM_OBJECTS in %s is a dict of objects by name." % path)
    found.update(more)
    return found


def evaluate(text, library, scope):
    """The object that ``NAME=EXPRESSION`` of the user's stands for: ``(name, object)``.

    The expression sees Keras's activations and operations, ``keras``, and what the user's file defines. A call with arguments
    by name alone is the function with these arguments: ``relu(max_value=20)``.
    """
    name, equals, expression = text.partition("=")
    if not name or not equals or not expression.strip():
        raise RecordError("custom", "A custom object is NAME=EXPRESSION. Received: %s" % text)
    scope = dict(_expression_scope(library), **scope)
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        call = tree.body
        if isinstance(call, ast.Call) and not call.args:
            function = eval(compile(ast.Expression(call.func), text, "eval"), scope)
            named = dict(
                (item.arg, eval(compile(ast.Expression(item.value), text, "eval"), scope))
                for item in call.keywords
            )
            if not isinstance(function, type):
                return name, _applied(library, function, named)
        made = eval(compile(tree, text, "eval"), scope)
    except RecordError:
        raise
    except Exception as error:
        raise RecordError("custom", "%s: %s: %s" % (text, type(error).__name__, error))
    if not callable(made):
        raise RecordError(
            "custom", "%s: a custom object is a function or a class. Received: %r" % (text, made)
        )
    return name, made


def _expression_scope(library):
    scope = {"keras": library.module}
    for holder in (getattr(library.module, "ops", None), library.module.activations):
        for key in dir(holder) if holder is not None else ():
            if not key.startswith("_"):
                scope[key] = getattr(holder, key)
    return scope


def _applied(library, function, named):
    """``function`` with arguments by name; Keras 2's relu calls the slope otherwise."""
    if function is getattr(library.module.activations, "relu", None) and library.major < 3:
        named = dict(("alpha" if key == "negative_slope" else key, value) for key, value in named.items())
    inspected = getattr(inspect, "signature", None)
    if inspected is not None:
        try:
            inspected(function).bind(None, **named)
        except TypeError as error:
            raise RecordError("custom", "%s: %s" % (getattr(function, "__name__", function), error))
        except ValueError:
            pass

    def applied(x):
        return function(x, **named)

    return applied


def load(options):
    """The library and the model that the command line names. The file is looked into before Keras is imported, which
    takes seconds.

    Returns:
        (library, recorder)
    """
    given = options.custom_objects or options.custom_object
    if not given:
        check_config(read_config(options.model), trusted=options.trust_lambda)
    library = import_library(options.library)
    custom = load_custom_objects(options.custom_objects) if options.custom_objects else {}
    for text in options.custom_object:
        name, made = evaluate(text, library, custom)
        custom[name] = made
    config = read_config(options.model)
    if given:
        check_config(config, known=custom, trusted=options.trust_lambda)
    custom.update(aliases(config, custom))
    model = load_model(library, options.model, options.weights, custom, options.trust_lambda)
    return library, Recorder(library, model, custom, options.input_shapes)


def aliases(config, custom):
    """Objects of the user's by the names under which the file's writer registered them: ``package>Name``."""
    found, stack = {}, [config]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            names = item.get("registered_name"), item.get("class_name")
            for name in names:
                plain = name.rpartition(">")[2] if isinstance(name, type("")) else ""
                if plain in custom and name not in custom:
                    found[name] = custom[plain]
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            stack.extend(item)
    return found


def load_model(library, path, weights, custom, trusted=False):
    """The model in a ``.h5``, ``.hdf5``, ``.keras`` or ``.json`` (then with ``weights``) file."""
    models = library.module.models
    if trusted:
        enable = getattr(getattr(library.module, "config", None), "enable_unsafe_deserialization", None)
        if enable is not None:
            enable()
    if path.endswith(".json"):
        with io.open(path, encoding="utf-8") as file:
            model = models.model_from_json(file.read(), custom_objects=custom)
    else:
        more = {"safe_mode": False} if trusted else {}
        try:
            model = models.load_model(path, custom_objects=custom, compile=False, **more)
        except TypeError as error:
            # Keras 1 and early Keras 2 have no argument `compile`, later ones no `safe_mode`.
            if "compile" not in str(error) and "safe_mode" not in str(error):
                raise
            model = models.load_model(path, custom_objects=custom)
    if weights is not None:
        model.load_weights(weights)
    return model


# --- the structure of a model, in any Keras -------------------------------------------------------------------------


def flatten(item):
    """The leaves of nested lists, tuples and dicts (dicts by sorted key, as Keras orders them)."""
    if isinstance(item, dict):
        return [leaf for key in sorted(item) for leaf in flatten(item[key])]
    if isinstance(item, (list, tuple)):
        return [leaf for part in item for leaf in flatten(part)]
    return [] if item is None else [item]


def functional(model):
    """The model's layer graph: the model itself, or what a Sequential model keeps inside."""
    if _own_nodes(model) is None and any(kind.__name__ == "Sequential" for kind in type(model).__mro__):
        for name in ("_functional", "model"):
            inner = getattr(model, name, None)
            if inner is not None and _own_nodes(inner) is not None:
                return inner
    return model


def nodes_by_depth(model):
    """The nodes of a model's layer graph by depth, from Keras's own bookkeeping; None without a layer graph."""
    return _own_nodes(functional(model))


def _own_nodes(model):
    table = getattr(model, "_nodes_by_depth", None) or getattr(model, "nodes_by_depth", None)
    return table if isinstance(table, dict) and table else None


def layer_of(tensor):
    """The layer that computed a symbolic tensor."""
    history = tensor._keras_history
    return getattr(history, "operation", None) or getattr(history, "layer", None) or history[0]


def tensor_inputs(model):
    """The model's symbolic inputs, flat, in order."""
    return flatten(functional(model).inputs)


def tensor_outputs(model):
    """The model's symbolic outputs, flat, in order."""
    return flatten(functional(model).outputs)


def unique(names):
    """``names`` with ``_1``, ``_2``, … behind repeated ones."""
    made, taken = [], set()
    for name in names:
        candidate, count = name, 0
        while candidate in taken:
            count += 1
            candidate = "%s_%d" % (name, count)
        taken.add(candidate)
        made.append(candidate)
    return made


def input_names(model):
    """Keras's names of the inputs: the input layers' names, or the keys of a dict structure."""
    return _names(tensor_inputs(model), _structure(model, "_inputs_struct", "_nested_inputs"))


def output_names(model):
    """Keras's names of the outputs: those of the layers that compute them, or the keys of a dict structure."""
    return _names(tensor_outputs(model), _structure(model, "_outputs_struct", "_nested_outputs"))


def _names(tensors, structure):
    keys = _leaf_keys(structure)
    if len(keys) != len(tensors):
        keys = [None] * len(tensors)
    return unique([key or _text(layer_of(tensor).name) for key, tensor in zip(keys, tensors)])


def _leaf_keys(item, key=None):
    """For each leaf of a structure, in the order of :func:`flatten`, the key of the dict that it is in, or None."""
    if isinstance(item, dict):
        return [leaf for name in sorted(item) for leaf in _leaf_keys(item[name], _text(name))]
    if isinstance(item, (list, tuple)):
        return [leaf for part in item for leaf in _leaf_keys(part)]
    return [] if item is None else [key]


def _structure(model, *attributes):
    """How the model's tensors were nested when it was built; None in versions of Keras that don't keep that."""
    for attribute in attributes:
        structure = getattr(functional(model), attribute, None)
        if structure is not None:
            return structure
    return None


def _text(name):
    return name.decode("utf-8") if isinstance(name, bytes) else name


def shape_of(tensor):
    """The shape of a symbolic tensor, None where unknown."""
    shape = getattr(tensor, "_keras_shape", None)
    if shape is None:
        shape = getattr(tensor, "shape", None)
    shape = shape.as_list() if hasattr(shape, "as_list") else shape
    return tuple(None if dim is None or _number(dim) is None else _number(dim) for dim in shape)


def _number(dim):
    value = getattr(dim, "value", dim)
    return None if value is None else int(value)


def dtype_of(tensor):
    """The dtype of a symbolic tensor by name."""
    dtype = getattr(tensor, "dtype", None) or "float32"
    if isinstance(dtype, type):
        return dtype.__name__  # CNTK's tensors have NumPy's scalar types
    return str(getattr(dtype, "name", dtype))


# --- subclassed models ----------------------------------------------------------------------------------------------


def around(library, model, shapes=None):
    """A Functional model around a subclassed one, which has no layer graph of its own.

    Args:
        shapes: by input name, with the batch; those that the model was built with where left out.

    Raises:
        RecordError: of kind ``load``: they are not known, or the model can't be called on symbolic tensors.
    """
    if not hasattr(model, "call"):
        raise RecordError("load", "The model was never built: its inputs are unknown.")
    given = _with_shapes(model, shapes) if shapes else _built_with(model)
    if getattr(model, "inputs", None):
        # A layer of it can't be serialized, so that it is code as a whole.
        inputs = [
            library.module.Input(batch_shape=shape_of(tensor), dtype=dtype_of(tensor), name=name)
            for tensor, name in zip(tensor_inputs(model), input_names(model))
        ]
        outputs = model(inputs if len(inputs) > 1 else inputs[0])
        return library.module.Model(inputs, outputs, name=model.name)
    if not given:
        raise RecordError(
            "load",
            "The model was never called, so its inputs are unknown: give their shapes (--input-shape).",
        )
    inputs = []
    arguments = collections.OrderedDict(
        (name, _inputs(library, name, structure, inputs)) for name, structure in given.items()
    )
    first = next(iter(arguments))
    try:
        outputs = model(arguments.pop(first), **arguments)
    except Exception as error:
        raise RecordError("load", "The model can't be called on symbolic tensors: %s" % _line(error))
    return library.module.Model(inputs, outputs, name=model.name)


def _parameters(model):
    """The arguments of a model's call that may be tensors."""
    known = ("self", "training", "mask", "args", "kwargs")
    return [name for name in inspect.signature(model.call).parameters if name not in known]


def _with_shapes(model, shapes):
    """The arguments that shapes by input name are for: so called, else entries of the first one."""
    names = _parameters(model)
    if len(shapes) == 1 and not set(shapes) <= set(names):
        return collections.OrderedDict([(names[0], list(shapes.values())[0])])
    if set(shapes) <= set(names):
        return collections.OrderedDict((name, shapes[name]) for name in names if name in shapes)
    return collections.OrderedDict([(names[0], shapes)])


def _built_with(model):
    """The shapes that a model was built with, by argument."""
    table = getattr(model, "_build_shapes_dict", None)
    names = _parameters(model)
    if table:
        if len(table) == 1:
            return collections.OrderedDict([(names[0], list(table.values())[0])])
        cut = len("_shape")
        return collections.OrderedDict((key[:-cut], shape) for key, shape in table.items())
    shape = getattr(model, "_build_input_shape", None)
    return collections.OrderedDict([(names[0], shape)]) if shape is not None else None


def _inputs(library, name, structure, found):
    """Symbolic inputs of a structure of shapes, which are added to ``found``; their batch is open."""
    if hasattr(structure, "as_list"):
        structure = structure.as_list()
    if isinstance(structure, dict):
        return dict((key, _inputs(library, str(key), structure[key], found)) for key in sorted(structure))
    if all(dim is None or isinstance(dim, int) for dim in structure):
        found.append(library.module.Input(shape=tuple(structure[1:]), name=name))
        return found[-1]
    return [_inputs(library, "%s_%d" % (name, index), shape, found) for index, shape in enumerate(structure)]


# --- predicting -----------------------------------------------------------------------------------------------------


class Recorder(object):
    """A loaded model that predicts, on the CPU and in inference mode."""

    def __init__(self, library, model, custom=None, shapes=None):
        self.library = library
        #: Objects of the user's, by the names that the model's configs call them.
        self.custom = custom or {}
        #: A subclassed model is called as the one layer of a Functional model.
        self.is_around = not getattr(functional(model), "inputs", None)
        self.model = around(library, model, shapes) if self.is_around else model
        self.input_names = input_names(self.model)
        self.output_names = output_names(self.model)

    def predict(self, inputs):
        """The outputs, flat, for arrays in the order of the inputs."""
        return run(self.library, self.model, inputs)

    def layers(self, inputs):
        """What every layer call computed, by its key, for arrays in the order of the inputs."""
        found = collections.OrderedDict()
        _record_layers(self.library, self.model, inputs, "", found, {})
        return found


def run(library, model, inputs):
    """The outputs of ``model``, flat, as arrays of (samples, …)."""
    import numpy as np

    samples = len(inputs[0])
    fixed = [shape_of(tensor)[0] for tensor in tensor_inputs(model)]
    batch = next((size for size in fixed if size), samples)
    parts = []
    for start in range(0, samples, batch):
        chunk = [_padded(array[start : start + batch], batch) for array in inputs]
        wanted = min(batch, samples - start)
        parts.append([array[:wanted] for array in _run_batch(library, model, chunk)])
    return [np.concatenate(arrays) if len(arrays) > 1 else arrays[0] for arrays in zip(*parts)]


def _padded(array, batch):
    import numpy as np

    missing = batch - len(array)
    return array if missing <= 0 else np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])


def _run_batch(library, model, arrays):
    given = arrays[0] if len(arrays) == 1 else arrays
    structure = _structure(model, "_inputs_struct", "_nested_inputs")
    if isinstance(structure, dict):
        given = dict(zip(sorted(structure), arrays))
    elif isinstance(structure, (list, tuple)) and len(arrays) == 1:
        given = [arrays[0]]
    with library.on_cpu():
        if library.is_eager:
            outputs = model(_tensors(library, given), training=False)
        else:
            outputs = model.predict(given, batch_size=len(arrays[0]), verbose=0)
    return [to_numpy(library, output) for output in flatten(outputs)]


def _tensors(library, given):
    if isinstance(given, dict):
        return dict((key, _tensors(library, value)) for key, value in given.items())
    if isinstance(given, list):
        return [_tensors(library, value) for value in given]
    is_text = given.dtype.kind in "SUO"
    if library.major >= 3 and is_text and not library.backend.startswith("tensorflow"):
        return given.tolist()
    if library.major >= 3 and not is_text:
        return library.module.ops.convert_to_tensor(given)
    import tensorflow

    return tensorflow.convert_to_tensor(given)


def to_numpy(library, tensor):
    """A tensor of any backend as an array that an .npz can hold (bfloat16 as float32, text as str or bytes)."""
    import numpy as np

    if isinstance(tensor, (list, tuple)):
        # What layers of text give on backends without text.
        return _text_array(np.asarray(tensor, dtype=object))
    if type(tensor).__name__ in ("RaggedTensor", "SparseTensor"):
        raise RecordError("predict", "A %s has no equivalent in a file." % type(tensor).__name__)

    if library.major >= 3 and not (
        hasattr(tensor, "numpy") and str(getattr(tensor, "dtype", "")).find("string") >= 0
    ):
        array = np.asarray(library.module.ops.convert_to_numpy(tensor))
    elif hasattr(tensor, "numpy"):
        array = np.asarray(tensor.numpy())
    else:
        array = np.asarray(tensor)
    if array.dtype.kind == "O":
        return _text_array(array)
    return array if array.dtype.kind in "biufSU" else array.astype(np.float32)


def _text_array(array):
    """An array of text as str, or as its bytes where one is no UTF-8."""
    import numpy as np

    items = [item if isinstance(item, bytes) else item.encode("utf-8") for item in array.ravel().tolist()]
    try:
        made = np.asarray([item.decode("utf-8") for item in items], dtype=str("U"))
    except UnicodeDecodeError:
        made = np.asarray(items, dtype=str("S"))
    return made.reshape(array.shape)


# --- every layer's output -------------------------------------------------------------------------------------------


def _record_layers(library, model, inputs, prefix, found, counts):
    """Record the calls of ``model``'s layers, then those inside the nested models, which are run on what was recorded.

    Nested models are taken apart by running them once more: their inner tensors are not reachable from outside in
    every Keras.
    """
    calls = [call for call in _calls(model) if not _is_input_layer(call[0])]
    tensors = []
    for _, node in calls:
        tensors.extend(node_outputs(node))
        tensors.extend(node_inputs(node))
    distinct = _distinct(tensors)
    if not calls:
        return
    probe = library.module.models.Model(tensor_inputs(model), distinct)
    arrays = run(library, probe, inputs)
    values = dict((id(tensor), array) for tensor, array in zip(distinct, arrays))
    for layer, node in calls:
        path = prefix + _text(layer.name)
        call = counts.get(path, 0)
        counts[path] = call + 1
        for index, tensor in enumerate(node_outputs(node)):
            key = path + (":%d" % call if call else "") + ("#%d" % index if index else "")
            found[key] = values[id(tensor)]
        if nodes_by_depth(layer) is not None:
            given = [values[id(tensor)] for tensor in node_inputs(node)]
            if len(given) == len(tensor_inputs(layer)):
                _record_layers(library, layer, given, path + "/", found, counts)


def _calls(model):
    """(layer, node) of each call in a model, layers in the model's order, calls in the order they were made."""
    table = nodes_by_depth(model) or {}
    inside = set(id(node) for nodes in table.values() for node in nodes)
    calls = []
    for layer in functional(model).layers:
        nodes = getattr(layer, "_inbound_nodes", None) or getattr(layer, "inbound_nodes", None) or []
        calls.extend((layer, node) for node in nodes if id(node) in inside)
    return calls


def node_outputs(node):
    """The symbolic tensors a call computed, flat."""
    return flatten(_first(node, "output_tensors", "outputs"))


def node_inputs(node):
    """The symbolic tensors a call was given, flat."""
    return flatten(_first(node, "input_tensors", "keras_inputs"))


def _first(node, *names):
    for name in names:
        if hasattr(node, name):
            return getattr(node, name)
    raise RecordError("predict", "This version of Keras keeps its calls where they can't be found.")


def _distinct(tensors):
    seen, kept = set(), []
    for tensor in tensors:
        if id(tensor) not in seen:
            seen.add(id(tensor))
            kept.append(tensor)
    return kept


def _is_input_layer(layer):
    return type(layer).__name__ == "InputLayer"


# --- inputs, made up ------------------------------------------------------------------------------------------------

#: Layers that hand on the elements of their input as they are.
_PASSING = frozenset(
    "InputLayer Reshape Flatten Permute RepeatVector Cropping1D Masking Dropout SpatialDropout1D Concatenate "
    "ActivityRegularization TimeDistributed Sequential Functional Model Identity".split()
)


def index_limits(model):
    """For each input, how many rows the smallest table has that it indexes; None where it indexes none."""
    inputs = tensor_inputs(model)
    limits = dict((id(tensor), None) for tensor in inputs)

    def restrict(tensor, rows, depth=0):
        if id(tensor) in limits:
            old = limits[id(tensor)]
            limits[id(tensor)] = rows if old is None else min(old, rows)
        elif depth < 100:
            layer, node = _maker(model, tensor)
            if layer is not None and type(layer).__name__ in _PASSING:
                for source in node_inputs(node):
                    restrict(source, rows, depth + 1)

    for layer, node in _calls(model):
        for tensor, rows in zip(node_inputs(node), _layer_limits(layer)):
            if rows is not None:
                restrict(tensor, rows)
    return [limits[id(tensor)] for tensor in inputs]


def _maker(model, tensor):
    for layer, node in _calls(model):
        if any(tensor is output for output in node_outputs(node)):
            return layer, node
    return None, None


def _layer_limits(layer):
    kind = type(layer).__name__
    if kind == "Embedding":
        return [int(layer.input_dim)]
    if kind == "CategoryEncoding":
        return [int(layer.num_tokens)]
    if kind == "TimeDistributed":
        return _layer_limits(layer.layer)
    if nodes_by_depth(layer) is not None:
        return index_limits(layer)
    return []


def first_scaling(model):
    """For each input, the first layer that reads it where that rescales or normalizes; else None."""
    found = []
    calls = _calls(model)
    for tensor in tensor_inputs(model):
        readers = [layer for layer, node in calls if any(tensor is source for source in node_inputs(node))]
        kind = type(readers[0]).__name__ if readers else ""
        found.append(readers[0] if kind in ("Rescaling", "Normalization") else None)
    return found


#: Unknown words of lengths that hash functions take otherwise, some of them not ASCII.
_UNKNOWN_WORDS = (
    "zq",
    "na\u00efve",
    "unlikely",
    "\u6771\u4eac",
    "unpronounceable-word",
    "a-word-of-more-than-thirty-two-bytes",
    "word" * 20,
)

#: What stands between words, how many words the longest text has, and how long the others are.
_BETWEEN = (" ", "  ", "\t")
_WORDS = 24
_PARTS = (1.0, 0.5, 0.0, 0.25, 0.8, 0.1)


class TextInput(object):
    """Makes texts for an input: of words that layers of the model know, and of others.

    ``whole``: a layer takes them apart.
    """

    def __init__(self, words, strict, whole):
        self._words = words or list(_UNKNOWN_WORDS)
        self._strict = strict and bool(words)
        self._whole = whole
        self._count = 0

    def draw(self, random, shape):
        """An array of str."""
        import numpy as np

        size = int(np.prod(shape))
        if not self._whole:
            texts = [self._word(random) for _ in range(size)]
        else:
            lengths = [int(round(_WORDS * _PARTS[index % len(_PARTS)])) for index in range(size)]
            texts = [self._text(random, length) for length in lengths]
        return np.asarray(texts, dtype=str("U")).reshape(shape)

    def _text(self, random, length):
        parts = []
        for index in range(length):
            parts += [_BETWEEN[index % len(_BETWEEN)] if index else "", self._word(random)]
        return "".join(parts)

    def _word(self, random):
        kind = 0 if self._strict else self._count % 7
        self._count += 1
        if kind == 2:
            return _UNKNOWN_WORDS[self._count // 7 % len(_UNKNOWN_WORDS)]
        if kind == 4:
            return ""
        word = self._words[int(random.random_sample() * len(self._words))]
        return {3: word.upper(), 5: "(%s!" % word}.get(kind, word)


def text_inputs(model):
    """For each input of text, what makes it up; None for the others."""
    found = []
    calls = _calls(model)
    words, strict = [], False
    for layer in _layers_inside(model):
        if type(layer).__name__ not in ("StringLookup", "TextVectorization"):
            continue
        known = [_text(word) for word in layer.get_vocabulary()] if hasattr(layer, "get_vocabulary") else []
        words += [word for word in known if word]
        strict = strict or getattr(layer, "num_oov_indices", 1) == 0
    splits = any(type(layer).__name__ == "TextVectorization" for layer in _layers_inside(model))
    for tensor in tensor_inputs(model):
        if dtype_of(tensor) != "string":
            found.append(None)
            continue
        readers = [layer for layer, node in calls if any(tensor is source for source in node_inputs(node))]
        kinds = [type(layer).__name__ for layer in readers]
        takes_words = any(kind in ("StringLookup", "Hashing", "HashedCrossing") for kind in kinds)
        found.append(TextInput(words, strict, splits and not takes_words))
    return found


def _layers_inside(model):
    """The layers of a model and of those inside it."""
    found = []
    for layer in getattr(model, "layers", ()):
        found.append(layer)
        found.extend(_layers_inside(layer))
        if hasattr(layer, "layer"):
            found.append(layer.layer)
    return found


def make_inputs(recorder, samples, seed):
    """Inputs in the order of the model's, and its outputs on them; unknown lengths by trying."""
    model = recorder.model
    texts = text_inputs(model)
    if samples is None:
        samples = TEXT_SAMPLES if any(texts) else SAMPLES
    limits, scalings = index_limits(model), first_scaling(model)
    tensors = tensor_inputs(model)
    unknown = any(dim is None for tensor in tensors for dim in shape_of(tensor)[1:])
    problem = None
    for length in LENGTHS if unknown else LENGTHS[:1]:
        drawn = [
            draw(name, shape_of(tensor), dtype_of(tensor), rows, scaling, samples, length, seed, text)
            for name, tensor, rows, scaling, text in zip(
                recorder.input_names, tensors, limits, scalings, texts
            )
        ]
        try:
            outputs = recorder.predict(drawn)
        except RecordError:
            raise
        except Exception as error:
            # What a backend raises for an input that is too short differs from version to version.
            problem = error
            continue
        if all(array.size for array in outputs):
            return drawn, outputs
    raise RecordError(
        "predict",
        "The model computes nothing on made-up inputs; give some with --inputs. (%s)" % _line(problem),
    )


def draw(name, shape, dtype, rows, scaling, samples, length, seed, text=None):
    """An array for one input: indices, pixels, texts, or standard normal numbers."""
    import numpy as np

    full = (samples,) + tuple(length if dim is None else dim for dim in shape[1:])
    # RandomState's streams are the same in every NumPy (NEP 19).
    random = np.random.RandomState(zlib.crc32(("%d/%s" % (seed, name)).encode("utf-8")) & 0xFFFFFFFF)
    if dtype == "bool":
        return random.random_sample(full) < 0.5
    if dtype == "string":
        return text.draw(random, full)
    if dtype == "bfloat16":
        dtype = "float32"
    if rows is not None or "int" in dtype:
        high = rows if rows is not None else 256 if dtype == "uint8" or scaling is not None else 10
        if "int" in dtype:
            high = min(high, int(np.iinfo(dtype).max) + 1)
        return np.floor(random.random_sample(full) * high).astype(dtype)
    if (
        type(scaling).__name__ == "Rescaling"
        and np.size(scaling.scale) == 1
        and abs(float(scaling.scale)) < 1 / 64
    ):
        return (random.random_sample(full) * 255).astype(dtype)
    drawn = random.standard_normal(full)
    if type(scaling).__name__ == "Normalization" and getattr(scaling, "mean", None) is not None:
        drawn = _plain(scaling.mean) + drawn * np.sqrt(_plain(scaling.variance))
    return drawn.astype(dtype)


def _plain(value):
    import numpy as np

    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


# --- files ----------------------------------------------------------------------------------------------------------


def read_inputs(path, names):
    """The arrays of an .npz in the order of ``names``; by position where a file of one array or of a kexport golden
    file uses other names."""
    import numpy as np

    if path.endswith(".npy"):
        return [np.load(path, allow_pickle=False)]
    with np.load(path, allow_pickle=False) as archive:
        stored = [(key, archive[key]) for key in archive.files]
    stored = [
        (key, value) for key, value in stored if key != "meta" and not key.startswith(("outputs/", "layers/"))
    ]
    arrays = dict((key[7:] if key.startswith("inputs/") else key, value) for key, value in stored)
    if set(arrays) == set(names):
        return [arrays[name] for name in names]
    if (
        len(stored) == len(names) == 1
        or all(key.startswith("inputs/") for key, _ in stored)
        and len(stored) == len(names)
    ):
        return [value for _, value in stored]
    raise RecordError(
        "usage",
        "The inputs must hold an array for each of %s. Received: %s"
        % (", ".join(names), ", ".join(sorted(arrays))),
    )


def write_npz(path, entries):
    """Write (name, array) pairs as an .npz: the same contents give the same bytes, and never half a file."""
    import numpy as np

    temporary = "%s.%d.part" % (path, os.getpid())
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, True) as archive:
            for name, array in entries:
                buffer = io.BytesIO()
                np.lib.format.write_array(
                    buffer, np.ascontiguousarray(array).reshape(np.shape(array)), allow_pickle=False
                )
                info = zipfile.ZipInfo(name + ".npy", date_time=(1980, 1, 1, 0, 0, 0))
                info.create_system = 3
                info.external_attr = 0o644 << 16
                archive.writestr(info, buffer.getvalue())
        if os.name == "nt" and os.path.exists(path):
            os.remove(path)
        os.rename(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def golden_entries(meta, names_in, inputs, names_out, outputs, layers):
    """The entries of a golden file, in order."""
    import numpy as np

    yield "meta", np.array(json.dumps(meta, sort_keys=True))
    for name, array in zip(names_in, inputs):
        yield "inputs/" + name, array
    for name, array in zip(names_out, outputs):
        yield "outputs/" + name, array
    for key, array in layers.items():
        yield "layers/" + key, array


def sha256(path):
    """The SHA-256 of a file, in hexadecimal; of a folder, that of what sha256sum prints for its files in the order of their names."""
    digest = hashlib.sha256()
    if os.path.isdir(path):
        files = [os.path.join(root, name) for root, _, names in os.walk(path) for name in names]
        named = sorted((os.path.relpath(file, path).replace(os.sep, "/"), file) for file in files)
        digest.update("".join("%s  %s\n" % (sha256(file), name) for name, file in named).encode("utf-8"))
        return digest.hexdigest()
    with io.open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def describe(library):
    """What computes, for a golden file's meta."""
    return {
        "format": FORMAT_VERSION,
        "recorder": RECORDER_VERSION,
        "keras": library.version,
        "library": library.name,
        "backend": library.backend,
    }


# --- the command line -----------------------------------------------------------------------------------------------


def record(options):
    """Load, predict and write; returns a line about what was done."""
    library, recorder = load(options)
    if options.inputs:
        inputs = read_inputs(options.inputs, recorder.input_names)
        outputs = recorder.predict(inputs)
    else:
        inputs, outputs = make_inputs(recorder, options.samples, options.seed)
    layers = recorder.layers(inputs) if options.layers else {}
    meta = dict(describe(library), model_sha256=sha256(options.model))
    if not options.inputs:
        meta["seed"] = options.seed
    entries = golden_entries(meta, recorder.input_names, inputs, recorder.output_names, outputs, layers)
    write_npz(options.out, entries)
    return "%s: %d samples computed by %s %s (%s)" % (
        options.out,
        len(inputs[0]),
        meta["library"],
        meta["keras"],
        meta["backend"],
    )


def serve(options, answers):
    """Load the model, then answer requests until standard input ends.

    A request is ``{"inputs": path, "out": path, "layers": bool, "input_names": [...], "output_names": [...]}``; the
    names are the caller's, in its order. Or it is ``{"trace": {...}, "folder": path}``: see ``kexport/tracing/calls.py``.
    """
    requests = _Requests()
    library, recorder = load(options)
    ready = dict(describe(library), ready=True)
    ready.update(input_names=recorder.input_names, output_names=recorder.output_names)
    if recorder.is_around:
        ready["around"] = description(recorder)
    _answer(answers, ready)
    tracing = None
    for request in requests:
        try:
            if "trace" in request:
                tracing = tracing or _Tracing(library, recorder, request["folder"])
                _answer(answers, tracing.answer(request["trace"]))
            else:
                _answer(answers, _respond(library, recorder, request))
        except Exception as error:
            # Whatever a backend raises is the answer; the caller tries another.
            _answer(answers, _failure(error, "predict"))


def description(recorder):
    """The Functional model around one that is code, as plain data."""
    tensors = tensor_inputs(recorder.model)
    inner = layer_of(tensor_outputs(recorder.model)[0])
    names = dict((id(tensor), name) for tensor, name in zip(tensors, recorder.input_names))

    def named(item):
        if isinstance(item, dict):
            return dict((key, named(value)) for key, value in item.items())
        if isinstance(item, (list, tuple)):
            return [named(value) for value in item]
        if id(item) in names:
            return {"class_name": "__keras_tensor__", "config": {"keras_history": [names[id(item)], 0, 0]}}
        return item

    node = inner._inbound_nodes[-1]
    arguments = getattr(node, "arguments", None)
    args, kwargs = (
        (arguments.args, arguments.kwargs) if arguments is not None else (node.call_args, node.call_kwargs)
    )
    policy = getattr(inner, "dtype_policy", None) or getattr(inner, "_dtype_policy", None)
    return {
        "name": inner.name,
        "class_name": type(inner).__name__,
        "inputs": [
            {"name": name, "shape": list(shape_of(tensor)), "dtype": dtype_of(tensor)}
            for name, tensor in zip(recorder.input_names, tensors)
        ],
        "call": {"args": named(list(args)), "kwargs": named(dict(kwargs))},
        "outputs": recorder.output_names,
        "dtype": str(getattr(policy, "name", "float32")),
    }


class _Tracing(object):
    """Answers what kexport asks of the user's own code; arrays go into files."""

    def __init__(self, library, recorder, folder):
        from kexport.tracing.calls import Calls

        self._calls = Calls(library, recorder.model, recorder.custom, self._keep)
        self._folder = folder
        self._library = library
        self._keys = {}
        self._held = []
        self._new = {}

    def _keep(self, item, dtype):
        key = self._keys.get((id(item), dtype))
        if key is None:
            key = str(len(self._keys))
            self._keys[id(item), dtype] = key
            # As long as it lives, nothing else has its id.
            self._held.append(item)
            self._new[key] = self._written(key, item, dtype)
        return key

    def _written(self, key, item, dtype):
        import numpy as np

        array = np.asarray(item.numpy() if hasattr(item, "numpy") else item)
        path = os.path.join(self._folder, "weight_%s.npy" % key)
        np.save(path, array if array.dtype.kind in "biuf" else array.astype(np.float32))
        return {"path": path, "shape": list(array.shape), "dtype": dtype}

    def answer(self, request):
        from kexport.tracing.calls import TraceError

        self._new = {}
        try:
            answer = self._calls.answer(request)
        except TraceError as error:
            raise RecordError("trace", str(error))
        return dict(answer, arrays=self._new, who=describe(self._library))


def _respond(library, recorder, request):
    names_in = match_names(request.get("input_names"), recorder.input_names, "inputs")
    names_out = match_names(request.get("output_names"), recorder.output_names, "outputs")
    inputs = read_inputs(request["inputs"], names_in)
    started = time.time()
    outputs = recorder.predict(inputs)
    layers = recorder.layers(inputs) if request.get("layers") else {}
    entries = golden_entries(describe(library), names_in, inputs, names_out, outputs, layers)
    write_npz(request["out"], entries)
    return {"done": True, "seconds": time.time() - started}


def match_names(theirs, ours, what):
    """The caller's names in this Keras's order: the same names, or else the same number in the same order."""
    if theirs is None or set(theirs) == set(ours):
        return ours
    if len(theirs) != len(ours):
        raise RecordError(
            "names", "This Keras reads %d %s (%s), not %d." % (len(ours), what, ", ".join(ours), len(theirs))
        )
    return theirs


class _Requests(object):
    """The lines of standard input, read on a thread: when it ends, so does this process, whatever it is doing."""

    def __init__(self):
        self._lines = []
        self._ready = threading.Condition()
        reader = threading.Thread(target=self._read)
        reader.daemon = True
        reader.start()

    def _read(self):
        for line in iter(sys.stdin.readline, ""):
            with self._ready:
                self._lines.append(line)
                self._ready.notify()
        os._exit(0)

    def __iter__(self):
        while True:
            with self._ready:
                while not self._lines:
                    # A timeout lets Python 2 hear signals.
                    self._ready.wait(3600)
                line = self._lines.pop(0)
            yield json.loads(line)


def _answer(stream, data):
    stream.write((json.dumps(data) + "\n").encode("utf-8"))
    stream.flush()


def _failure(error, kind):
    if isinstance(error, RecordError):
        return {"error": str(error), "kind": error.kind}
    return {
        "error": "%s: %s" % (type(error).__name__, _line(error)),
        "kind": kind,
        "trace": traceback.format_exc()[-4000:],
    }


def _line(error):
    """The first two lines of an error's text (Keras puts the layer in one and the cause in the next), without colours."""
    text = re.sub("\x1b\\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    shown = 3 if len(lines) > 2 and lines[1].endswith("encountered:") else 2
    return " ".join(lines[:shown])[:600] if lines else type(error).__name__


def _answers():
    """Standard output for answers alone: what libraries print goes to standard error from here on."""
    own = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(own, "wb")


def parse(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(description="Record what a Keras model computes, for kexport --golden.")
    parser.add_argument("model", help="model.h5, .hdf5, .keras, or model.json with --weights")
    parser.add_argument("--out", help="the golden file to write (.npz)")
    parser.add_argument("--inputs", help="your own inputs: .npz by input name (one input: also .npy)")
    parser.add_argument("--weights", help="the weights of a .json model")
    parser.add_argument("--layers", action="store_true", help="also record what every layer computes")
    parser.add_argument(
        "--samples",
        type=int,
        default=None,
        help="made-up samples (default %d, of text %d)" % (SAMPLES, TEXT_SAMPLES),
    )
    parser.add_argument("--seed", type=int, default=0, help="of the made-up inputs (default 0)")
    parser.add_argument(
        "--custom-objects", help="a Python file that defines the model's custom layers; it is run"
    )
    parser.add_argument(
        "--custom-object",
        action="append",
        default=[],
        metavar="NAME=EXPRESSION",
        help="a function by its name in the model: '<lambda>=relu(max_value=20)'; repeatable",
    )
    parser.add_argument(
        "--trust-lambda", action="store_true", help="run the Python code that the model file holds"
    )
    parser.add_argument(
        "--input-shapes",
        type=json.loads,
        help="of a subclassed model: JSON, {name: [...]} with the batch (null)",
    )
    parser.add_argument(
        "--library",
        default="auto",
        choices=["auto", "keras", "tf_keras", "tensorflow.keras"],
        help="which Keras",
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.serve and not options.out:
        parser.error("--out is needed: the golden file to write")
    return options


def main(arguments=None):
    """Returns the exit code: 0, 1 for an error that is explained."""
    options = parse(arguments)
    prepare_environment()
    if options.serve:
        # Its own folder is kexport's, and no place to find modules in.
        here = os.path.dirname(os.path.abspath(__file__))
        sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != here]
    answers = _answers() if options.serve else None
    try:
        if options.serve:
            serve(options, answers)
        else:
            print(record(options))
    except Exception as error:
        if options.serve:
            _answer(answers, _failure(error, "load"))
        elif isinstance(error, (RecordError, IOError, OSError)):
            print("error: %s" % error, file=sys.stderr)
        else:
            raise
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
