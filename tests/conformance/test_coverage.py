"""Every public layer of the installed Keras versions is in the conformance table, or in a list that says why not."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from conformance.cases import FAMILIES
from conformance.layers_without_rows import REASONS, TF_KERAS_REASONS
from kexport.lowering import known_layers

MODULES = {"keras3": "keras", "keras2": "tf_keras"}

#: Prints the names of each class of the module's public layers: its own first, then those that it is also found under.
LIST = """
import importlib, json, sys
layers = importlib.import_module(sys.argv[1]).layers
names = {}
for name in sorted(dir(layers)):
    found = getattr(layers, name)
    if isinstance(found, type) and issubclass(found, layers.Layer):
        names.setdefault(found, [found.__name__]).append(name)
print(json.dumps(list(names.values())))
"""


def public_layers(module: str) -> list[list[str]]:
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
    }
    command = [sys.executable, "-W", "ignore", "-c", LIST, module]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    listed: list[list[str]] = json.loads(done.stdout.strip().splitlines()[-1])
    return listed


@pytest.mark.parametrize("writer", MODULES)
def test_every_public_layer_has_a_row_or_a_reason(writer: str) -> None:
    rows = {case.id.partition("-")[0] for cases in FAMILIES.values() for case in cases if writer in case.only}
    layers = public_layers(MODULES[writer])
    assert len(layers) > 100
    reasons = REASONS | (TF_KERAS_REASONS if writer == "keras2" else {})
    missing = [names[0] for names in layers if not {*names} & (rows | reasons.keys())]
    assert not missing, f"Add rows for them, or say why not: {', '.join(missing)}"


def test_no_reason_is_given_for_a_layer_that_has_a_row_or_is_none() -> None:
    rows = {
        (case.id.partition("-")[0], writer)
        for cases in FAMILIES.values()
        for case in cases
        for writer in case.only
    }
    public = {name for module in MODULES.values() for names in public_layers(module) for name in names}
    assert not REASONS.keys() & {name for name, _ in rows}
    assert not TF_KERAS_REASONS.keys() & {name for name, writer in rows if writer == "keras2"}
    assert (REASONS | TF_KERAS_REASONS).keys() <= public


def test_every_row_of_a_layer_names_one_that_has_a_rule() -> None:
    rows = {case.id.partition("-")[0] for cases in FAMILIES.values() for case in cases}
    public = {name for names in public_layers("keras") for name in names}
    aliases = {name for names in public_layers("keras") for name in names[1:] if {*names} & {*known_layers()}}
    assert (rows & public) <= {*known_layers()} | aliases
