"""A sweep: operations of one and two tensors in every dtype, and with a number on either side. Rows that Keras itself can't compute
are left out when the models are made."""

from __future__ import annotations

from typing import Any

from lowering.operation_rows import BINARY, UNARY, Call, Function

_MORE_UNARY = "angle argsort erfinv i0 median nanmedian sort tril triu trace diagonal cumprod diff"
_MORE_BINARY = "append dot floor_divide fmod gcd inner isin kron lcm ldexp mod nextafter outer power vdot bitwise_and bitwise_or bitwise_xor"
_UNARY = (*sorted({word for words in UNARY.values() for word in words.split()}), *_MORE_UNARY.split())
_BINARY = (*BINARY.split(), *_MORE_BINARY.split())
_NUMBERS = {"two": 2, "half": 0.5, "true": True}


class _After:
    """One operation, called on a number and then on a tensor."""

    def __init__(self, name: str, letters: str, number: Any) -> None:
        self.name, self.letters, self.number = name, letters, number

    def __call__(self, ops: Any, tensor: Any) -> Any:
        return getattr(ops, self.name)(self.number, tensor)


ROWS: dict[str, Function] = {f"{name}-{letter}": Call(name, letter) for name in _UNARY for letter in "xkbhug"}
ROWS |= {f"{name}-{a}-{b}": Call(name, a + b) for name in _BINARY for a in "xkbhug" for b in "ykcmhug"}
for _name in _BINARY:
    for _word, _number in _NUMBERS.items():
        ROWS |= {f"{_name}-{letter}-{_word}": Call(_name, letter, _number) for letter in "xkbhug"}
        ROWS |= {f"{_name}-{_word}-{letter}": _After(_name, letter, _number) for letter in "xkbhug"}

ALSO_H5 = ()

#: Rows that can't be built are not made.
MAY_FAIL = True
