"""What TensorFlow makes of checkpoints and of the models around them: ``python checkpoint_side.py JOBS.json``, in a process of its own.

A job has a ``folder`` (of one version), ``inputs`` and ``outputs`` (.npz). The model is run as TensorFlow 2 loads it, and loaded by the
C++ loader that TF Serving has; of its checkpoint, all tensors are read. Prints, as JSON, what each checkpoint holds.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def loaded_by_cpp(folder: str) -> str:
    """``TF_LoadSessionFromSavedModel`` (tensorflow/c/c_api.h), which restores variables and runs the main operation; what it says."""
    library = ctypes.CDLL(str(Path(tf.sysconfig.get_lib()) / "libtensorflow_cc.so.2"))
    for name in ("TF_NewStatus", "TF_NewSessionOptions", "TF_NewGraph", "TF_LoadSessionFromSavedModel"):
        getattr(library, name).restype = ctypes.c_void_p
    library.TF_Message.restype = ctypes.c_char_p
    status = ctypes.c_void_p(library.TF_NewStatus())
    tags = (ctypes.c_char_p * 1)(b"serve")
    session = library.TF_LoadSessionFromSavedModel(
        ctypes.c_void_p(library.TF_NewSessionOptions()),
        None,
        folder.encode(),
        tags,
        1,
        ctypes.c_void_p(library.TF_NewGraph()),
        None,
        status,
    )
    if library.TF_GetCode(status):
        return str(library.TF_Message(status).decode())
    library.TF_CloseSession(ctypes.c_void_p(session), status)
    return "loaded"


def held(folder: Path) -> dict[str, Any]:
    if not (folder / "variables").exists():
        return {}
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    found = {}
    for name, shape in reader.get_variable_to_shape_map().items():
        array = reader.get_tensor(name)
        found[name] = {"dtype": array.dtype.name, "shape": shape, "sum": float(array.astype("f8").sum())}
    return found


def main(jobs: str) -> None:
    said = []
    for job in json.loads(Path(jobs).read_text()):
        model = tf.saved_model.load(job["folder"])
        with np.load(job["inputs"]) as arrays:
            given = {name: tf.constant(arrays[name]) for name in arrays.files}
        computed = model.signatures["serving_default"](**given)
        np.savez(job["outputs"], **{name: np.asarray(value) for name, value in computed.items()})
        said.append({"cpp": loaded_by_cpp(job["folder"]), "held": held(Path(job["folder"]))})
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
