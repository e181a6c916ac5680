"""The package's folder: what stands where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kexport_targets.coreml.write import Description
from kexport_targets.coreml.xcode.golden import no_vectors
from kexport_targets.coreml.xcode.members import Member, members
from kexport_targets.coreml.xcode.names import module as module_name
from kexport_targets.coreml.xcode.names import shown
from kexport_targets.coreml.xcode.tests_source import golden_source, golden_tests
from kexport_targets.coreml.xcode.wrapper import wrapper

FOLDER: Final = Path("xcode")


@dataclass(frozen=True)
class Project:
    """A Swift package around one model.

    Attributes:
        module: its name, and the module's.
    """

    module: str

    @property
    def folder(self) -> Path:
        """The folder of ``Package.swift``, relative to the artifact's."""
        return FOLDER / self.module

    @property
    def model(self) -> Path:
        """The folder of the model, which is a resource as it stands: the one name that no build rule of Xcode knows, so that
        ``swift test``, which has no such rules, and Xcode find the same."""
        return self.folder / "Sources" / self.module / "Model"

    def write(
        self,
        folder: Path,
        model: str,
        description: Description,
        inputs: Sequence[str],
        outputs: Sequence[str],
        *,
        version: int,
    ) -> list[Path]:
        """Write all but the model into ``folder``; ``model``, ``inputs`` and ``outputs`` are names of the model's own, ``version`` is
        iOS's. Returns the files' paths in ``folder``."""
        written = []
        for path, contents in self._files(model, *members(description, inputs, outputs), version).items():
            place = folder / self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(contents)
            written.append(self.folder / path)
        return written

    def _files(
        self, model: str, inputs: Sequence[Member], outputs: Sequence[Member], version: int
    ) -> Mapping[str, bytes]:
        module, name = self.module, f"{self.module}Predictor"
        tests = f"Tests/{module}Tests"
        texts = {
            "Package.swift": _MANIFEST.format(module=module, ios=version, mac=version - 3, watch=version - 7),
            "README.md": _README.format(
                module=module,
                name=name,
                model=_in_markdown(model),
                inputs=_table(inputs),
                outputs=_table(outputs),
            ),
            f"Sources/{module}/{name}.swift": wrapper(name, model, inputs, outputs, version=version),
            f"{tests}/GoldenTests.swift": golden_tests(module, name, inputs, outputs, version=version),
            f"{tests}/Golden.swift": golden_source(inputs),
        }
        golden = {f"{tests}/Golden/{name}": contents for name, contents in no_vectors().items()}
        return {path: text.encode() for path, text in texts.items()} | golden


def project(model: str) -> Project:
    """The package of the model of that name."""
    return Project(module_name(model))


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
