"""What a loader returns: one description of a model, whichever Keras wrote it.

Class names, argument names and defaults are Keras 3's (``filters``, ``data_format``, ``batch_shape``, …): the
loaders translate what Keras 1 and 2 wrote, and fill in the defaults of the version that wrote the file, so that
a lowering rule reads one vocabulary and finds every argument present.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kexport.ir import Constant, Dim, Shape
from kexport.nested import leaves


@dataclass(frozen=True)
class Provenance:
    """Who wrote a model.

    Attributes:
        keras_version: as the file says (``"2.0.5"``); ``""`` where it does not.
        backend: ``tensorflow``, ``theano``, ``cntk``, ``mxnet``, ``jax``, ``torch``; ``""`` where unknown.
        format: ``h5``, ``keras``, ``json+weights`` or ``live``.
        library: ``keras`` (Keras 1, 2 multi-backend, 3) or ``tf.keras``, as far as the file shows.
    """

    keras_version: str
    backend: str
    format: str
    library: str = "keras"

    @property
    def keras_major(self) -> int:
        """1, 2 or 3; 0 where the file does not say."""
        head = self.keras_version.partition(".")[0]
        return int(head) if head.isdigit() else 0

    def is_keras3_since(self, minor: int) -> bool:
        """Whether it is Keras 3.``minor`` or later; what only says 3 is of its last version."""
        return self.keras_major == 3 and (len(self.version) < 2 or self.version[1] >= minor)

    @property
    def version(self) -> tuple[int, ...]:
        """``keras_version`` as numbers, as far as it has some: (2, 0, 5)."""
        parts = self.keras_version.removesuffix("-tf").split(".")
        return tuple(int(part) for part in parts if part.isdecimal() and part.isascii())


@dataclass(frozen=True)
class TensorRef:
    """Output ``tensor`` of call ``call`` of the layer called ``layer`` in the same model."""

    layer: str
    call: int = 0
    tensor: int = 0


@dataclass(frozen=True)
class Filled:
    """A tensor of one number throughout, whose shape may hold open lengths; with ``counted``, ``number`` times the index along its
    one dimension that is not 1."""

    number: bool | int | float
    dtype: str
    shape: Shape
    counted: bool = False


@dataclass(frozen=True)
class Length:
    """An open length as a number to compute with."""

    dim: Dim
    dtype: str


@dataclass(frozen=True)
class CallSpec:
    """One call of a layer: nested tuples, lists and dicts of plain data with :class:`TensorRef` leaves."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def tensors(self) -> Iterator[TensorRef]:
        """The tensors of the call, arguments first, depth first."""
        return (leaf for leaf in leaves([self.args, self.kwargs]) if isinstance(leaf, TensorRef))


@dataclass(frozen=True)
class LayerSpec:
    """A layer.

    Attributes:
        name: unique within its model.
        path: the names of the models and wrappers around it and its own, joined by ``/``: what errors, origins and
            reports call it.
        class_name: Keras 3's (``Conv2D``); a class that Keras does not have keeps the name that the file gives.
        module: where the file says the class lives (``keras.layers``), ``""`` where it does not.
        registered_name: the name under which a custom class was registered (``my_package>MyLayer``), else ``""``.
        config: the arguments in Keras 3's vocabulary, complete for built-in classes.
        calls: in call order. Empty for the layers of a Sequential model and of wrappers, which are called in line.
        weights: by Keras's variable name (``kernel``, ``moving_mean``) for built-in classes, in Keras's order;
            by position (``"0"``, ``"1"``) for others.
        model: for a nested Sequential or Functional model.
        children: wrapped layers by role (``layer``, ``forward_layer``, ``cell``).
    """

    name: str
    path: str
    class_name: str
    config: Mapping[str, Any]
    module: str = ""
    registered_name: str = ""
    calls: tuple[CallSpec, ...] = ()
    weights: Mapping[str, Constant] = field(default_factory=dict)
    model: ModelSpec | None = None
    children: Mapping[str, LayerSpec] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """The number of weight elements, those of nested layers included."""
        own = sum(weight.size for weight in self.weights.values())
        nested = self.model.parameters if self.model else 0
        return own + nested + sum(child.parameters for child in self.children.values())


def samples_corners(layer: LayerSpec, provenance: Provenance) -> bool:
    """Whether a bilinear upsampling takes output i at ``i * in / out``, without half-pixel centres: multi-backend Keras 2 on
    TensorFlow and Theano (``resize_images`` in keras/backend/tensorflow_backend.py and theano_backend.py, 2.2.3 to 2.3.1)."""
    return (
        layer.class_name == "UpSampling2D"
        and layer.config.get("interpolation") == "bilinear"
        and provenance.keras_major == 2
        and provenance.library == "keras"
        and provenance.backend in {"", "tensorflow", "theano"}
    )


@dataclass(frozen=True)
class ModelSpec:
    """A model: Sequential models are given calls too (layer i on the output of layer i - 1).

    Attributes:
        inputs, outputs: tensors of this model's layers, flattened in the model's order.
        input_names, output_names: what Keras calls them: the names of the input layers and, for outputs, those of
            the layers that compute them, made unique with ``_1``, ``_2`` (keys of a dict structure where the model has one).
        notes: what the file leaves open and the user should know, a sentence each.
    """

    name: str
    class_name: str
    layers: tuple[LayerSpec, ...]
    inputs: tuple[TensorRef, ...]
    outputs: tuple[TensorRef, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    provenance: Provenance
    source: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """The number of weight elements of all layers."""
        return sum(layer.parameters for layer in self.layers)

    def layer(self, name: str) -> LayerSpec:
        """The layer called ``name``."""
        return next(layer for layer in self.layers if layer.name == name)

    def walk(self) -> Iterator[LayerSpec]:
        """Every layer, each before the layers inside it."""
        for layer in self.layers:
            yield from _walk(layer)


def _walk(layer: LayerSpec) -> Iterator[LayerSpec]:
    yield layer
    for child in layer.children.values():
        yield from _walk(child)
    if layer.model is not None:
        yield from layer.model.walk()
