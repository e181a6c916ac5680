"""Reading a trained Keras model: files are data, and nothing that they name is imported or run.

:func:`load` is the door. Behind it: ``files`` (what a file is), ``archive`` and ``hdf5`` (bounded containers),
``topology`` (layers and calls), ``translation`` with ``keras1`` and ``keras2`` (one vocabulary), ``legacy_h5`` and
``keras3_h5`` (where weights are), ``weight_layout`` (which weights a layer has), ``live`` (a model in memory).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kexport.errors import UsageError
from kexport.loading import keras3_h5, legacy_h5
from kexport.loading.archive import CONFIG, METADATA, PICKLED_WEIGHTS, WEIGHTS, Archive, Contents
from kexport.loading.backend_order import differs_on_theano, normalized, takes_reset_gates_for_input
from kexport.loading.context import Context
from kexport.loading.files import kind_of, parse_json, read_json
from kexport.loading.folder import Folder
from kexport.loading.hdf5 import Group, Store
from kexport.loading.keras1 import SILENT, orderings_of
from kexport.loading.live import is_live, provenance_of, read_live
from kexport.loading.shards import is_shard_map, shard_files, shards
from kexport.loading.spec import CallSpec, LayerSpec, ModelSpec, Provenance, TensorRef, samples_corners
from kexport.loading.topology import read_model
from kexport.loading.vocabularies import with_saved_vocabularies
from kexport.loading.weights import Assigned, with_weights

__all__ = ["BACKENDS", "CallSpec", "LayerSpec", "ModelSpec", "Provenance", "TensorRef", "load", "shards_of"]

BACKENDS = ("tensorflow", "theano", "cntk", "mxnet", "jax", "torch", "openvino")
"""What a Keras model may have been trained on."""

BACKEND_NOTE = (
    "The file does not say which backend the model was trained on. Theano applies convolution kernels mirrored, and lays windows with "
    "padding 'same' elsewhere than TensorFlow; if it was Theano, say so: --trained-on theano."
)

ORDERING_NOTE = (
    "Keras 1 does not save whether padding, cropping and upsampling layers take channels first or last, and no other layer "
    "of the model says; channels last, its own default, is assumed."
)


RESET_NOTE = (
    "GRU layers of Keras 2.0.0 and 2.0.1 with implementation=1 were trained with a mistake in their candidate, which the export "
    "computes as they did; later versions of Keras read the file otherwise, so verify with a golden file (--golden)."
)

BILINEAR_NOTE = (
    "UpSampling2D(interpolation='bilinear') of Keras 2 on TensorFlow 1 has no half-pixel centres, and the export has none either; "
    "today's Keras has, so verify with a golden file (--golden)."
)


def load(
    source: str | Path | Any,
    *,
    weights: str | Path | None = None,
    input_shape: Sequence[int | None] | None = None,
    trained_on: str | None = None,
) -> ModelSpec:
    """The description of a model, its weights read when they are asked for.

    Args:
        source: a ``.h5``/``.hdf5`` or ``.keras`` file (told by its content), a ``.keras`` folder, a ``model.json``, or a live
            ``keras.Model``.
        weights: the weights file of a ``model.json``, or the JSON that maps sharded ones.
        input_shape: the shape of one sample, for a Sequential model that was saved without one.
        trained_on: the backend that the model was trained on, for Keras 1 files, which do not say.

    Raises:
        UsageError: an argument can't be.
        ModelReadError: the file is not a readable model, or its weights don't fit.
        UnsafeModelError: the file asks for what data may not ask for.
    """
    if trained_on is not None and trained_on not in BACKENDS:
        raise UsageError(f"trained_on must be one of {', '.join(BACKENDS)}. Received: {trained_on!r}")
    asked = _Asked(None if input_shape is None else tuple(input_shape), trained_on or "")
    if not isinstance(source, str | Path):
        if not is_live(source):
            raise UsageError(f"A model is a path or a live keras.Model. Received: {type(source).__name__}")
        ctx = asked.context(f"The live model {getattr(source, 'name', '')!r}", provenance_of(source))
        spec, assigned = read_live(source, ctx)
        return _finished(spec, assigned, ctx, None)
    path = Path(source)
    kind = kind_of(path)
    if weights is not None and kind != "json":
        raise UsageError(f"weights= goes with a model.json. Received: {path} holds its own weights")
    if kind in {"zip", "folder"}:
        return _load_keras(path, Folder(path) if kind == "folder" else Archive(path), asked)
    if kind == "hdf5":
        return _load_h5(path, asked)
    return _load_json(path, weights, asked)


class _Asked:
    """What the caller says beyond the file."""

    def __init__(self, input_shape: tuple[int | None, ...] | None, trained_on: str) -> None:
        self.input_shape, self.trained_on = input_shape, trained_on

    def context(self, label: str, provenance: Provenance, record: object = None) -> Context:
        known = replace(provenance, backend=provenance.backend or self.trained_on)
        orderings = orderings_of(record) if provenance.keras_major == 1 else frozenset[str]()
        return Context(label, known, known.backend, self.input_shape, orderings)


def _finished(spec: ModelSpec, assigned: Assigned, ctx: Context, path: Path | None) -> ModelSpec:
    model = with_weights(spec, assigned, lambda layer: normalized(layer, ctx))
    return replace(model, source=path, notes=tuple(_notes(model, ctx)))


def _notes(model: ModelSpec, ctx: Context) -> Iterator[str]:
    layers, major = list(model.walk()), ctx.provenance.keras_major
    if not ctx.trained_on and major in {0, 1, 2} and any(map(differs_on_theano, layers)):
        yield BACKEND_NOTE
    if major == 1 and not ctx.orderings and any(layer.class_name in SILENT for layer in layers):
        yield ORDERING_NOTE
    if any(takes_reset_gates_for_input(layer, ctx.provenance) for layer in layers):
        yield RESET_NOTE
    if ctx.trained_on != "theano" and any(samples_corners(layer, ctx.provenance) for layer in layers):
        yield BILINEAR_NOTE


def _load_keras(path: Path, archive: Contents, asked: _Asked) -> ModelSpec:
    config = parse_json(archive.json_text(CONFIG), f"{path}: {CONFIG!r}")
    metadata = (
        parse_json(archive.json_text(METADATA), f"{path}: {METADATA!r}") if archive.has(METADATA) else {}
    )
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    provenance = _provenance(version if isinstance(version, str) else "3", "", "keras")
    ctx = asked.context(str(path), provenance)
    spec = read_model(config, ctx)
    if archive.has(PICKLED_WEIGHTS) and not archive.has(WEIGHTS):
        raise ctx.error(
            f"Its weights are Python pickles ({PICKLED_WEIGHTS!r}), which are programs; kexport runs none, and Keras 3.15 reads none either",
            hint="Load the model with the Keras that wrote it, where the file is trusted, and save it again: model.save('model.keras').",
        )
    if not archive.has(WEIGHTS):
        raise ctx.error(f"The {'folder' if path.is_dir() else 'archive'} has no {WEIGHTS!r}")
    with contextlib.closing(archive.weights()) as store:
        assigned = keras3_h5.read_weights(spec, store.root(), ctx)
        spec = with_saved_vocabularies(spec, archive, store.root(), ctx)
    return _finished(spec, assigned, ctx, path)


def _load_h5(path: Path, asked: _Asked) -> ModelSpec:
    with contextlib.closing(Store(path, str(path))) as store:
        root = store.root()
        text = root.text("model_config")
        group = root.group("model_weights")
        if not text or group is None:
            raise _no_model(path, root, text)
        record = parse_json(text, f"{path}: model_config")
        ctx = asked.context(str(path), _h5_provenance(root, group, "h5"), record)
        spec = read_model(record, ctx)
        assigned = legacy_h5.read_weights(spec, group, ctx)
    return _finished(spec, assigned, ctx, path)


def _no_model(path: Path, root: Group, text: str) -> Exception:
    if legacy_h5.is_legacy(root) or keras3_h5.is_keras3(root):
        return root.store.error(
            "The file holds weights without a model; give the model's JSON and this file as its weights"
        )
    missing = "model_weights" if text else "model_config"
    return root.store.error(f"The HDF5 file has no {missing!r}, so it is not a Keras model")


def _h5_provenance(root: Group, group: Group, form: str) -> Provenance:
    version = root.text("keras_version") or group.text("keras_version")
    return _provenance(version or "1", root.text("backend") or group.text("backend"), form)


def _provenance(version: str, backend: str, form: str) -> Provenance:
    """Multi-backend Keras ended at 2.3.1; later versions 2, and those called ``-tf``, are TensorFlow's."""
    numbers = [
        int(part)
        for part in version.removesuffix("-tf").split(".")[:2]
        if part.isdecimal() and part.isascii()
    ]
    tensorflow = version.endswith("-tf") or [2, 4] <= numbers < [3]
    if tensorflow and not backend:
        backend = "tensorflow"
    return Provenance(version, backend, form, "tf.keras" if tensorflow else "keras")


