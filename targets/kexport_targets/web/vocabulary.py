"""What integers a text becomes: ``--vocabulary``. ``runtimes/web/src/page/text.ts`` turns texts into them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kexport.errors import UsageError
from kexport.ir import Graph, Value

#: Where the zeros of a short text stand: ``pad_sequences`` puts them first, ``TextVectorization`` last.
PADDINGS: Final = ("pre", "post")

#: What the writers of vocabularies call a word that is in none (keras 3.15: TextVectorization has "[UNK]"; Keras's Tokenizer takes a
#: name, and "<OOV>" or "<unk>" are the usual ones).
_UNKNOWN: Final = ("[UNK]", "<OOV>", "<oov>", "<UNK>", "<unk>")


def read_vocabulary(
    path: Path | None, padding: str, inputs: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """What a file says of the first input that can be a text: a line (or an element of a JSON list) for each integer from 0 on, or a JSON
    object of words and their integers. A vocabulary whose words have a character each is one of characters.

    Raises:
        UsageError: it can't be read, or no input is (samples, length) of integers.
    """
    if padding not in PADDINGS:
        raise UsageError(f"Texts are padded pre or post. Received: {padding!r}")
    if path is None:
        return None
    text = next((port for port in inputs if len(port["shape"]) == 2 and port["shape"][1] > 1), None)
    if text is None:
        given = ", ".join(f"{port['name']} {tuple(port['shape'])}" for port in inputs)
        raise UsageError(f"A vocabulary is for an input of shape (samples, length). Received: {given}")
    words = _words(path)
    rows = text.get("rows")
    known = {word: index for word, index in words.items() if word and (rows is None or index < rows)}
    unknown = next((words[word] for word in _UNKNOWN if word in known), None)
    known = {word: index for word, index in known.items() if word not in _UNKNOWN}
    if not known:
        raise UsageError(f"The vocabulary in {path.name!r} has no words that the model knows.")
    return {
        "input": text["name"],
        "unit": "character" if all(len(word) == 1 for word in known) else "word",
        "padding": padding,
        "unknown": unknown,
        "words": known,
    }


def _words(path: Path) -> dict[str, int]:
    try:
        raw = path.read_text("utf-8")
        # A line ends with \n alone: other separators may be words.
        found = json.loads(raw) if path.suffix == ".json" else raw.removesuffix("\n").split("\n")
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"The vocabulary in {path.name!r} can't be read: {error}.") from error
    if isinstance(found, list) and all(isinstance(word, str) for word in found):
        words: dict[str, int] = {}
        for index, word in enumerate(found):
            words.setdefault(word.removesuffix("\r"), index)
        return words
    if isinstance(found, dict) and all(type(index) is int and index >= 0 for index in found.values()):
        return found
    raise UsageError(
        f"A vocabulary is a text file, a word a line, a JSON list of words, or a JSON object of integers. Received: {path.name!r}"
    )


def rows_read(graph: Graph) -> dict[str, int]:
    """By input, how many rows the tables have that its integers are looked up in: they are below that."""
    found: dict[str, int] = {}
    names = dict(zip(graph.inputs, graph.input_names, strict=True))
    for node in graph.nodes:
        if node.op == "gather" and node.attrs["axis"] == 0 and node.input(0).constant is not None:
            name = names.get(_source(node.input(1)))
            rows = node.input(0).shape[0]
            if name is not None and isinstance(rows, int):
                found[name] = min(rows, found.get(name, rows))
    return found


def _source(value: Value) -> Value:
    """What a value is but for its dtype and shape."""
    while value.producer is not None and value.producer.op in ("cast", "reshape", "expand_dims", "squeeze"):
        value = value.producer.input(0)
    return value
