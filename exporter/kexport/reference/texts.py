"""Texts for golden inputs: words of the vocabularies that they are looked up in, and what is in none.

What they are made of is the same on every day and machine. Every eighth word is of each kind of :data:`_KINDS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kexport.ir import Array, Graph, Node, Symbolic, Value
from kexport.ir.ops.text import ngram_count

#: Unknown words of lengths that hash functions take otherwise (up to 3, 7, 16, 32, 64 bytes and more), some of them not ASCII.
_UNKNOWN: Final = (
    "zq",
    "naïve",
    "unlikely",
    "東京",
    "Straße",
    "unpronounceable-word",
    "a-word-of-more-than-thirty-two-bytes",
    "ÄÖÜ",
    "word" * 20,
    "🙂",
)

#: What stands between words; whitespace of every kind splits.
_BETWEEN: Final = (" ", " ", "  ", "\t", "\n")

#: What a word in its place is: one of the vocabulary as it is, in capitals, with signs; another; none.
_KINDS: Final = ("known", "known", "unknown", "capitals", "known", "signs", "empty", "unknown")

#: How long the texts of a batch are: parts of the longest.
_PARTS: Final = (1.0, 0.5, 0.0, 0.25, 1.0, 0.7, 0.1, 0.85)

#: Longer ones than that say no more, however many words a model takes.
_MOST_WORDS: Final = 512

#: Beyond a length that texts are cut to.
_BEYOND: Final = 3

#: Ops behind which a text is still one, or its words.
_PASSING: Final = frozenset(
    [
        "identity",
        "reshape",
        "expand_dims",
        "squeeze",
        "transpose",
        "concat",
        "split",
        "slice",
        "tile",
        "reverse",
        "select",
    ]
)
_STANDARDIZING: Final = frozenset(["lower", "strip_punctuation"])


@dataclass
class _Use:
    """What becomes of a text.

    Attributes:
        words: of the vocabularies that it, or its words, are looked up in.
        strict: it may be nothing else.
        tokenize: the node that splits it, where one does.
    """

    words: list[str]
    strict: bool
    tokenize: Node | None


def _use(value: Value, users: Mapping[Value, list[Node]]) -> _Use:
    found = _Use([], False, None)
    stack, seen = [value], {value}
    while stack:
        read = stack.pop()
        for node in users.get(read, ()):
            if (
                node.op == "lookup"
                and node.inputs[0] is read
                and (keys := node.input(1).constant) is not None
            ):
                found.words += [bytes(key).decode("utf-8", "replace") for key in keys.numpy().tolist()]
                found.strict |= bool(node.attrs["strict"])
            if node.op == "tokenize" and found.tokenize is None:
                found.tokenize = node
            if node.op in _PASSING | _STANDARDIZING | {"tokenize"}:
                made = [output for output in node.outputs if output.dtype == "string" and output not in seen]
                stack += made
                seen.update(made)
    found.words = [word for word in dict.fromkeys(found.words) if word]
    return found


def draw_texts(
    graph: Graph,
    value: Value,
    users: Mapping[Value, list[Node]],
    bindings: Mapping[str, int],
    random: np.random.RandomState,
    shape: tuple[int, ...],
) -> Array:
    """Texts of ``shape`` for an input, as ``str``.

    Where a layer splits them, they are texts of words or characters, as many as ``bindings`` has for the length of the longest, some
    shorter, one empty. Where the batch is fixed and the longest text counts for all, all are as long: a model of a batch of its
    own computes another batch otherwise.

    Args:
        bindings: lengths by symbol, those that nodes find out among them.
        random: what is drawn from.
    """
    use, total = _use(value, users), int(np.prod(shape))
    words = _Words(use, random)
    if use.tokenize is None or use.tokenize.attrs["split"] == "none":
        drawn = list(words.single(total))
    else:
        even = bool(graph.found_lengths()) and isinstance(value.shape[0], int)
        most = _longest(use.tokenize, bindings)
        lengths = [most if even else round(most * _PARTS[index % len(_PARTS)]) for index in range(total)]
        write = words.sentence if use.tokenize.attrs["split"] == "whitespace" else words.spelled
        drawn = [write(length, plain=even) for length in lengths]
    return np.asarray(drawn, np.str_).reshape(shape)


def _longest(tokenize: Node, bindings: Mapping[str, int]) -> int:
    """How many words the longest text has, so that it has tokens enough, or some more than are kept."""
    wanted = tokenize.attrs["length"]
    least = bindings.get(str(wanted), 1) if isinstance(wanted, Symbolic) else int(wanted) + _BEYOND
    count, widths = min(least, _MOST_WORDS), tokenize.attrs["ngrams"]
    while widths is not None and ngram_count(count, widths) < min(least, _MOST_WORDS):
        count += 1
    return count


class _Words:
    """Words, one after the other."""

    def __init__(self, use: _Use, random: np.random.RandomState) -> None:
        self._known: Sequence[str] = use.words or _UNKNOWN
        self._strict = use.strict and bool(use.words)
        self._random = random
        self._count = 0
        #: Words of the vocabulary in an order of their own: all of them come before one comes again.
        self._order = np.argsort(random.random_sample(len(self._known)), kind="stable")
        self._next = 0

    def single(self, count: int) -> Iterator[str]:
        """Words that are inputs of their own."""
        return (self._word() for _ in range(count))

    def sentence(self, count: int, *, plain: bool) -> str:
        """A text of so many words; not ``plain``: with signs that stand alone, which are none where they are taken away."""
        words: list[str] = []
        while len(words) < count:
            # A vocabulary of n-grams has words with spaces in them.
            words += self._word().split()
        text = "".join(
            f"{self._one_of(_BETWEEN) if index else ''}{word}" for index, word in enumerate(words[:count])
        )
        return text if plain or count < 2 else f"{text} - "

    def spelled(self, count: int, *, plain: bool) -> str:
        """A text of so many characters; ``plain``: letters and spaces alone."""
        text = ""
        while len(text) < count:
            word = self._word()
            text += "".join(filter(str.isalnum, word)) or "x" if plain else f"{word} "
        return text[:count]

    def _word(self) -> str:
        kind = "known" if self._strict else _KINDS[self._count % len(_KINDS)]
        self._count += 1
        if kind == "unknown":
            return _UNKNOWN[self._count // 2 % len(_UNKNOWN)]
        if kind == "empty":
            return ""
        word = self._known[int(self._order[self._next % len(self._order)])]
        self._next += 1
        if kind == "capitals":
            return word.upper()
        return f"({word}!" if kind == "signs" else word

    def _one_of(self, items: Sequence[str]) -> str:
        return items[int(self._random.random_sample() * len(items))]
