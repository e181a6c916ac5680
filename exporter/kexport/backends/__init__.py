"""Environments with the frameworks that models were trained in: real ones, pinned, each in a folder of its own.

``recipes`` and ``pins`` say what each holds, ``provision`` makes one whole or not at all by the steps in ``making``, ``trial`` trains
something in it, ``store`` finds and runs them; ``interpreters``, ``python27`` and ``mpi`` make what they need.
"""

from __future__ import annotations

from kexport.backends.provision import setup
from kexport.backends.recipes import RECIPES, Recipe
from kexport.backends.store import Environment, environment, environments, is_leftover, remove, run

__all__ = [
    "RECIPES",
    "Environment",
    "Recipe",
    "environment",
    "environments",
    "is_leftover",
    "remove",
    "run",
    "setup",
]
