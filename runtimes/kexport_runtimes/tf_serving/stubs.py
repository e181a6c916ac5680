"""The messages and stubs of tensorflow-serving-api, without TensorFlow.

They import TensorFlow's messages, which lie in its package, and so TensorFlow itself, which takes seconds and hundreds of megabytes. The
messages need none of it: they are found by the package's folder alone, under a stand-in that is there for as long as they are imported.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

_INSTALL: Final = "pip install 'kexport[serving]'"


def missing() -> str | None:
    """None where gRPC can be spoken here; otherwise why not, with the command that changes it."""
    for module, package in (
        ("grpc", "grpcio"),
        ("tensorflow_serving", "tensorflow-serving-api"),
        ("tensorflow", "tensorflow"),
    ):
        if find_spec(module) is None:
            return f"gRPC needs the package {package}, which is not installed: {_INSTALL}."
    return None


@cache
def grpc() -> Any:
    """gRPC, which says nothing on standard error of servers that are not there: that is in the report."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    return importlib.import_module("grpc")


@cache
def api(name: str) -> Any:
    """A module of ``tensorflow_serving.apis``: ``predict_pb2``."""
    with _messages_alone():
        return importlib.import_module(f"tensorflow_serving.apis.{name}")


@contextmanager
def _messages_alone() -> Iterator[None]:
    if "tensorflow" in sys.modules:
        yield
        return
    spec = find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
    stand_in = ModuleType("tensorflow")
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules["tensorflow"] = stand_in
    try:
        yield
    finally:
        # Whoever imports TensorFlow later gets TensorFlow.
        del sys.modules["tensorflow"]
