"""The packages of the environments, pinned, for each Python that they work on.

The old ones are the last versions that work together; each set was tried by training, saving and reloading models in it (Debian 12,
November 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_H5PY2: Final = ("h5py==2.10.0", "six==1.16.0", "PyYAML==5.4.1")
#: The pip that Python 3.6 brings does not know the platforms of later wheels.
_BUILD3: Final = ("pip==21.3.1", "setuptools==59.6.0", "wheel==0.37.1")
_NUMERIC36: Final = ("numpy==1.16.6", "scipy==1.2.3", *_H5PY2, *_BUILD3)
_NUMERIC310: Final = (
    *["numpy==1.23.5", "scipy==1.10.1", "h5py==3.11.0", "six==1.17.0", "PyYAML==6.0.3"],
    *["setuptools==65.5.1", "wheel==0.38.4"],
)
#: NumPy, SciPy and HDF5 as Keras 1 and 2 know them, and what source distributions are built with, by Python.
NUMERIC: Final[Mapping[str, tuple[str, ...]]] = {
    # CNTK imports pip.
    "2.7": (
        *["numpy==1.16.6", "scipy==1.2.3", *_H5PY2, "enum34==1.1.10"],
        *["pip==20.3.4", "setuptools==44.1.1", "wheel==0.37.1"],
    ),
    "3.6": _NUMERIC36,
    "3.7": _NUMERIC36,
    "3.8": ("numpy==1.17.5", "scipy==1.4.1", *_H5PY2, *_BUILD3),
    # These with inside/compatibility.py.
    "3.10": _NUMERIC310,
    "3.11": _NUMERIC310,
}

KERAS23: Final = ("keras==2.3.1", "keras-applications==1.0.8", "keras-preprocessing==1.1.2")
KERAS_MXNET: Final = ("keras-mxnet==2.2.4.3", "keras-applications==1.0.8", "keras-preprocessing==1.1.2")
KERAS12: Final = ("keras==1.2.2",)
THEANO: Final = ("Theano==1.0.5",)
CNTK: Final = ("cntk==2.7.post2",)
_MXNET_NEEDS: Final = (
    *["graphviz==0.8.4", "requests==2.27.1", "urllib3==1.26.20", "idna==2.10", "chardet==4.0.0"],
    "certifi==2021.10.8",
)
MXNET15: Final = ("mxnet==1.5.1.post0", *_MXNET_NEEDS)
MXNET19: Final = ("mxnet==1.9.1", *_MXNET_NEEDS, "charset-normalizer==2.0.12")
#: gRPC and protobuf have to be as old as it is.
TENSORFLOW1: Final = ("grpcio==1.39.0", "protobuf==3.17.3", "tensorflow==1.15.0")

#: The Pythons of Keras 3.15, and what its arrays and files are read with.
PYTHONS_OF_KERAS3: Final = ("3.11", "3.12", "3.13", "3.14")
KERAS3: Final = ("keras==3.15.1", "h5py==3.14.0")


@dataclass(frozen=True)
class Contents:
    """What is installed on a version of Python.

    Attributes:
        steps: packages to install, in order; each step by one call of pip.
        dependencies: whether pip may add what the packages ask for; where not, all are among ``steps``.
        compatible: whether ``inside/compatibility.py`` is installed beside them, for packages that are older than the Python.
    """

    steps: tuple[tuple[str, ...], ...]
    dependencies: bool = False
    compatible: bool = False


def on(
    pythons: tuple[str, ...], *packages: tuple[str, ...], dependencies: bool = False
) -> dict[str, Contents]:
    """The same packages on each of some Pythons, on top of the numeric ones."""
    return {
        python: Contents(
            (NUMERIC[python], *packages), dependencies=dependencies, compatible=python in {"3.10", "3.11"}
        )
        for python in pythons
    }
