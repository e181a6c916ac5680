"""Which layers make, hand on and read Keras masks.

Masks are not lowered: a model that makes one (``Embedding(mask_zero=True)``, ``Masking``) is lowered as long as no layer reads it,
since the outputs are then what they would be without. The sets follow ``supports_masking`` and the ``mask`` arguments of
``call`` in keras/src/layers, Keras 3.15; a layer in neither set ends the mask there.
"""

from __future__ import annotations

from collections.abc import Sequence

from kexport.errors import LoweringError
from kexport.ir import Value
from kexport.loading.spec import LayerSpec

#: Their result at inference depends on the mask.
READERS = frozenset(
    [
        "AdditiveAttention",
        "Attention",
        "Bidirectional",
        "ConvLSTM1D",
        "ConvLSTM2D",
        "ConvLSTM3D",
        "GRU",
        "GlobalAveragePooling1D",
        "GroupQueryAttention",
        "GroupedQueryAttention",
        "LSTM",
        "MultiHeadAttention",
        "RNN",
        "SimpleRNN",
        "Softmax",
    ]
)

#: Their output carries the mask of their input (or one computed from it).
CARRIERS = frozenset(
    [
        "Activation",
        "ActivityRegularization",
        "Add",
        "AlphaDropout",
        "Average",
        "BatchNormalization",
        "Concatenate",
        "Dense",
        "Dropout",
        "ELU",
        "GaussianDropout",
        "GaussianNoise",
        "GroupNormalization",
        "Identity",
        "LayerNormalization",
        "LeakyReLU",
        "Maximum",
        "Minimum",
        "Multiply",
        "Normalization",
        "PReLU",
        "ReLU",
        "Rescaling",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "Softmax",
        "Subtract",
        "ThresholdedReLU",
        "TimeDistributed",
        "UnitNormalization",
    ]
)


class Masks:
    """Follows masks through a graph under construction: which layer made the mask that a value carries."""

    def __init__(self) -> None:
        self._makers: dict[Value, str] = {}

    def before(self, layer: LayerSpec, inputs: Sequence[Value]) -> None:
        """Raise :class:`LoweringError` when ``layer`` would read a mask that one of ``inputs`` carries."""
        makers = self._carried(inputs)
        reads = layer.class_name in READERS or any(
            child.class_name in READERS for child in layer.children.values()
        )
        if makers and reads:
            raise LoweringError(
                f"Layer {layer.path!r} ({layer.class_name}): it reads the mask that layer {makers[0]!r} makes, and masks are not lowered.",
                hint="Train and save the model with mask_zero=False and without Masking.",
            )

    def after(self, layer: LayerSpec, inputs: Sequence[Value], outputs: Sequence[Value]) -> None:
        """Record what ``outputs`` carry."""
        if layer.class_name == "Masking" or (
            layer.class_name == "Embedding" and layer.config.get("mask_zero")
        ):
            makers = [layer.path]
        elif layer.class_name in CARRIERS:
            makers = self._carried(inputs)
        else:
            makers = []
        for value in outputs:
            if makers:
                self._makers[value] = makers[0]

    def _carried(self, values: Sequence[Value]) -> list[str]:
        return [self._makers[value] for value in values if value in self._makers]
