"""What kexport sees of the browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kexport_runtimes import timing
from kexport_runtimes.browser import programs

if TYPE_CHECKING:
    # Not at run time: `kexport --help` loads this module, and NumPy's import would slow it down.
    from numpy.typing import NDArray

#: What can compute a bundle, and the build of LiteRT.js for it; None is the one that the page itself would take.
_BUILDS: Mapping[str, str | None] = {"wasm": None, "wasm-threads": "threads", "webgpu": None}


class Browser:
    """Runs web bundles in Chrome, Chromium, Edge or Firefox, without a window.

    One browser is started once and stays; its page takes one piece of work after the other. Implements
    ``kexport.contracts.Runtime`` by shape.
    """

    name = "browser"
    #: What may compute a bundle beside what :meth:`run` takes by itself (WebAssembly on one thread), and the error relative to an
    #: output's range that is its rounding (that of golden.ts in runtimes/web): a GPU sums in another order.
    accelerators: Mapping[str, float] = MappingProxyType({"wasm-threads": 1e-5, "webgpu": 1e-3})

    def available(self) -> str | None:
        """None when there is a browser; otherwise why not, with the command that installs one."""
        return programs.problem()

    def version(self) -> str:
        """The browser and its version: ``Chromium 140.0.7339.127``.

        Raises:
            RuntimeError: there is none.
        """
        return programs.version(self._program())

    def run(
        self,
        artifact: Path,
        inputs: Mapping[str, NDArray[Any]],
        *,
        accelerator: str = "wasm",
        signature: str = "serving_default",
    ) -> dict[str, NDArray[Any]]:
        """Run a bundle once.

        Args:
            artifact: its ``index.html``.
            inputs: by name, arrays of the model's own types and shapes. bfloat16: of float32, which is rounded to it.
            accelerator: ``wasm`` (one thread), ``wasm-threads`` or ``webgpu``, which is computed in software unless the
                environment sets ``KEXPORT_BROWSER_GPU``.
            signature: ``layers`` gives what the layers compute, too.

        Returns:
            The outputs by name; bfloat16 as float32, which NumPy has.

        Raises:
            ValueError: an input is missing, unknown, or of another type or shape than the model has.
            ChildProcessError: the browser does not come up.
            RuntimeError: there is no browser, or it does not compute the bundle.
        """
        from kexport_runtimes.browser.arrays import decoded, encoded, read_description

        description = read_description(artifact)
        arrays = encoded(artifact.parent.name, description["inputs"], inputs)
        _, found = self._ask(artifact, arrays, accelerator=accelerator, signature=signature, runs=0)
        ports = description["outputs"]
        if signature == "layers":
            shown = [layer["output"] for layer in description["layers"] if layer["output"]]
            ports = list({port["name"]: port for port in [*ports, *shown]}.values())
        return decoded(ports, found)

    def benchmark(
        self,
        artifact: Path,
        inputs: Mapping[str, NDArray[Any]],
        *,
        runs: int,
        threads: int,
        accelerator: str | None = None,
    ) -> dict[str, Any]:
        """Time the computation, with its inputs and outputs copied, without loading.

        Args:
            artifact: as for :meth:`run`.
            inputs: as for :meth:`run`.
            runs: calls that are timed, after a few that are not.
            threads: 1, or more: then the page decides how many.
            accelerator: in place of the one that ``threads`` says.

        Returns:
            Seconds a call: ``{"median": s, "fastest": s, "runs": runs, "threads": threads}``.

        Raises:
            ValueError: as :meth:`run` does, or ``runs`` or ``threads`` is below 1.
            RuntimeError: as :meth:`run` does.
        """
        from kexport_runtimes.browser.arrays import encoded, read_description

        timing.check(runs, threads)
        arrays = encoded(artifact.parent.name, read_description(artifact)["inputs"], inputs)
        chosen = accelerator or ("wasm" if threads == 1 else "wasm-threads")
        answer, _ = self._ask(
            artifact, arrays, accelerator=chosen, signature="serving_default", runs=runs + timing.WARM_UP
        )
        seconds = [ms / 1000 for ms in answer["times"][timing.WARM_UP :]]
        return timing.summary(seconds, answer["prepared"]["threads"])

    def choice(self, artifact: Path) -> dict[str, Any]:
        """What the bundle's own page takes here, and how its golden sample comes out: ``accelerator``, ``check`` (``right`` or
        ``unchecked``) and ``attempts``, each with its ``problem``.

        Raises:
            RuntimeError: it takes nothing, since no accelerator computes the golden sample right.
        """
        return self._ask(artifact, {}, accelerator="auto", signature="serving_default", runs=0)[0]

    def _ask(
        self, artifact: Path, arrays: dict[str, bytes], *, accelerator: str, signature: str, runs: int
    ) -> tuple[dict[str, Any], dict[str, bytes]]:
        from kexport_runtimes.browser import process

        browser = process.shared(self._program())
        build = _BUILDS.get(accelerator)
        if accelerator not in (*_BUILDS, "auto"):
            raise ValueError(f"Bundles are computed on {', '.join(_BUILDS)}. Received: {accelerator!r}")
        return browser.ask(
            artifact.parent, arrays, accelerator=accelerator, build=build, signature=signature, runs=runs
        )

    def _program(self) -> programs.Program:
        program = programs.find()
        if program is None:
            raise RuntimeError(self.available())
        return program


RUNTIME = Browser()
