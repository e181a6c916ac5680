"""Every number of the schema tables against the schema that ai-edge-litert ships."""

from __future__ import annotations

import re

import pytest
from ai_edge_litert import schema_py_generated as generated

from kexport_targets.tflite import schema

#: What the schema calls fields that kexport calls shorter.
FIELDS = {
    "activation": "FusedActivationFunction",
    "dilation_d": "DilationDFactor",
    "dilation_h": "DilationHFactor",
    "dilation_w": "DilationWFactor",
}
DTYPES = {"string": "STRING", "bool": "BOOL"}


class Recorder:
    """Stands for a flatbuffers builder, and notes how a field is put into it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, object]] = []

    def __getattr__(self, method: str):
        return lambda slot, value, default: self.calls.append((method, slot, default))


def test_file_identifier():
    assert generated.Model.ModelBufferHasIdentifier(b"\0\0\0\0" + schema.FILE_IDENTIFIER, 0)


@pytest.mark.parametrize(("dtype", "number"), schema.TENSOR_TYPES.items())
def test_tensor_types(dtype, number):
    assert getattr(generated.TensorType, DTYPES.get(dtype, dtype.upper())) == number


@pytest.mark.parametrize(
    ("table", "enum"),
    [
        (schema.PADDINGS, generated.Padding),
        (schema.ACTIVATIONS, generated.ActivationFunctionType),
        (schema.MIRROR_MODES, generated.MirrorPadMode),
    ],
)
def test_enumerations(table, enum):
    assert table == {name: getattr(enum, name.upper()) for name in table}


def test_builtins():
    assert {name: getattr(generated.BuiltinOperator, name) for name in schema.BUILTINS} == schema.BUILTINS


@pytest.mark.parametrize("table", schema.OPTIONS)
def test_options(table):
    number, fields = schema.OPTIONS[table]
    assert number == getattr(generated.BuiltinOptions, table)
    for name, (slot, kind, default) in fields.items():
        camel = FIELDS.get(name) or re.sub("(?:^|_)(.)", lambda match: match[1].upper(), name)
        recorder = Recorder()
        getattr(generated, f"{table}Add{camel}")(recorder, 0)
        method = "PrependUOffsetTRelativeSlot" if kind == "ints" else f"Prepend{kind}Slot"
        assert recorder.calls == [(method, slot, 0 if kind == "ints" else default)], (table, name)


def test_every_field_is_asked_for_once():
    for table, (_, fields) in schema.OPTIONS.items():
        assert len({slot for slot, _, _ in fields.values()}) == len(fields), table
    assert len({number for number, _ in schema.OPTIONS.values()}) == len(schema.OPTIONS)
