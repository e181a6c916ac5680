"""A row of the conformance table, and how most rows are written.

No Keras is imported here: a row's ``build`` gets the one to use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Build = Callable[[Any], Any]


@dataclass(frozen=True)
class Case:
    """A row.

    Attributes:
        id: ``Conv2D-same-stride2``: the class first.
        build: given ``keras`` (or ``tf_keras``), the model.
        only: the writers that can build it: ``keras3``, ``keras2``.
        integers: inputs (by position) that hold integers below the number given.
        lengths: what unknown dimensions but the batch are in the samples.
        texts: inputs (by position) that hold texts, and these.
        formats: the files to save; Keras 3.15 can't write every layer as .h5.
    """

    id: str
    build: Build
    only: tuple[str, ...] = ("keras3", "keras2")
    integers: dict[int, int] = field(default_factory=dict)
    lengths: int = 11
    texts: dict[int, tuple[str, ...]] = field(default_factory=dict)
    formats: tuple[str, ...] = (".keras", ".h5")

    @property
    def reference_backend(self) -> str:
        """What computes a Keras 3 row: JAX where TensorFlow has no kernel on a CPU."""
        return "jax" if "channels_first" in self.id else "tensorflow"


def layer_case(class_name: str, label: str, shape: tuple[int | None, ...], only: tuple[str, ...] = ("keras3", "keras2"), formats: tuple[str, ...] = (".keras", ".h5"), **arguments: Any) -> Case:
    """One layer of ``class_name`` on one float32 input of ``shape`` (without the batch)."""

    def build(keras: Any) -> Any:
        inputs = keras.Input(shape, name="x")
        return keras.Model(inputs, getattr(keras.layers, class_name)(**arguments, name="layer")(inputs))

    return Case(f"{class_name}-{label}", build, only, formats=formats)


K3 = ("keras3",)


BIASED = {"bias_initializer": "random_normal"}


def recurrent_case(label: str, build: Callable[[Any, Any], Any], shape: tuple[int | None, ...] = (6, 5), only: tuple[str, ...] = ("keras3", "keras2"), **more: Any) -> Case:
    """A recurrent layer on one sequence; weights that training would change are random."""

    def model(keras: Any) -> Any:
        inputs = keras.Input(shape, name="x")
        return keras.Model(inputs, build(keras.layers, inputs))

    return Case(label, model, only, **more)
