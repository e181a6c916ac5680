"""Which Keras may say what a model computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from kexport.errors import NotVerifiedError
from kexport.loading.spec import Provenance

#: Backends of Keras 3, in the order they are tried.
KERAS3_BACKENDS = ("tensorflow", "jax", "torch")

#: Backends whose padding, kernels or recurrent outputs TensorFlow reads otherwise than they were trained.
_OTHER_BACKENDS = ("theano", "cntk", "mxnet")


@dataclass(frozen=True)
class Candidate:
    """A Keras to run the model with: the module to import, and variables of its process's environment.

    ``retry`` is what to try first where it loads the model and can't compute it.
    """

    library: str
    label: str
    environment: Mapping[str, str] = field(default_factory=dict)
    retry: Candidate | None = None


def _on_tensorflow(library: str, label: str, environment: Mapping[str, str]) -> Candidate:
    # TensorFlow's own CPU kernels take no channels_first images; oneDNN's do, where the platform has them. They sum
    # in an order of their own, so they come second.
    with_onednn = {**environment, "TF_ENABLE_ONEDNN_OPTS": "1"}
    retry = Candidate(library, f"{label} with oneDNN", with_onednn)
    return Candidate(library, label, {**environment, "TF_ENABLE_ONEDNN_OPTS": "0"}, retry)


def candidates(provenance: Provenance) -> list[Candidate]:
    """The installed Keras versions and backends that may read a model as it was trained, the best first.

    Files of Keras 2 go to ``tf_keras``, then to Keras 3; files of Keras 3 to Keras 3 on the file's own backend, then
    on others. Nothing is imported to find out.

    Raises:
        NotVerifiedError: none is; the message says why and the hint how to get one.
    """
    _check_readable(provenance)
    found = _keras2() if provenance.keras_major != 3 else []
    found += _keras3(provenance.backend)
    if not found:
        raise NotVerifiedError(
            f"To verify the export, a Keras that reads the file is needed, and none is installed. "
            f"Received: a file of Keras {provenance.keras_version or 'of unknown version'}",
            hint=_install_hint(provenance),
        )
    return found


def _check_readable(provenance: Provenance) -> None:
    record = "Record a golden file where it was trained: python record_model.py MODEL --out golden.npz; then --golden."
    if provenance.backend in _OTHER_BACKENDS:
        raise NotVerifiedError(
            f"The model was trained on {provenance.backend}, and no Keras of today computes what {provenance.backend} "
            "did (kernels, padding and recurrent layers differ).",
            hint=record,
        )
    if provenance.keras_major == 1:
        raise NotVerifiedError(
            f"The file was written by Keras {provenance.keras_version}, which no Keras of today reads.",
            hint=record,
        )


def _install_hint(provenance: Provenance) -> str:
    if provenance.keras_major == 3 and provenance.backend in KERAS3_BACKENDS:
        return f"pip install 'kexport[{provenance.backend}]', or give a golden file with --golden."
    return "pip install 'kexport[tensorflow]', or give a golden file with --golden."


def _keras2() -> list[Candidate]:
    found = []
    if installed("tf_keras") and installed("tensorflow"):
        found.append(_on_tensorflow("tf_keras", "tf_keras", {}))
    if installed("keras") and _keras_major() == 2:
        found.append(_on_tensorflow("keras", "Keras 2", {}))
    return found


def _keras3(own: str) -> list[Candidate]:
    if not installed("keras") or _keras_major() != 3:
        return []
    order = [own] if own in KERAS3_BACKENDS else []
    order += [name for name in KERAS3_BACKENDS if name != own]
    return [_keras3_on(name) for name in order if installed(name)]


def _keras3_on(backend: str) -> Candidate:
    label, environment = f"Keras 3 on {backend}", {"KERAS_BACKEND": backend}
    if backend == "tensorflow":
        return _on_tensorflow("keras", label, environment)
    return Candidate("keras", label, environment)


def installed(module: str) -> bool:
    """Whether ``module`` can be imported, found out without importing it."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _keras_major() -> int:
    # Takes 10 ms to import, which only an export that starts a reference should pay.
    from importlib.metadata import PackageNotFoundError, version

    try:
        head = version("keras").partition(".")[0]
    except PackageNotFoundError:
        return 0
    return int(head) if head.isdigit() else 0
