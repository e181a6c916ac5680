"""The graph that every model is lowered to and every target is emitted from. Needs NumPy alone."""

from kexport.ir.builder import Builder, NameScope
from kexport.ir.dims import Dim, Shape, Symbolic, symbol
from kexport.ir.graph import Array, Constant, Graph, GraphError, Node, TensorType, Value

__all__ = [
    "Array",
    "Builder",
    "Constant",
    "Dim",
    "Graph",
    "GraphError",
    "NameScope",
    "Node",
    "Shape",
    "Symbolic",
    "TensorType",
    "Value",
    "symbol",
]
