"""Stand-ins for OpenMPI 1.10, which CNTK links against and needs for nothing on one machine.

They define what CNTK's libraries look for. The few functions that are called in one process answer as MPI does for a world of one; the others
end the process by their name.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from kexport.backends.processes import Ended, Runner, failure
from kexport.errors import MissingDependencyError

#: MPI's functions that CNTK calls in a single process.
_ANSWERED: Final = """
int MPI_Initialized(int *flag) { *flag = 1; return 0; }
int MPI_Finalized(int *flag) { *flag = 0; return 0; }
int MPI_Init(int *count, char ***arguments) { return 0; }
int MPI_Init_thread(int *count, char ***arguments, int wanted, int *given) { if (given) *given = wanted; return 0; }
int MPI_Finalize(void) { return 0; }
int MPI_Comm_rank(void *world, int *rank) { *rank = 0; return 0; }
int MPI_Comm_size(void *world, int *size) { *size = 1; return 0; }
int MPI_Barrier(void *world) { return 0; }
int MPI_Comm_split(void *world, int colour, int key, void **part) { *part = world; return 0; }
int MPI_Comm_dup(void *world, void **copy) { *copy = world; return 0; }
int MPI_Comm_free(void **world) { return 0; }
int MPI_Get_processor_name(char *name, int *length) { strcpy(name, "localhost"); *length = 9; return 0; }
"""
_HEAD: Final = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int ends(const char *name) { fprintf(stderr, "MPI: %s is not there\\n", name); abort(); }
"""


def check() -> None:
    """See that they can be made, before CNTK is downloaded.

    Raises:
        MissingDependencyError: there is no C compiler, or no ``nm``.
    """
    missing = [program for program in ("gcc", "nm") if shutil.which(program) is None]
    if missing:
        raise MissingDependencyError(
            f"CNTK needs stand-ins for OpenMPI. Missing to make them: {', '.join(missing)}",
            hint="On Debian and Ubuntu: apt install gcc libc6-dev binutils.",
        )


def build(site: Path, folder: Path, run: Runner) -> None:
    """Write ``libmpi.so.12`` and ``libmpi_cxx.so.1`` for the CNTK in ``site`` into ``folder``.

    Raises:
        MissingDependencyError: CNTK's libraries can't be read, or the stand-ins not compiled.
    """
    folder.mkdir()
    symbols = _undefined(site / "cntk" / "libs")
    _compile(folder / "libmpi.so.12", _HEAD + _ANSWERED + "\n".join(_c_lines(symbols)), run)
    _compile(folder / "libmpi_cxx.so.1", _HEAD + "\n".join(_cxx_lines(symbols)), run)


def _undefined(libraries: Path) -> list[str]:
    """What CNTK's libraries look for elsewhere.

    Raises:
        MissingDependencyError: ``nm`` can't read them.
    """
    found: set[str] = set()
    for library in sorted([*libraries.glob("libCntk*.so"), *libraries.glob("Cntk*.so")]):
        command = [shutil.which("nm") or "nm", "-D", "--undefined-only", str(library)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            said = Ended(done.returncode, done.stderr.splitlines())
            raise failure(
                said, "The libraries of CNTK can't be read", "On Debian and Ubuntu: apt install binutils."
            )
        found.update(line.split()[-1].partition("@")[0] for line in done.stdout.splitlines() if line.split())
    return sorted(found)


def _c_lines(symbols: Iterable[str]) -> Iterable[str]:
    for symbol in symbols:
        if symbol.startswith("MPI_"):
            if f"int {symbol}(" not in _ANSWERED:
                yield f'int {symbol}() {{ return ends("{symbol}"); }}'
        elif symbol in {"ompi_mpi_cxx_op_intercept", "ompi_op_set_cxx_callback"}:
            yield f'int {symbol}() {{ return ends("{symbol}"); }}'
        elif symbol.startswith("ompi_"):
            # Predefined handles, of which only the address counts.
            yield f"char {symbol}[4096] __attribute__((aligned(64)));"


def _cxx_lines(symbols: Iterable[str]) -> Iterable[str]:
    for symbol in symbols:
        if symbol.startswith(("_ZN3MPI", "_ZNK3MPI")):
            yield f'void {symbol}() {{ ends("{symbol}"); }}'


def _compile(library: Path, source: str, run: Runner) -> None:
    code = library.with_suffix(".c")
    code.write_text(source, "utf-8")
    command = ["gcc", "-O1", "-w", "-shared", "-fPIC", f"-Wl,-soname,{library.name}"]
    done = run([*command, "-o", str(library), str(code)])
    code.unlink()
    if done.returncode:
        raise failure(
            done,
            "The stand-ins for OpenMPI can't be compiled",
            "On Debian and Ubuntu: apt install gcc libc6-dev.",
        )
