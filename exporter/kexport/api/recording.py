"""``record``: golden vectors from the model's own Keras."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from kexport.api.code import CustomObjects
from kexport.api.destination import writing
from kexport.api.exporting import Progress
from kexport.api.lengths import Lengths, fixed
from kexport.api.references import SamplesLike, start
from kexport.api.results import RecordResult
from kexport.api.source import InputShape, Model, open_model
from kexport.errors import NotVerifiedError
from kexport.reference import save_golden


def record(
    model: Model,
    output: str | os.PathLike[str] | None = None,
    *,
    samples: SamplesLike | None = None,
    dimensions: Mapping[str, Lengths] | None = None,
    input_shape: InputShape | None = None,
    weights: str | os.PathLike[str] | None = None,
    custom_objects: CustomObjects | None = None,
    custom_object: str | Sequence[str] = (),
    trust_lambda: bool = False,
    layers: bool = False,
    progress: Progress | None = None,
) -> RecordResult:
    """Run a model in its own Keras and write inputs and outputs into a golden file.

    Args:
        model: as for :func:`kexport.export`.
        output: the file; by default ``<model>_golden.npz`` in the current folder.
        samples: the inputs; by default they are derived from the model.
        layers: also record what every layer computed.

    The other arguments are those of :func:`kexport.export`.

    Raises:
        ModelReadError: the model can't be read.
        LoweringError: a layer is unknown, so that inputs can't be derived (``record_model.py``, the standalone recorder,
            needs no lowering).
        NotVerifiedError: no Keras that is installed here computes the model.
    """
    notify = progress or (lambda _: None)
    notify("Reading the model")
    source = open_model(
        model,
        weights=weights,
        input_shape=input_shape,
        custom_objects=custom_objects,
        custom_object=custom_object,
        trust_lambda=trust_lambda,
    )
    path = Path(output) if output is not None else Path(f"{source.stem}_golden.npz")
    with closing(source), start(source, samples) as vectors:
        notify(f"Lowering {len(source.spec.layers)} layers")
        vectors.prepare(source.lower("dynamic", fixed(dimensions)))
        notify("Waiting for the reference outputs")
        golden = vectors.layers() if layers else vectors.golden()
    if golden is None:
        raise NotVerifiedError(
            "What single layers compute can't be had from this Keras.", hint="Record without layers."
        )
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_golden(golden, path)
    return RecordResult(path, golden)


def standalone_script() -> str:
    """The recorder that needs only Keras and NumPy, on Python 2.7 to 3.13, as text."""
    from kexport.reference import record_model

    return Path(record_model.__file__).read_text("utf-8")
