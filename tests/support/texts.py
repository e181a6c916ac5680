"""Texts that tell splitting, cases and signs apart, and graphs of what is done with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kexport.ir import Builder, Value, dims

N, LENGTH = dims.symbol("n"), dims.symbol("tokens")

TEXTS = np.asarray(
    [
        "The cat sat, on the mat!",
        "",
        " \ttabs\nand\r\x0bother\x0cspaces ",
        "ÄÖÜ É stay",
        "don't [x]~`|^_ {",
        "日本語 テキスト 🙂",
        "!!!",
    ]
)


def tokens(split: str, ngrams: Any, length: Any) -> Any:
    def body(b: Builder, x: Value) -> Value:
        plain = b.op("strip_punctuation", b.op("lower", x))
        return b.op("tokenize", plain, split=split, ngrams=ngrams, length=length)

    return body


def vocabulary(count: int) -> Any:
    words = np.empty(count, object)
    words[:] = [f"wörd{index * index}".encode() for index in range(count)]
    return words


def looked_up(words: Any, default: int = -7) -> Any:
    def body(b: Builder, x: Value) -> Value:
        return b.op(
            "lookup",
            x,
            b.constant(words, "string"),
            b.constant(np.arange(10, 10 + len(words))),
            default=default,
        )

    return body
