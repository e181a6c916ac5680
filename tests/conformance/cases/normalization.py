"""Normalization layers."""

from __future__ import annotations

from collections.abc import Iterable

from .case import K3, Case, layer_case


def _normalization() -> Iterable[Case]:
    random = {"beta_initializer": "random_normal", "gamma_initializer": "random_uniform"}
    stats = {"moving_mean_initializer": "random_normal", "moving_variance_initializer": "ones"}
    yield layer_case("BatchNormalization", "default", (9, 4), **random, **stats)
    yield layer_case("BatchNormalization", "axis1", (4, 5, 6), axis=1, **random, **stats)
    yield layer_case("BatchNormalization", "no-scale", (5, 6), scale=False, epsilon=0.1, **stats)
    yield layer_case("BatchNormalization", "no-center", (5, 5, 6), center=False, **stats)
    yield layer_case("BatchNormalization", "two-axes", (4, 5, 6), only=("keras2",), axis=[1, 3], **random, **stats)
    yield layer_case("BatchNormalization", "renorm", (4, 6), only=("keras2",), renorm=True, **random, **stats)
    yield layer_case("BatchNormalization", "synchronized", (9, 4), synchronized=True, **random, **stats)
    yield layer_case("LayerNormalization", "default", (5, 6), **random)
    yield layer_case("LayerNormalization", "axes", (5, 3, 6), axis=(1, 3), **random)
    yield layer_case("LayerNormalization", "plain", (5, 6), scale=False, center=False, epsilon=0.01)
    yield layer_case("LayerNormalization", "rms", (5, 6), only=K3, rms_scaling=True, **random)
    yield layer_case("UnitNormalization", "default", (5, 6))
    yield layer_case("UnitNormalization", "axes", (5, 3, 6), axis=(1, 3))
    yield layer_case("GroupNormalization", "instance", (4, 5, 6), groups=-1, **random)
    yield layer_case("GroupNormalization", "axis1", (6, 4, 5), groups=2, axis=1, **random)
    yield layer_case("GroupNormalization", "plain-axis2", (4, 6, 5), groups=3, axis=2, scale=False, center=False, epsilon=0.01)
    yield layer_case("RMSNormalization", "axes", (5, 3, 6), only=K3, axis=(2, 3))
    yield layer_case("GroupNormalization", "groups", (5, 6), groups=3, **random)
    yield layer_case("RMSNormalization", "default", (5, 6), only=K3)
    yield layer_case("Rescaling", "scale-offset", (5, 6), scale=0.5, offset=-1.0)
    yield layer_case("Rescaling", "lists", (4, 3), scale=[0.5, 2.0, 0.1], offset=[1.0, 0.0, -2.0])
    yield layer_case("Normalization", "given", (4, 3), mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5])
    yield layer_case("Normalization", "invert", (4, 3), mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5], invert=True)


CASES: tuple[Case, ...] = (*_normalization(),)
