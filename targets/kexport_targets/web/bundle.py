"""The files of a bundle: written once a model is emitted, and completed once its reference is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from kexport.contracts import Artifact, Companions, Signature
from kexport_targets.web import pages
from kexport_targets.web.annotations import own_scaling
from kexport_targets.web.description import (
    add_companions,
    example_bytes,
    file_entry,
    golden_entry,
    write_description,
)
from kexport_targets.web.static_files import BUILDS, STATIC, WITH_CORE, hashed_name

INDEX: Final = Path("index.html")
DESCRIPTION: Final = Path("model.json")
#: These keep their names: a browser asks for them by name, and again at each visit.
_UNHASHED: Final = ("sw.js", "LICENSE-litert.txt")

#: Bytes of golden samples beside the first: a file that is loaded when somebody asks for one, and what a single page has room for.
_EXAMPLES: Final = 4_000_000
_EXAMPLES_INSIDE: Final = 500_000

#: The forms of WebAssembly in a folder, by what model.json calls them. Safari unpacks brotli in a page; Chrome, where a server says so.
FORMS: Final[Mapping[str, str]] = {"wasm": "wasm.gz", "brotli": "wasm.br"}

#: In a single file: what every browser unpacks.
_SINGLE_FORMS: Final[Mapping[str, str]] = {"wasm": "wasm.gz"}

#: The build of the engine in a single file: the one that runs in every browser.
_SINGLE_BUILD: Final = "compat"


def write_folder(folder: Path, model: Path, description: dict[str, Any], signature: Signature) -> Artifact:
    """Write the bundle around ``model`` (a file in ``folder``, which gets a name with its hash)."""
    files = {name: STATIC.read(name) for name in _static_names(BUILDS, WITH_CORE, FORMS)}
    names = {name: name if name in _UNHASHED else hashed_name(name, files[_named_by(name)]) for name in files}
    raw_model = model.read_bytes()
    description["model"] = file_entry(hashed_name("model.tflite", raw_model), raw_model)
    model.rename(folder / description["model"]["file"])
    entries = {name: file_entry(names[name], raw) for name, raw in files.items()}
    _add_runtime(description, entries, BUILDS, FORMS)
    for name, raw in files.items():
        (folder / names[name]).write_bytes(raw)
    text = pages.page(
        STATIC.read("index.html").decode(),
        title=description["name"],
        script=names["kexport-web.js"],
        program=names["page.js"],
        style=names["page.css"],
    )
    (folder / INDEX).write_text(text, "utf-8", newline="\n")
    (folder / DESCRIPTION).write_text(write_description(description), "utf-8", newline="\n")
    written = [*names.values(), description["model"]["file"], INDEX.name, DESCRIPTION.name]
    return Artifact(INDEX, tuple(sorted(map(Path, written))), signature)


def write_single(folder: Path, model: Path, description: dict[str, Any], signature: Signature) -> Artifact:
    """Write the bundle as one page; ``model`` goes into it."""
    raw_model = model.read_bytes()
    model.unlink()
    names = _static_names((_SINGLE_BUILD,), (), _SINGLE_FORMS)
    entries = {name: file_entry(name, STATIC.read(name)) for name in names}
    description["model"] = file_entry("model.tflite", raw_model)
    _add_runtime(description, entries, (_SINGLE_BUILD,), _SINGLE_FORMS)
    wasm = f"litert-{_SINGLE_BUILD}.wasm.gz"
    text = pages.single_page(
        STATIC.read("index.html").decode(),
        title=description["name"],
        style=STATIC.read("page.css").decode(),
        scripts=tuple(
            STATIC.read(name).decode() for name in (f"litert-{_SINGLE_BUILD}.js", "kexport-web.js", "page.js")
        ),
        files={
            DESCRIPTION.name: write_description(description).encode(),
            "model.tflite": raw_model,
            wasm: STATIC.read(wasm),
            "LICENSE-litert.txt": STATIC.read("LICENSE-litert.txt"),
        },
    )
    (folder / INDEX).write_text(text, "utf-8", newline="\n")
    return Artifact(INDEX, (INDEX,), signature)


def complete(folder: Path, artifact: Artifact, about: Companions) -> Artifact:
    """Add to a written bundle what was not known before: names, classes, and the golden sample."""
    single = not (folder / DESCRIPTION).exists()
    page = (folder / INDEX).read_text("utf-8")
    raw = pages.block_contents(page, DESCRIPTION.name) if single else (folder / DESCRIPTION).read_bytes()
    description: dict[str, Any] = json.loads(raw)
    add_companions(description, about)
    description["preprocessing"] = description["preprocessing"] or own_scaling(description)
    golden = golden_entry(about, artifact.signature)
    added: dict[str, bytes] = {}
    if golden is not None:
        entry, sample = golden
        name = "golden.bin" if single else hashed_name("golden.bin", sample)
        description["golden"] = {"file": file_entry(name, sample), **entry}
        added[name] = sample
        count, examples = example_bytes(about, artifact.signature, _EXAMPLES_INSIDE if single else _EXAMPLES)
        if count:
            name = "examples.bin" if single else hashed_name("examples.bin", examples)
            description["golden"]["examples"] = {"file": file_entry(name, examples), "count": count}
            added[name] = examples
    text = write_description(description)
    if single:
        blocks = [
            pages.data_block(name, raw) for name, raw in {DESCRIPTION.name: text.encode(), **added}.items()
        ]
        page = pages.replace_block(page, DESCRIPTION.name, "\n".join(blocks))
        (folder / INDEX).write_text(page, "utf-8", newline="\n")
    else:
        (folder / DESCRIPTION).write_text(text, "utf-8", newline="\n")
        for name, contents in added.items():
            (folder / name).write_bytes(contents)
        artifact = replace(artifact, files=tuple(sorted([*artifact.files, *map(Path, added)])))
    return replace(artifact, details={**artifact.details, "sizes": _sizes(folder, artifact, description)})


def _static_names(builds: tuple[str, ...], with_core: tuple[str, ...], forms: Mapping[str, str]) -> list[str]:
    scripts = [f"litert-{build}.js" for build in builds]
    parts = [*(f"litert-{build}" for build in builds), *(f"litert-{build}-core" for build in with_core)]
    wasm = [f"{part}.{suffix}" for part in parts for suffix in forms.values()]
    return ["kexport-web.js", "page.js", "page.css", *_UNHASHED, *scripts, *wasm]


def _named_by(name: str) -> str:
    """The file whose hash is in a name: the forms of one WebAssembly differ in their suffix alone, as servers want it."""
    return name.replace(".wasm.br", ".wasm.gz")


def _add_runtime(
    description: dict[str, Any],
    entries: Mapping[str, Mapping[str, Any]],
    builds: tuple[str, ...],
    forms: Mapping[str, str],
) -> None:
    def wasm(part: str) -> dict[str, Any]:
        return {form: entries[f"{part}.{suffix}"] for form, suffix in forms.items()}

    found = {build: {"script": entries[f"litert-{build}.js"], **wasm(f"litert-{build}")} for build in builds}
    for build in builds:
        if f"litert-{build}-core.wasm.gz" in entries:
            found[build]["core"] = wasm(f"litert-{build}-core")
    description["script"] = entries["kexport-web.js"]
    description["engine"] = {**STATIC.build["engine"], "builds": found}


def _sizes(folder: Path, artifact: Artifact, description: Mapping[str, Any]) -> dict[str, int]:
    """Bytes of the whole bundle, and of what a browser that computes on the CPU loads at its first visit as a server sends it: as it is, and
    with gzip or brotli. Weights and the golden sample hardly get smaller; they are counted as they are. Of the engine's WebAssembly one of
    two forms is loaded, and its core."""
    total = sum((folder / path).stat().st_size for path in artifact.files)
    sizes = {"bundle": total, "model": description["model"]["bytes"]}
    if (folder / DESCRIPTION).exists():
        seen = ["kexport-web.js", "page.js", "page.css", "litert-simd.js"]
        wasm = {"raw": "wasm.gz", "gzip": "wasm.gz", "brotli": "wasm.br"}
        own = (
            description["model"]["bytes"]
            + (folder / DESCRIPTION).stat().st_size
            + (folder / INDEX).stat().st_size
        )
        own += description["golden"]["file"]["bytes"] if description["golden"] else 0
        for way in ("raw", "gzip", "brotli"):
            names = [*seen, f"litert-simd-core.{wasm[way]}"]
            sizes[f"first_visit_{way}"] = own + sum(STATIC.sizes(name)[way] for name in names)
    return sizes
