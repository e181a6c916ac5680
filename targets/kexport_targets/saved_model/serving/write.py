"""Writes the files, and says by what name the model is served."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from kexport.errors import UsageError
from kexport_targets.saved_model.serving import compose, kubernetes, model_server
from kexport_targets.saved_model.serving.served import Served

#: Beside the versions. TF Serving reads folders whose names are numbers, and no others.
FOLDER: Final = Path("serving")

_FILES: Final = {
    "models.config": model_server.models_config,
    "batching.config": model_server.batching_config,
    "compose.yaml": compose.compose,
    "kubernetes.yaml": kubernetes.manifest,
    "kserve.yaml": kubernetes.inference_service,
}

#: What stands in a path of the REST API and in a label, and begins and ends a DNS name (RFC 1123).
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?")


def served_name(asked: str, model: str) -> str:
    """The model's name on a server: the one asked for, or that of the Keras model in the characters of a DNS label.

    Raises:
        UsageError: the name asked for has others.
    """
    if asked:
        if not _NAME.fullmatch(asked):
            raise UsageError(
                "--model-name is of small letters, digits and hyphens, 53 at most, and begins and ends with no hyphen. "
                f"Received: {asked!r}",
                hint="It names the model in URLs, and its Deployment and Service in Kubernetes.",
            )
        return asked
    plain = re.sub(r"[^a-z0-9]+", "-", model.lower())[:53].strip("-")
    return plain or "model"


def write_serving(folder: Path, served: Served) -> list[Path]:
    """Write all files into :data:`FOLDER` of ``folder``, the one that holds the versions; their paths in it."""
    (folder / FOLDER).mkdir()
    for file, text in _FILES.items():
        (folder / FOLDER / file).write_text(text(served), "utf-8")
    return [FOLDER / file for file in _FILES]
