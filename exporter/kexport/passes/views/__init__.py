"""Carries transposes, expand_dims and squeezes along a graph until they meet their inverses.

:mod:`~kexport.passes.views.view` is the algebra, :mod:`~kexport.passes.views.mover` the walk, and the ``*_rules``
modules say how each op computes beneath a view.
"""

from kexport.passes.views import elementwise_rules, order_rules, reduction_rules, shape_rules  # registers
from kexport.passes.views.mover import Mover, WindowForm, has_form, move_views
from kexport.passes.views.order import FeatureOrder, Segment
from kexport.passes.views.view import View, view_of

__all__ = [
    "FeatureOrder",
    "Mover",
    "Segment",
    "View",
    "WindowForm",
    "elementwise_rules",
    "has_form",
    "move_views",
    "order_rules",
    "reduction_rules",
    "shape_rules",
    "view_of",
]