def _load_json(path: Path, weights: str | Path | None, asked: _Asked) -> ModelSpec:
    record = read_json(path)
    if is_shard_map(record):
        raise UsageError(
            f"{path} maps the weights of a model, and holds no model.",
            hint="Give the model's JSON, and this file as its weights: kexport … model.json --weights model.weights.json.",
        )
    if weights is None:
        raise UsageError(
            f"{path} holds a model without weights.",
            hint="Give its weights file: --weights model.weights.h5.",
        )
    with _weights_root(Path(weights)) as root:
        group = root.group("model_weights") or root
        said = record if isinstance(record, dict) else {}
        version, backend = said.get("keras_version"), said.get("backend")
        provenance = _provenance(
            version if isinstance(version, str) else group.text("keras_version") or _guessed_version(root),
            backend if isinstance(backend, str) else group.text("backend"),
            "json+weights",
        )
        ctx = asked.context(str(path), provenance, record)
        spec = read_model(record, ctx)
        if legacy_h5.is_legacy(group):
            assigned = legacy_h5.read_weights(spec, group, ctx)
        elif keras3_h5.is_keras3(root):
            assigned = keras3_h5.read_weights(spec, root, ctx)
        else:
            raise root.store.error("The file holds no Keras weights")
    return _finished(spec, assigned, ctx, path)


def shards_of(weights: Path) -> list[Path]:
    """The files with the weights that ``weights`` maps; none where it holds them itself."""
    return shard_files(weights) if kind_of(weights) == "json" else []


@contextlib.contextmanager
def _weights_root(path: Path) -> Iterator[Group]:
    """The root of a weights file, or of several that a JSON maps."""
    kind = kind_of(path)
    if kind == "json":
        with shards(path) as root:
            yield root
        return
    if kind != "hdf5":
        raise UsageError(f"The weights of a model.json must be an HDF5 file. Received: {path}")
    with contextlib.closing(Store(path, str(path))) as store:
        yield store.root()


def _guessed_version(root: Group) -> str:
    """What a JSON without a version comes from: Keras 3 does not write its version there, Keras 1 and 2 do."""
    return "3" if keras3_h5.is_keras3(root) else "1"
