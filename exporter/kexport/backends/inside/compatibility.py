"""Lets Theano, MXNet and Keras 1 and 2, which are older than Python 3.10, start on it.

A setup copies this file into the environment, whose Python imports it when it starts. It gives back what has gone from the standard
library, NumPy, SciPy and h5py since.
"""

# mypy: ignore-errors

import collections
import collections.abc
import importlib.abc
import importlib.machinery
import inspect
import sys


def _standard_library():
    for name in collections.abc.__all__:
        # Gone in Python 3.10.
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    if not hasattr(inspect, "getargspec"):
        # Gone in Python 3.11.
        names = collections.namedtuple("ArgSpec", "args varargs keywords defaults")

        def getargspec(function):
            found = inspect.getfullargspec(function)
            return names(found.args, found.varargs, found.varkw, found.defaults)

        inspect.getargspec = getargspec


def _h5py(module):
    """Attributes that hold text are bytes, as in h5py 2: Keras decodes them."""
    plain = module.AttributeManager.__getitem__

    def item(self, name):
        import numpy

        value = plain(self, name)
        if isinstance(value, str):
            return value.encode("utf-8")
        if getattr(value, "dtype", None) == object and value.size and isinstance(value.flat[0], str):
            encoded = [text.encode("utf-8") for text in value.flat]
            return numpy.array(encoded, dtype="S").reshape(value.shape)
        return value

    module.AttributeManager.__getitem__ = item


def _signaltools(module):
    """Theano's convolution takes two of SciPy's private functions by the names that their modules had before SciPy 1.8."""
    from scipy.signal import _signaltools

    for name in ("_valfrommode", "_bvalfromboundary"):
        setattr(module, name, getattr(_signaltools, name))


def _sigtools(module):
    from scipy.signal import _sigtools

    module._convolve2d = _sigtools._convolve2d


_CHANGED = {"h5py": _h5py, "scipy.signal.signaltools": _signaltools, "scipy.signal.sigtools": _sigtools}


class _Changed(importlib.abc.Loader):
    """Loads a module by its own loader, then changes it."""

    def __init__(self, loader, change):
        self._loader, self._change = loader, change

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        self._change(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Changes modules when something imports them, so that a start of Python costs nothing."""

    def find_spec(self, name, path, target=None):
        change = _CHANGED.get(name)
        if change is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Changed(spec.loader, change)
        return spec


_standard_library()
sys.meta_path.insert(0, _Finder())
