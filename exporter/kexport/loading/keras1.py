"""Keras 1's classes and arguments in Keras 2's words (keras/legacy/interfaces.py of Keras 2.3 lists them)."""

from __future__ import annotations

from typing import Any

from kexport.loading.context import Context

Config = dict[str, Any]


def translate(class_name: str, config: Config, ctx: Context, where: str) -> tuple[str, Config]:
    """The class and config of a Keras 1 layer in Keras 2's vocabulary."""
    del ctx, where
    return class_name, config
