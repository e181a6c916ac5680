"""Environments with the frameworks that models were trained in: real ones, pinned, each in a folder of its own.

``recipes`` says what each holds, ``provision`` makes one whole or not at all, ``store`` finds and runs them; ``python27`` and
``mpi`` make what the oldest need.
"""

from __future__ import annotations

from kexport.backends.provision import setup
from kexport.backends.recipes import RECIPES, Recipe
from kexport.backends.store import Environment, environment, environments, remove, run

__all__ = ["RECIPES", "Environment", "Recipe", "environment", "environments", "remove", "run", "setup"]
