"""The package's folder: what stands where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kexport_targets.coreml.write import Description
from kexport_targets.coreml.xcode.golden import no_vectors
from kexport_targets.coreml.xcode.members import Member, from_json, members, to_json
from kexport_targets.coreml.xcode.names import module as module_name
from kexport_targets.coreml.xcode.names import shown
from kexport_targets.coreml.xcode.tests_source import golden_source, golden_tests
from kexport_targets.coreml.xcode.wrapper import wrapper

FOLDER: Final = Path("xcode")


@dataclass(frozen=True)
class Project:
    """A Swift package around one model.

    Attributes:
        model: the model's own name.
        version: the oldest iOS.
        inputs: what ``Input`` holds.
        outputs: what ``Output`` holds.
    """

    model: str
    version: int
    inputs: tuple[Member, ...]
    outputs: tuple[Member, ...]

    @property
    def module(self) -> str:
        """Its name, and the module's."""
        return module_name(self.model)

    @property
    def folder(self) -> Path:
        """The folder of ``Package.swift``, relative to the artifact's."""
        return FOLDER / self.module

    @property
    def place(self) -> Path:
        """The folder of the model, which is a resource as it stands: the one name that no build rule of Xcode knows, so that
        ``swift test``, which has no such rules, and Xcode find the same."""
        return self.folder / "Sources" / self.module / "Model"

    def write(self, folder: Path) -> list[Path]:
        """Write all but the model into ``folder``; the files' paths in it."""
        written = []
        for path, contents in {**self._sources(), **self._vectors()}.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(contents)
            written.append(path)
        return written

    def is_unchanged(self, folder: Path) -> bool:
        """Whether what stands in ``folder`` is, to the byte, what :meth:`write` writes, with nothing beside it but the golden vectors and
        the model: then nothing but what kexport wrote runs when the package is tested."""
        sources, data = self._sources(), set(self._vectors())
        found = set()
        for path in sorted((folder / self.folder).rglob("*")):
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                return False
            name = path.relative_to(folder)
            if path.is_dir() or name in data or self.place in name.parents:
                continue
            if name not in sources or path.read_bytes() != sources[name]:
                return False
            found.add(name)
        return found == set(sources)

    def to_json(self) -> dict[str, Any]:
        """All that the package is written from."""
        return {
            "model": self.model,
            "version": self.version,
            "inputs": to_json(self.inputs),
            "outputs": to_json(self.outputs),
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Project:
        """What :meth:`to_json` gave, read back.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        return cls(
            str(entry["model"]),
            int(entry["version"]),
            from_json(entry["inputs"]),
            from_json(entry["outputs"]),
        )

    def _sources(self) -> dict[Path, bytes]:
        module, name = self.module, f"{self.module}Predictor"
        inputs, outputs, version = self.inputs, self.outputs, self.version
        texts = {
            "Package.swift": _MANIFEST.format(module=module, ios=version, mac=version - 3, watch=version - 7),
            "README.md": _README.format(
                module=module,
                name=name,
                model=_in_markdown(self.model),
                inputs=_table(inputs),
                outputs=_table(outputs),
            ),
            f"Sources/{module}/{name}.swift": wrapper(name, self.model, inputs, outputs, version=version),
            f"{self._tests}/GoldenTests.swift": golden_tests(module, name, inputs, outputs, version=version),
            f"{self._tests}/Golden.swift": golden_source(inputs),
        }
        return {self.folder / path: text.encode() for path, text in texts.items()}

    def _vectors(self) -> dict[Path, bytes]:
        return {
            self.folder / self._tests / "Golden" / name: contents for name, contents in no_vectors().items()
        }

    @property
    def _tests(self) -> str:
        return f"Tests/{self.module}Tests"


def project(
    model: str, description: Description, inputs: Sequence[str], outputs: Sequence[str], *, version: int
) -> Project:
    """The package of a model; ``model``, ``inputs`` and ``outputs`` are names of the model's own, ``version`` is iOS's."""
    given, computed = members(description, inputs, outputs)
    return Project(model, version, tuple(given), tuple(computed))


#: Systems that came out together: iOS 16, macOS 13, tvOS 16, watchOS 9.
_MANIFEST = """\
// swift-tools-version:5.9
// Written by kexport: the next export writes it again.

import PackageDescription

let package = Package(
  name: "{module}",
  platforms: [.iOS("{ios}.0"), .macOS("{mac}.0"), .tvOS("{ios}.0"), .watchOS("{watch}.0")],
  products: [
    .library(name: "{module}", targets: ["{module}"])
  ],
  targets: [
    .target(name: "{module}", resources: [.copy("Model")]),
    .testTarget(
      name: "{module}Tests",
      dependencies: ["{module}"],
      resources: [.copy("Golden")]),
  ]
)
"""

_README = """\
# {module}

The model {model} as a Swift package, written by kexport. Nothing in it was changed by hand: the next export writes it again.

On this Mac, and in a simulator (`xcrun simctl list devices available` lists them):

    swift test
    xcodebuild test -scheme {module} -destination 'platform=iOS Simulator,name=NAME'

Both run the golden vectors with CPU only, CPU and GPU, and CPU and Neural Engine, compare with what the model's own framework computed, and print the
largest error relative to an output's range and the median seconds of a prediction. The tolerances are in
`Tests/{module}Tests/Golden/golden.json`. A simulator has no Neural Engine: Core ML takes what is there.

On an iPhone or iPad Xcode runs tests inside an app alone. Add this package to an app's project, take `GoldenTests.swift`, `Golden.swift` and the folder
`Golden` (as a folder, not a group) from `Tests/{module}Tests` into the app's unit test target, and run its tests on the device.

## In an app

Add the folder to an Xcode project as a local package. The model is compiled when it is loaded; `compile()` does it once for several loads.

    import {module}

    let predictor = try await {name}.load(computeUnits: .all)
    let output = try await predictor.prediction(input)

`prediction` is there without `await`, too. What `{name}.Input` takes:

{inputs}
and what `{name}.Output` has:

{outputs}"""


def _table(members: Sequence[Member]) -> str:
    rows = (f"| `{m.identifier}` | `{m.type}` | {_safe(m.comment)} |\n" for m in members)
    return "".join(["| member | type | |\n|---|---|---|\n", *rows])


def _in_markdown(text: str) -> str:
    return _safe(shown(text))


def _safe(text: str) -> str:
    """Text that no markup is in."""
    return "".join(
        f"&#{ord(character)};" if character in "`|<>&*_[]\\#~" else character for character in text
    )
