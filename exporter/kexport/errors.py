"""Every error that kexport raises on purpose.

The tree, with the exit code that the command line gives each::

    KexportError                     1  (never raised itself)
    ├── UsageError                   2  an option or argument can't be what it is
    │   └── OutputError              2  the output can't be written there: a full disk, an unwritable folder
    ├── ModelReadError               3  the file can't be read as a Keras model
    │   ├── CodeModelError           3  what the model computes stands in its Python code
    │   └── UnsafeModelError         3  the file asks for something a model file may not ask for
    ├── LoweringError                4  a layer can't be lowered
    │   ├── UnknownLayerError        4  no lowering is known for this class
    │   └── UnsupportedOpError       4  the target can't hold this op
    ├── VerificationError            5  the artifact's outputs differ from the reference
    ├── BudgetError                  6  a size or latency budget is exceeded
    ├── MissingDependencyError       7  an extra, a runtime or a program is not installed
    └── NotVerifiedError             8  exported, but the reference could not be had

A message states the rule that was broken, then ``Received: …``, then what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kexport.loading.spec import Provenance
    from kexport.verification import Drift, Verdict


class KexportError(Exception):
    """Base class. ``hint`` is the way out, printed on a line of its own by the command line."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class UsageError(KexportError):
    """An option, an argument or a combination of them can't be carried out."""

    exit_code = 2


class OutputError(UsageError):
    """What was asked for can't be written where it was asked for."""


class ModelReadError(KexportError):
    """The file is not a readable Keras model."""

    exit_code = 3


class CodeModelError(ModelReadError):
    """What the model computes stands in its Python code: a subclassed model, or one that can't be serialized.

    ``provenance`` says who wrote it, where that is known.
    """

    provenance: Provenance | None = None


class UnsafeModelError(ModelReadError):
    """The file asks for what data may not ask for: code, other files, absurd sizes."""


class LoweringError(KexportError):
    """A layer has no equivalent graph."""

    exit_code = 4


class UnknownLayerError(LoweringError):
    """No lowering rule is registered for a layer's class."""


class UnsupportedOpError(LoweringError):
    """The target's format has no way to hold an op of the graph."""


class VerificationError(KexportError):
    """The artifact ran, and its outputs are not the reference's.

    ``verdict`` is the comparison and ``drift`` the first layer that drifts, where they are known.
    """

    exit_code = 5
    verdict: Verdict | None = None
    drift: Drift | None = None


class BudgetError(KexportError):
    """A budget that the user set is exceeded."""

    exit_code = 6


class MissingDependencyError(KexportError):
    """Something that must be installed is not; the hint holds the command that installs it."""

    exit_code = 7


class NotVerifiedError(KexportError):
    """The export is complete, but nothing could be had to verify it with."""

    exit_code = 8
