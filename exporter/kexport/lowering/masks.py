"""Keras masks: which steps of a sequence count.

A mask is a bool tensor (batch, time) beside a tensor, as Keras keeps it: made by Embedding and Masking, handed on by layers that
leave the steps alone, joined by merge layers, read by recurrent layers and pooling, and dropped by all others. It is lowered
as ordinary values, which are dead code where nothing reads them.

The sets follow ``supports_masking``, ``compute_mask`` and the ``mask`` arguments of ``call`` in keras/src/layers, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from kexport.errors import LoweringError
from kexport.ir import Builder, Value
from kexport.loading.spec import LayerSpec, ModelSpec, Provenance

#: Inside a wrapper their result depends on a mask in a way that is not lowered.
UNLOWERED = frozenset(["Softmax"])

#: Join the masks of their inputs.
MERGES = frozenset(["Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"])

#: Their output carries the mask of their input.
CARRIERS = frozenset(
    [
        "Activation",
        "ActivityRegularization",
        "AlphaDropout",
        "BatchNormalization",
        "Dense",
        "Dropout",
        "ELU",
        "GaussianDropout",
        "GaussianNoise",
        "GroupNormalization",
        "Identity",
        "LayerNormalization",
        "LeakyReLU",
        "Normalization",
        "PReLU",
        "ParametricSoftplus",
        "ReLU",
        "Rescaling",
        "SReLU",
        "SampleNormalization",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "Softmax",
        "ThresholdedReLU",
        "TimeDistributed",
        "UnitNormalization",
        "WholeBatchNormalization",
    ]
)


def masks_are_taken(model: ModelSpec, provenance: Provenance) -> bool:
    """Whether a layer of ``model`` takes the masks of its inputs away, so that the order of calls matters: MultiHeadAttention
    does, since Keras 3.8 (``call``, keras/src/layers/attention/multi_head_attention.py, 3.15)."""
    attends = any(layer.class_name == "MultiHeadAttention" for layer in model.walk())
    return attends and provenance.is_keras3_since(8)


class Masks:
    """The masks of the values of a graph under construction."""

    def __init__(self, builder: Builder, provenance: Provenance) -> None:
        self._builder = builder
        self._keras_major = provenance.keras_major
        self._masks: dict[Value, Value | None] = {}

    def of(self, value: Value) -> Value | None:
        """The mask of ``value``: bool (batch, time); None where every step counts."""
        return self._masks.get(value)

    def put(self, value: Value, mask: Value | None) -> None:
        """Say what the mask of ``value`` is; what a layer's rule says stands."""
        self._masks[value] = mask

    def take(self, value: Value) -> None:
        """Remove the mask of ``value``: what reads the tensor later finds none."""
        self._masks[value] = None

    def same(self, value: Value, source: Value) -> Value:
        """``value``, which has the mask of ``source`` (another dtype of it, say)."""
        if self._masks.get(source) is not None:
            self._masks[value] = self._masks[source]
        return value

    def before(self, layer: LayerSpec, inputs: Sequence[Value]) -> None:
        """Raise :class:`LoweringError` when a layer that ``layer`` wraps would read a mask in a way that is not lowered."""
        if layer.class_name == "Pipeline":
            return  # its layers are called one by one
        classes = [child.class_name for child in layer.children.values()]
        if any(self.of(value) is not None for value in inputs) and not UNLOWERED.isdisjoint(classes):
            raise LoweringError(
                f"Layer {layer.path!r} ({layer.class_name}): its input has a mask, and how this layer reads it is not lowered.",
                hint="Train and save the model with mask_zero=False and without Masking before this layer.",
            )

    def after(self, layer: LayerSpec, inputs: Sequence[Value], outputs: Sequence[Value]) -> None:
        """Give ``outputs`` the masks that Keras does, where the layer's rule has not."""
        given = [self.of(value) for value in inputs]
        if layer.class_name in CARRIERS:
            made = given[0] if given else None
        elif layer.class_name in MERGES:
            made = self._merged(given)
        elif layer.class_name == "Concatenate":
            made = self._concatenated(layer, inputs, given)
        else:
            return
        for value in outputs:
            if made is not None and value not in self._masks:
                self._masks[value] = made

    def _merged(self, masks: Sequence[Value | None]) -> Value | None:
        """Keras 3: steps that count in any input, if all have masks; before: those that count in all that have one."""
        known = [mask for mask in masks if mask is not None]
        if not known or (self._keras_major >= 3 and len(known) < len(masks)):
            return None
        op = "logical_or" if self._keras_major >= 3 else "logical_and"
        return reduce(lambda a, b: self._builder.op(op, a, b), known)

    def _concatenated(
        self, layer: LayerSpec, inputs: Sequence[Value], masks: Sequence[Value | None]
    ) -> Value | None:
        """Along the time axis one after the other; along the features, Keras 3: where any counts, before: where all do."""
        if all(mask is None for mask in masks):
            return None
        b, rank = self._builder, inputs[0].rank
        axis = int(layer.config.get("axis", -1)) % rank
        if axis == 1 and rank > 2:
            return b.op(
                "concat", *(self._whole(x, mask) for x, mask in zip(inputs, masks, strict=True)), axis=1
            )
        whole = [self._whole(x, mask) for x, mask in zip(inputs, masks, strict=True)]
        op = "logical_or" if self._keras_major >= 3 else "logical_and"
        return reduce(lambda left, right: b.op(op, left, right), whole)

    def _whole(self, x: Value, mask: Value | None) -> Value:
        """``mask``, or one in which every step of ``x`` counts."""
        if mask is not None:
            return mask
        one = self._builder.constant(True, "bool", name="every_step")
        return self._builder.op("broadcast_to", one, shape=x.shape[:2])
