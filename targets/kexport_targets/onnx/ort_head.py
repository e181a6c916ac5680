"""The head of an .ort file, written anew: ONNX Runtime puts the tables of its kernels' types there in an order that is another every time.

The file is a flatbuffer (onnxruntime/core/flatbuffers/schema/ort.fbs, v1.17), which is built from its end: the model first, then
``KernelTypeStrResolver``, then the root. So what stands before the model is these two, and the model holds nothing of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import flatbuffers
import onnxruntime.tools.ort_format_model as _  # noqa: F401 - it is what makes the next modules importable
from ort_flatbuffers_py.fbs import (
    ArgTypeAndIndex,
    InferenceSession,
    KernelTypeStrArgsEntry,
    KernelTypeStrResolver,
    OpIdKernelTypeStrArgsEntry,
)

_IDENTIFIER: Final = b"ORTM"

#: Where a root's vtable says where its model is: after two sizes and the version, two bytes each.
_MODEL: Final = 6

#: What any vector of the model is aligned to, at most.
_ALIGNMENT: Final = 64


def with_head_in_order(data: bytearray) -> bytes:
    """The same file, its bytes the same whenever its contents are."""
    session = InferenceSession.InferenceSession.GetRootAsInferenceSession(data, 0)
    model = session.Model()._tab.Pos  # noqa: SLF001 - offsets are not public
    (behind,) = struct.unpack_from("<i", data, model)
    start = min(model, model - behind)
    head = _head(session)
    head += bytes((start - len(head)) % _ALIGNMENT)
    root = InferenceSession.InferenceSession.GetRootAsInferenceSession(head, 0)._tab  # noqa: SLF001
    field = root.Pos + root.Offset(_MODEL)
    struct.pack_into("<I", head, field, len(head) + model - start - field)
    return bytes(head) + bytes(memoryview(data)[start:])


def _head(session: Any) -> bytearray:
    """A root whose model is an empty table, until it is made to point behind the head."""
    b = flatbuffers.Builder(4096)
    resolver = _resolver(b, session.KernelTypeStrResolver())
    version = b.CreateString(session.OrtVersion())
    b.StartObject(0)
    model = b.EndObject()
    InferenceSession.Start(b)
    InferenceSession.AddOrtVersion(b, version)
    InferenceSession.AddModel(b, model)
    if resolver is not None:
        InferenceSession.AddKernelTypeStrResolver(b, resolver)
    b.Finish(InferenceSession.End(b), file_identifier=_IDENTIFIER)
    return bytearray(b.Output())


def _resolver(b: Any, given: Any) -> int | None:
    """Which inputs and outputs of each operator go by which of its types' names; sorted by operator, and by name, as the format asks."""
    if given is None:
        return None
    operators = [given.OpKernelTypeStrArgs(i) for i in range(given.OpKernelTypeStrArgsLength())]
    made = [_operator(b, one) for one in sorted(operators, key=lambda one: one.OpId())]
    entries = _vector(b, KernelTypeStrResolver.StartOpKernelTypeStrArgsVector, made)
    KernelTypeStrResolver.Start(b)
    KernelTypeStrResolver.AddOpKernelTypeStrArgs(b, entries)
    return int(KernelTypeStrResolver.End(b))


def _operator(b: Any, given: Any) -> int:
    names = [given.KernelTypeStrArgs(i) for i in range(given.KernelTypeStrArgsLength())]
    made = [_name(b, one) for one in sorted(names, key=lambda one: one.KernelTypeStr())]
    entries = _vector(b, OpIdKernelTypeStrArgsEntry.StartKernelTypeStrArgsVector, made)
    identity = b.CreateString(given.OpId())
    OpIdKernelTypeStrArgsEntry.Start(b)
    OpIdKernelTypeStrArgsEntry.AddOpId(b, identity)
    OpIdKernelTypeStrArgsEntry.AddKernelTypeStrArgs(b, entries)
    return int(OpIdKernelTypeStrArgsEntry.End(b))


def _name(b: Any, given: Any) -> int:
    made = []
    for argument in (given.Args(i) for i in range(given.ArgsLength())):
        ArgTypeAndIndex.Start(b)
        ArgTypeAndIndex.AddArgType(b, argument.ArgType())
        ArgTypeAndIndex.AddIndex(b, argument.Index())
        made.append(int(ArgTypeAndIndex.End(b)))
    entries = _vector(b, KernelTypeStrArgsEntry.StartArgsVector, made)
    name = b.CreateString(given.KernelTypeStr())
    KernelTypeStrArgsEntry.Start(b)
    KernelTypeStrArgsEntry.AddKernelTypeStr(b, name)
    KernelTypeStrArgsEntry.AddArgs(b, entries)
    return int(KernelTypeStrArgsEntry.End(b))


def _vector(b: Any, start: Callable[[Any, int], int], offsets: Sequence[int]) -> int:
    start(b, len(offsets))
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())
