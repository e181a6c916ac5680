"""Which Keras may say what a model computes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from kexport.errors import NotVerifiedError
from kexport.loading.spec import Provenance

if TYPE_CHECKING:
    from kexport.backends import Recipe

#: Backends of Keras 3, in the order they are tried.
KERAS3_BACKENDS = ("tensorflow", "jax", "torch")

#: Backends whose padding, kernels or recurrent outputs TensorFlow reads otherwise than they were trained.
_OTHER_BACKENDS = ("theano", "cntk", "mxnet")


@dataclass(frozen=True)
class Candidate:
    """A Keras to run the model with: the module to import, and variables of its process's environment.

    ``retry`` is what to try first where it loads the model and can't compute it. ``interpreter`` is that of an environment of its own,
    whose processes have ``environment`` alone.
    """

    library: str
    label: str
    environment: Mapping[str, str] = field(default_factory=dict)
    retry: Candidate | None = None
    interpreter: tuple[str, ...] = ()


def _on_tensorflow(
    library: str, label: str, environment: Mapping[str, str], interpreter: tuple[str, ...] = ()
) -> Candidate:
    # TensorFlow's own CPU kernels take no channels_first images; oneDNN's do, where the platform has them. They sum
    # in an order of their own, so they come second.
    with_onednn = {**environment, "TF_ENABLE_ONEDNN_OPTS": "1"}
    without = {**environment, "TF_ENABLE_ONEDNN_OPTS": "0"}
    retry = Candidate(library, f"{label} with oneDNN", with_onednn, interpreter=interpreter)
    return Candidate(library, label, without, retry, interpreter)


def tracers(provenance: Provenance) -> list[Candidate]:
    """The Keras versions and backends of this very Python, which is what can run kexport's tracing, that may read a model; the best first.

    What an own layer computes is written down here even where another framework says what the model computes.

    Raises:
        NotVerifiedError: none is installed.
    """
    found = _keras2() if provenance.keras_major != 3 else []
    found += _keras3(provenance.backend)
    if not found:
        raise NotVerifiedError(
            "To trace the model's own code, Keras is needed beside kexport, and none is installed.",
            hint="pip install 'kexport[tensorflow]'",
        )
    return found


def needs_tracer(provenance: Provenance) -> bool:
    """Whether the model's own framework is not of this Python, so that another has to trace its code."""
    try:
        return bool(candidates(provenance)[0].interpreter)
    except NotVerifiedError:
        return True


def candidates(provenance: Provenance) -> list[Candidate]:
    """The installed Keras versions and backends that may read a model as it was trained, the best first.

    The model's own framework comes first, whether it is installed here or in an environment of its own. Then, files of Keras 2 go to
    ``tf_keras``, then to Keras 3; files of Keras 3 to Keras 3 on other backends. Nothing is imported to find out.

    Raises:
        NotVerifiedError: none is; the message says why and the hint how to get one.
    """
    if provenance.backend in _OTHER_BACKENDS or provenance.keras_major == 1:
        return [_own_environment(provenance)]
    found = _keras2() if provenance.keras_major != 3 else []
    found += _keras3(provenance.backend)
    found = _in_environments(provenance, found)
    if not found:
        raise NotVerifiedError(
            f"To verify the export, a Keras that reads the file is needed, and none is installed. "
            f"Received: a file of Keras {provenance.keras_version or 'of unknown version'}",
            hint=_install_hint(provenance),
        )
    return found


def _own_environment(provenance: Provenance) -> Candidate:
    """The one framework that computes what the model did where it was trained.

    Raises:
        NotVerifiedError: it is not set up here, or it is not known which it is.
    """
    from kexport.backends import RECIPES, environment

    old = provenance.keras_major == 1
    recipe = next(
        (r for r in RECIPES.values() if r.backend == provenance.backend and (r.keras_major == 1) == old), None
    )
    record = (
        "or record a golden file where it was trained and give it with --golden: "
        "kexport record --print-script > record_model.py; there, python record_model.py MODEL --out golden.npz."
    )
    if recipe is None:
        who = f"Keras {provenance.keras_version}" if old else provenance.backend
        on = f" on {provenance.backend}" if provenance.backend and old else ""
        raise NotVerifiedError(
            f"The model was trained with {who}{on}, for which no environment is known.",
            hint=f"Say what trained it (--trained-on theano), {record}",
        )
    found = environment(recipe.name)
    if found is None:
        raise NotVerifiedError(
            f"The model was trained on {provenance.backend}{f' by Keras {provenance.keras_version}' if old else ''}, and no Keras of today "
            f"computes what that did (kernels, padding and recurrent layers differ). {recipe.title} does.",
            hint=f"kexport backend setup {recipe.name}, {record}",
        )
    return Candidate("keras", recipe.title, found.process_environment(), interpreter=found.interpreter)


def _in_environments(provenance: Provenance, here: list[Candidate]) -> list[Candidate]:
    """Those that are installed here and those in environments: first the model's own framework, then those here, then the others."""
    from kexport.backends import environments

    own, others = [], []
    for item in environments():
        recipe = item.recipe
        arguments = recipe.library, recipe.title, item.process_environment()
        if recipe.backend == "tensorflow":
            candidate = _on_tensorflow(*arguments, item.interpreter)
        else:
            candidate = Candidate(*arguments, interpreter=item.interpreter)
        if _trained(recipe, provenance):
            own.append(candidate)
        elif _reads(recipe, provenance):
            others.append(candidate)
    return [*own, *here, *others]


def _trained(recipe: Recipe, provenance: Provenance) -> bool:
    """Whether a file is of the very framework of an environment, which is not installed here."""
    if recipe.backend != provenance.backend or recipe.keras_major != provenance.keras_major:
        return False
    if recipe.keras_major == 3:
        return not (_keras_major() == 3 and installed(recipe.backend))
    # Keras 2.0 to 2.3 on TensorFlow was no part of it yet; tf.keras called its versions 2.2.4-tf.
    is_old = re.fullmatch(r"2\.[0-3]\.\d+", provenance.keras_version) is not None
    return is_old if recipe.name == "tensorflow1" else recipe.name == "tf_keras" and not _keras2()


def _reads(recipe: Recipe, provenance: Provenance) -> bool:
    """Whether an environment of today's Keras reads a file, and the same is not installed here."""
    if recipe.name == "tf_keras":
        return provenance.keras_major != 3 and not installed("tf_keras")
    return recipe.keras_major == 3 and not (_keras_major() == 3 and installed(recipe.backend))


def _install_hint(provenance: Provenance) -> str:
    if provenance.keras_major == 3 and provenance.backend in KERAS3_BACKENDS:
        return f"pip install 'kexport[{provenance.backend}]', or give a golden file with --golden."
    return "pip install 'kexport[tensorflow]', or give a golden file with --golden."


def _keras2() -> list[Candidate]:
    found = []
    if installed("tf_keras") and installed("tensorflow"):
        # So that what the user's code calls tf.keras is tf_keras, too.
        found.append(_on_tensorflow("tf_keras", "tf_keras", {"TF_USE_LEGACY_KERAS": "1"}))
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
