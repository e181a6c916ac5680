"""``index.html``: one that names the other files of a bundle, or one that holds them all."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from typing import Final

#: What a page of several files may load: its own files alone. WebAssembly is compiled, no text is run as code.
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'"
)


def page(template: str, *, title: str, script: str, program: str, style: str) -> str:
    """The page of a bundle of several files, whose names are given."""
    return _filled(
        template,
        policy=_POLICY,
        title=html.escape(title),
        hint=f"Where this text stays, the browser has not run {script} or {program}: is the whole bundle on the server, and does the server "
        "send JavaScript as text/javascript?",
        head=f'<link rel="stylesheet" href="{style}">',
        scripts=f'<script src="{script}"></script>\n<script src="{program}" defer></script>',
    )


def single_page(
    template: str, *, title: str, style: str, scripts: tuple[str, ...], files: Mapping[str, bytes]
) -> str:
    """The page that holds everything; ``scripts`` run in their order, ``files`` lie in it as base64."""
    safe = tuple(re.sub(r"</(?=script)", r"<\\/", script, flags=re.IGNORECASE) for script in scripts)
    allowed = " ".join(_digest(script) for script in safe)
    policy = (
        f"default-src 'none'; script-src {allowed} 'wasm-unsafe-eval'; style-src {_digest(style)}; "
        "img-src data: blob:; media-src blob:; base-uri 'none'; form-action 'none'"
    )
    blocks = [data_block(name, raw) for name, raw in files.items()]
    return _filled(
        template,
        policy=policy,
        title=html.escape(title),
        hint="Where this text stays, the file is damaged, or the browser too old: copy it again, or try another browser.",
        head=f"<style>{style}</style>",
        scripts="\n".join([*blocks, *(f"<script>{script}</script>" for script in safe)]),
    )


def data_block(name: str, raw: bytes) -> str:
    """A file inside a page."""
    encoded = base64.b64encode(raw).decode("ascii")
    return f'<script type="application/octet-stream" data-file="{html.escape(name)}">{encoded}</script>'


def replace_block(text: str, name: str, blocks: str) -> str:
    """A page with other blocks in the place of that of a file, which it has."""
    pattern = re.compile(
        rf'<script type="application/octet-stream" data-file="{re.escape(name)}">[^<]*</script>'
    )
    found = pattern.search(text)
    assert found is not None
    return text[: found.start()] + blocks + text[found.end() :]


def block_contents(text: str, name: str) -> bytes:
    """The file that lies in a page under ``name``."""
    found = re.search(rf'data-file="{re.escape(name)}">([^<]*)<', text)
    assert found is not None
    return base64.b64decode(found.group(1))


def _digest(text: str) -> str:
    """A source expression that allows exactly this inline text (CSP level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _filled(template: str, **texts: str) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: texts[found.group(1)], template)
