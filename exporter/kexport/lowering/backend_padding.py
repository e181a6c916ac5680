"""How much Theano, CNTK and MXNet pad for ``padding="same"``: one small function a case, collected in :data:`SAME`.

Like TensorFlow (and JAX and PyTorch under Keras 3, which follow it) they make ``ceil(length / stride)`` windows, a few cases
excepted, but each lays them elsewhere:

=============  =====================================================================================
TensorFlow     as little padding as that takes, ``max(reach - 1 - spare, 0)``, the odd element after
Theano         half the window before, whatever the length: ``reach // 2``
Theano, pools  ``window - 2`` before for an odd window above 1, ``window - 1`` for an even one
CNTK           the windows' middles centred in the input: ``(window - 1) // 2 - spare // 2`` before
MXNet          what TensorFlow pads in all, the odd element before; unbounded below
=============  =====================================================================================

``reach`` is the dilated window, ``spare = (length - 1) % stride`` what lies behind the place of the last window in the input. A
negative number is input that no window sees: a stride beyond the window leaves some out before the first.

Read in the sources of Keras 2.3.1 (keras/backend/theano_backend.py, ``_postprocess_conv2d_output`` and ``pool2d``), keras-mxnet
2.2.4.3 (keras/backend/mxnet_backend.py, ``_preprocess_padding_mode``, ``_convnd``, ``_poolnd``) and CNTK 2.7
(Source/Math/ConvolveGeometry.h, ``GetLowerPad``), and measured in each over windows, strides, lengths and dilations in one to three
dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from kexport.loading.spec import Provenance

Kind: TypeAlias = Literal["conv", "depthwise_conv", "separable_conv", "max_pool", "avg_pool"]
Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Along:
    """The windows along one spatial dimension.

    Attributes:
        window: elements of a window.
        stride: between windows.
        dilation: between elements of a window.
        spare: ``(length - 1) % stride``.
        index: which spatial dimension this is, from 0.
        rank: how many there are.
    """

    window: int
    stride: int
    dilation: int
    spare: int
    index: int
    rank: int

    @property
    def reach(self) -> int:
        """From the first element of a window to its last, both included."""
        return self.dilation * (self.window - 1) + 1


Rule: TypeAlias = Callable[[Along], Pair]


def theano_conv(at: Along) -> Pair:
    """Theano pads ``reach // 2`` on both sides; where an even window makes one more output of it, Keras drops that."""
    before = at.reach // 2
    return before, at.reach - 1 - before


def theano_separable(at: Along) -> Pair:
    """Here Keras looks at the pointwise window, which is odd, and drops nothing: an even window makes ``length // stride + 1``."""
    return at.reach // 2, at.reach // 2


def theano_pool(at: Along) -> Pair:
    """More than a window can need, on both sides; of the windows, Keras keeps the first ``ceil(length / stride)``."""
    before = _theano_pool_before(at.window)
    return before, at.window - 1 - before


def theano_pool_uncut(at: Along) -> Pair:
    """The same, and Keras keeps all of them: in three dimensions up to Keras 2.1.5, where ``pool3d`` writes over its argument."""
    before = _theano_pool_before(at.window)
    return before, before


def _theano_pool_before(window: int) -> int:
    return window - 2 if window % 2 and window > 1 else window - 1


def cntk(at: Along) -> Pair:
    """Half of what is left over lies before the first window's middle, which is its element ``(window - 1) // 2``."""
    before = (at.window - 1) // 2 - at.spare // 2
    return before, at.window - 1 - at.spare - before


def mxnet_conv(at: Along) -> Pair:
    """Keras pads both sides alike and drops what that makes too much, along the first two dimensions alone: along the third, an even
    window with a stride of 1 makes one output more."""
    return mxnet_whole(at) if at.index == 2 else mxnet_cut(at)


def mxnet_pool(at: Along) -> Pair:
    """The same, and Keras drops along the first of three dimensions alone."""
    return mxnet_cut(at) if at.rank == 3 and at.index == 0 else mxnet_whole(at)


def mxnet_cut(at: Along) -> Pair:
    """``ceil(length / stride)`` outputs."""
    total = at.reach - 1 - at.spare
    before = -(-total // 2)
    return before, total - before


def mxnet_whole(at: Along) -> Pair:
    """As many outputs as fit."""
    before = -(-(at.reach - 1 - at.spare) // 2)
    return before, before


_CONVOLUTIONS: Final = ("conv", "depthwise_conv", "separable_conv")
_POOLS: Final = ("max_pool", "avg_pool")

SAME: Final[Mapping[str, Mapping[str, Rule]]] = {
    "theano": {
        **dict.fromkeys(_CONVOLUTIONS, theano_conv),
        "separable_conv": theano_separable,
        **dict.fromkeys(_POOLS, theano_pool),
    },
    "cntk": dict.fromkeys((*_CONVOLUTIONS, *_POOLS), cntk),
    "mxnet": {**dict.fromkeys(_CONVOLUTIONS, mxnet_conv), **dict.fromkeys(_POOLS, mxnet_pool)},
}
"""By backend and kind of layer."""


def same_rule(kind: Kind, provenance: Provenance, rank: int) -> Rule | None:
    """What pads for ``same`` where the model was trained; None where that is as TensorFlow does."""
    rule = SAME.get(provenance.backend, {}).get(kind)
    if rule is theano_pool and rank == 3 and (2,) <= provenance.version < (2, 1, 6):
        return theano_pool_uncut
    return rule


def counts_padding(provenance: Provenance, rank: int) -> bool:
    """Whether an average with ``same`` divides by the whole window: on MXNet (``count_include_pad`` of its operator is on), and on
    Theano from Keras 2.0.4 to 2.1.4 in one and two dimensions (``average_inc_pad`` in ``pool2d``)."""
    if provenance.backend == "theano":
        return rank < 3 and (2, 0, 4) <= provenance.version < (2, 1, 5)
    return provenance.backend == "mxnet"


def transposed_before(backend: str, reach: int, beyond: int) -> int:
    """What a transposed convolution with ``same`` takes off the beginning of its full output: what the convolution whose gradient
    it is pads there.

    Args:
        backend: ``theano``, ``cntk`` or ``mxnet``; TensorFlow's rule for every other.
        reach: the dilated window.
        beyond: elements of the output beyond ``(length - 1) * stride``.
    """
    match backend:
        case "theano":
            return reach // 2
        case "cntk":
            return (reach - 1) // 2 - (beyond - 1) // 2
        case "mxnet":
            return -(-(reach - beyond) // 2)
    return max(reach - beyond, 0) // 2
