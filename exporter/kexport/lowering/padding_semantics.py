"""What ``padding="same"`` means, by the backend that trained the model.

TensorFlow (and JAX and PyTorch under Keras 3, which follow it) makes ``ceil(length / stride)`` windows with as little padding
as that takes, the odd element after. Theano, MXNet and CNTK pad by the window alone, whatever the length, and each
differs from TensorFlow in its own cases. Measured by training, saving and reloading models in each of them (Keras 2.3.1 on
Theano 1.0.5 and CNTK 2.7, keras-mxnet 2.2.4 on MXNet 1.5.1, Keras 1.2.2 on Theano 1.0.5):

======================  =======  ======  =====
``same``, layer         Theano   MXNet   CNTK
======================  =======  ======  =====
convolution k3 s1       agrees   agrees  agrees
convolution k4 s1       differs  differs agrees
convolution k3 s2       differs  differs differs
pool 2, strides 2       differs  differs agrees
pool 3, strides 2       differs  differs differs
transposed k3 s2        differs  differs differs
======================  =======  ======  =====

A window of one element needs no padding in any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from kexport.errors import LoweringError
from kexport.loading.spec import Provenance

Kind: TypeAlias = Literal[
    "conv", "depthwise_conv", "separable_conv", "conv_transpose", "max_pool", "avg_pool"
]
Padding: TypeAlias = str | tuple[tuple[int, int], ...]

_POOLS = ("max_pool", "avg_pool")


def resolve_padding(
    padding: str,
    *,
    kind: Kind,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    provenance: Provenance,
    layer: str,
) -> Padding:
    """The ``padding`` attribute of a convolution or pool op: ``"same"`` or a (before, after) pair a spatial dimension.

    Args:
        padding: Keras's argument: ``valid``, ``same``, ``causal`` (all of it before: output t sees inputs up to t) or,
            in Keras 1 on Theano, ``full`` (wherever window and input meet).
        kind: the op, since a backend may pad its pools otherwise than its convolutions.
        window: elements, one entry a spatial dimension, as the next two.
        strides: between windows.
        dilations: between elements of a window.
        provenance: whose ``same`` it is.
        layer: the layer's path, for the error.

    Raises:
        LoweringError: the argument is unknown, or this backend's ``same`` is not TensorFlow's here.
    """
    reaches = [d * (w - 1) + 1 for w, d in zip(window, dilations, strict=True)]
    if padding == "valid":
        return tuple((0, 0) for _ in reaches)
    if padding == "causal":
        return tuple((reach - 1, 0) for reach in reaches)
    if padding == "full":
        return tuple((reach - 1, reach - 1) for reach in reaches)
    if padding != "same":
        known = "'valid', 'same', 'causal' or 'full'"
        raise LoweringError(f"Layer {layer!r}: padding is {known}. Received: {padding!r}.")
    if not all(_agrees(provenance.backend, kind, *entry) for entry in zip(reaches, strides, strict=True)):
        raise LoweringError(
            f"Layer {layer!r}: {provenance.backend} pads 'same' otherwise than TensorFlow for a window of "
            f"{tuple(window)} and strides of {tuple(strides)}, and how is not known here. "
            f"Received: a model whose backend is {provenance.backend!r}.",
            hint="If the model was trained on another backend, correct the attribute 'backend' of the file.",
        )
    return "same"


def _agrees(backend: str, kind: Kind, reach: int, stride: int) -> bool:
    """Whether ``same`` along one dimension is TensorFlow's; ``reach`` is the dilated window. True only where measured."""
    if backend not in ("theano", "mxnet", "cntk") or (reach == 1 and kind != "conv_transpose"):
        return True
    if kind in _POOLS:
        return backend == "cntk" and reach == 2
    return stride == 1 and (reach % 2 == 1 or (backend == "cntk" and kind != "conv_transpose"))
