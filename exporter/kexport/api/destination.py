"""Export folders: they appear whole, or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kexport.errors import OutputError, UsageError

MANIFEST = "manifest.json"

#: ``renameat2(2)``: RENAME_EXCHANGE and AT_FDCWD, linux/fs.h and fcntl.h, v6.1.
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


@contextlib.contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """A new folder beside ``destination``, which takes its place when the block ends without an error.

    An earlier export at ``destination`` stays untouched until then. Whatever goes wrong (a keyboard interrupt too),
    the new folder is removed again, and so are the parents that were made for it.

    Raises:
        UsageError: ``destination`` holds what no export wrote.
        OutputError: the folder can't be written, or the disk is full.
    """
    destination = Path(os.path.realpath(destination))
    _check_replaceable(destination)
    with writing(destination):
        made = _make_parents(destination.parent)
        try:
            folder = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
        except BaseException:
            _remove_empty(made)
            raise
    try:
        with writing(destination):
            yield folder
            folder.chmod(0o777 & ~_umask())
            _put_in_place(folder, destination)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_empty(made)
        raise


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError of the block that is about writing into an :class:`OutputError` about ``path``."""
    try:
        yield
    except OSError as error:
        # Errors without a number come from libraries, those about files elsewhere from reading: neither is about writing.
        if error.errno is None or not _concerns(error, path):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "Free some space, or choose another folder with --output."
            raise OutputError(f"The disk of {str(path)!r} is full.", hint=hint) from error
        raise OutputError(
            f"{str(path)!r} can't be written: {error.strerror or error}.",
            hint="Choose another folder with --output.",
        ) from error


def _concerns(error: OSError, path: Path) -> bool:
    named = error.filename
    return named is None or Path(os.fsdecode(named)).is_relative_to(path.parent) or not path.parent.exists()


def _check_replaceable(destination: Path) -> None:
    """Only an earlier export, with nothing of the user's beside it, may be replaced."""
    if not destination.exists():
        return
    hint = "Choose another folder with --output."
    if not destination.is_dir():
        raise UsageError(f"The output must be a folder. Received: the file {str(destination)!r}", hint=hint)
    try:
        found = {
            path.relative_to(destination).as_posix() for path in destination.rglob("*") if not path.is_dir()
        }
    except OSError as error:
        raise OutputError(f"{str(destination)!r} can't be read: {error.strerror}.", hint=hint) from error
    foreign = sorted(found - exported_files(destination))
    if foreign:
        shown = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise UsageError(
            f"An export replaces its folder, and {str(destination)!r} holds files that no export wrote: {shown}.",
            hint=hint,
        )


def exported_files(folder: Path) -> set[str]:
    """The files that the manifest of ``folder`` names, itself included; none where there is no manifest."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        targets = manifest["targets"].values()
        files = {entry["path"] for target in targets for entry in target["files"]}
        golden = {manifest["golden"]["path"]} if manifest["golden"] else set()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
    return files | golden | {MANIFEST}


def _make_parents(folder: Path) -> list[Path]:
    made: list[Path] = []
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        for path in reversed(missing):
            path.mkdir()
            made.append(path)
    except BaseException:
        _remove_empty(made)
        raise
    return made


def _remove_empty(made: list[Path]) -> None:
    for path in reversed(made):
        with contextlib.suppress(OSError):
            path.rmdir()


def _umask() -> int:
    # There is no other way to read it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _put_in_place(folder: Path, destination: Path) -> None:
    if not destination.exists():
        folder.rename(destination)
        return
    if not _exchange(folder, destination):
        # Two renames: at no time is there half an export under the name, for a moment there may be none.
        old = Path(tempfile.mkdtemp(prefix=f".{destination.name}.old.", dir=destination.parent)) / "export"
        destination.rename(old)
        try:
            folder.rename(destination)
        except BaseException:
            old.rename(destination)
            raise
        folder = old.parent
    # The new export stands. What is left of the old one is no reason to fail.
    shutil.rmtree(folder, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, where the system can (Linux 3.15 and most of its file systems)."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    done: int = renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return done == 0
