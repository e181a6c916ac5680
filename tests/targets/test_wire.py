"""Protocol buffers' wire format, beside the protobuf package's own."""

from __future__ import annotations

import io

import pytest
from google.protobuf import descriptor_pb2
from hypothesis import given
from hypothesis import strategies as st

from kexport_targets.wire import Later, Message, varint


def written(message: Message) -> bytes:
    file = io.BytesIO()
    message.write(file)
    assert len(file.getvalue()) == message.size
    return file.getvalue()


@given(st.text(), st.integers(-(2**31), 2**31 - 1), st.lists(st.text()))
def test_messages_are_read_by_protobuf(name: str, number: int, names: list[str]) -> None:
    inner = Message().text(1, name).integer(3, number)
    message = Message()
    for item in names:
        message.text(3, item)
    found = descriptor_pb2.FileDescriptorProto.FromString(
        written(message.message(4, Message().message(2, inner)))
    )
    assert [*found.dependency] == names
    (field,) = found.message_type[0].field
    assert (field.name, field.number) == (name, number)


@given(st.integers(-(2**63), 2**64 - 1))
def test_varints(number: int) -> None:
    data, value = varint(number), 0
    for index, byte in enumerate(data):
        value |= (byte & 0x7F) << 7 * index
    assert value == number % 2**64
    assert all(byte > 0x7F for byte in data[:-1])
    assert data[-1] <= 0x7F


def test_contents_are_read_when_they_are_written_and_have_the_size_that_was_said() -> None:
    read = []

    def contents() -> bytes:
        read.append(1)
        return b"abc"

    message = Message().message(1, Message().later(4, Later(3, contents)))
    assert not read
    assert written(message) == b"\x0a\x05\x22\x03abc"
    with pytest.raises(ValueError, match=r"4 bytes were announced\. Received: 3"):
        written(Message().later(4, Later(4, contents)))


def test_floats() -> None:
    assert written(Message().float32(4, 0.5)) == b"\x25\x00\x00\x00\x3f"
    assert written(Message().integers(3, [1, 300, -1])) == b"\x1a\x0d\x01\xac\x02" + b"\xff" * 9 + b"\x01"
