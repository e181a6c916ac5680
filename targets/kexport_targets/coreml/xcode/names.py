"""What names of a model are in Swift: identifiers, literals, text in comments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: Words that no plain identifier can be, in declarations, statements, expressions or types ("Lexical Structure" in The Swift
#: Programming Language, 5.9), and members that every value or type has.
_RESERVED: Final = frozenset(
    [
        *["associatedtype", "borrowing", "class", "consuming", "deinit", "enum", "extension", "fileprivate", "func"],
        *["import", "init", "inout", "internal", "let", "nonisolated", "open", "operator", "package", "private"],
        *["precedencegroup", "protocol", "public", "rethrows", "static", "struct", "subscript", "typealias", "var"],
        *["break", "case", "catch", "continue", "default", "defer", "do", "else", "fallthrough", "for", "guard", "if"],
        *["in", "repeat", "return", "switch", "throw", "where", "while", "any", "as", "await", "false", "is", "nil"],
        *["self", "Self", "super", "throws", "true", "try", "Any", "Type", "Protocol", "async", "some", "macro", "actor"],
    ]
)  # fmt: skip

#: Modules that the package or its tests import, or that those bring with them: in lower case, as file systems of Macs compare.
_MODULES: Final = frozenset(
    [
        *["swift", "foundation", "coreml", "corevideo", "corefoundation", "coregraphics", "coreimage", "dispatch"],
        *["darwin", "objectivec", "os", "simd", "metal", "accelerate", "vision", "combine", "iosurface", "opengl"],
        *["xctest", "testing", "packagedescription", "createml", "quartzcore", "security", "uikit", "appkit"],
    ]
)  # fmt: skip

#: A module gives folders and files their names, which have 255 bytes at most.
_LONGEST: Final = 80


def identifier(text: str) -> str:
    """``text`` where that is an identifier of ASCII letters, digits and underlines, else as near to it as may be."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)
    if not name.strip("_"):
        return "value"
    if name[0].isdigit():
        name = f"_{name}"
    return f"{name}_" if name in _RESERVED else name


def identifiers(texts: Sequence[str]) -> list[str]:
    """An identifier each, no two of them the same; a name that is one already keeps it."""
    wanted = [identifier(text) for text in texts]
    taken = {name for name, text in zip(wanted, texts, strict=True) if name == text}
    found: list[str] = []
    for name, text in zip(wanted, texts, strict=True):
        if name == text and name not in found:
            found.append(name)
            continue
        count, fresh = 2, name
        while fresh in taken:
            fresh, count = f"{name}_{count}", count + 1
        taken.add(fresh)
        found.append(fresh)
    return found


def module(text: str) -> str:
    """A module's name in capitals of words: ``mobilenetv2_1.00_224`` is ``Mobilenetv2_1_00_224``."""
    name = ""
    for word in re.findall(r"[A-Za-z0-9]+", text):
        # Digits that meet would be another number.
        name += ("_" if name[-1:].isdigit() and word[0].isdigit() else "") + word[0].upper() + word[1:]
    name = name[:_LONGEST]
    if not name or not name[0].isalpha() or name.lower() in _MODULES:
        name = f"Keras{name}"
    return name


def literal(text: str) -> str:
    """A string literal of Swift, which no text gets out of."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable() and not 0xD800 <= ord(character) <= 0xDFFF:
        return character
    # A surrogate on its own is no scalar of Unicode.
    return f"\\u{{{ord(character):X}}}" if not 0xD800 <= ord(character) <= 0xDFFF else "\\u{FFFD}"


def shown(text: str) -> str:
    """``text`` on one line, in quotes, for a comment or a page."""
    return literal(text)
