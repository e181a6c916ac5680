"""Symbolic tensors in the place of arrays that code makes for itself.

``ops.sin(ops.arange(ops.shape(x)[1]))`` computes at once, since nothing in it is symbolic, and leaves an array of which nobody can say
what it is at another length. In :meth:`StandIns.instead_of_arrays` the functions that make arrays return symbolic tensors, so that
Keras notes what is computed from them; :meth:`StandIns.array` knows what each stands for.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

#: The modules of Keras 3 that users call those functions in.
_MODULES = ("keras.ops", "keras.ops.numpy")


class StandIns:
    """The stand-ins of one call.

    Args:
        library: the Keras to use (``record_model.Library``), of version 3: arrays of Keras 2 are its backend's own.
    """

    def __init__(self, library: Any) -> None:
        self._keras = library.module
        self._arrays: dict[int, tuple[Any, Any]] = {}

    def array(self, tensor: Any) -> Any:
        """The array that ``tensor`` stands for; None where it is no stand-in."""
        return self._arrays.get(id(tensor), (None, None))[1]

    @contextlib.contextmanager
    def instead_of_arrays(self) -> Iterator[None]:
        """In it, what makes arrays makes stand-ins."""
        self._ops = self._keras.ops
        originals = {
            name: getattr(self._ops, name) for name in ("arange", "eye", "full", "ones", "tri", "zeros")
        }
        self._arange = originals["arange"]
        makers: dict[str, Callable[..., Any]] = {
            "arange": self._counted,
            "eye": self._diagonal,
            "tri": self._triangle,
            **{name: self._standing_for(originals[name]) for name in ("full", "ones", "zeros")},
        }
        modules = [sys.modules[name] for name in _MODULES if name in sys.modules]
        for module in modules:
            for name, maker in makers.items():
                setattr(module, name, maker)
        try:
            yield
        finally:
            for module in modules:
                for name, original in originals.items():
                    setattr(module, name, original)

    def _stand_in(self, array: Any) -> Any:
        dtype = self._keras.backend.standardize_dtype(array.dtype)
        tensor = self._keras.KerasTensor(tuple(array.shape), dtype=dtype)
        self._arrays[id(tensor)] = tensor, array
        return tensor

    def _standing_for(self, maker: Callable[..., Any]) -> Callable[..., Any]:
        def standing(*args: Any, **kwargs: Any) -> Any:
            return self._stand_in(maker(*args, **kwargs))

        return standing

    def _counted(self, start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
        """``start + step × (0, 1, 2, …)``: of such a count it can be said what it is at another length."""
        array = self._arange(start, stop, step, dtype=dtype)
        found = self._stand_in(self._arange(array.shape[0], dtype=array.dtype))
        first = 0 if stop is None else start
        found = found if step in {1, None} else self._ops.multiply(found, step)
        found = found if first == 0 else self._ops.add(found, first)
        return self._ops.cast(found, self._keras.backend.standardize_dtype(array.dtype))

    def _places(self, rows: int, columns: int | None) -> tuple[Any, Any]:
        return self._counted(rows)[:, None], self._counted(rows if columns is None else columns)[None, :]

    def _diagonal(self, N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:  # noqa: N803  (Keras's names)
        row, column = self._places(N, M)
        return self._ops.cast(self._ops.equal(row + k, column), dtype or self._keras.config.floatx())

    def _triangle(self, N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:  # noqa: N803  (Keras's names)
        row, column = self._places(N, M)
        return self._ops.cast(self._ops.greater_equal(row + k, column), dtype or self._keras.config.floatx())
