"""What each environment is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kexport.backends import pins
from kexport.backends.pins import Contents, on
from kexport.errors import UsageError

#: Theano without a C++ compiler: slower, and the same numbers everywhere.
_THEANO: Final = {"KERAS_BACKEND": "theano", "THEANO_FLAGS": "device=cpu,cxx=,optimizer=None,blas.ldflags="}


@dataclass(frozen=True)
class Recipe:
    """An environment's contents.

    Attributes:
        name: what it is called on the command line.
        title: what it is.
        private: whether a private CPython 2.7 is made for it where that can be; else it is made on the Python that runs kexport.
        contents: what is installed, by version of Python.
        megabytes: what it takes on the disk, as measured on Linux.
        backend: what files that were trained in it say, or ``--trained-on`` does.
        keras_major: of the Keras in it.
        library: the module that is Keras.
        environment: variables of processes that run in it.
        mpi: whether CNTK's stand-ins for OpenMPI are to be made.
    """

    name: str
    title: str
    private: bool
    contents: Mapping[str, Contents]
    megabytes: int
    backend: str
    keras_major: int
    library: str = "keras"
    environment: Mapping[str, str] = field(default_factory=dict)
    mpi: bool = False

    @property
    def digest(self) -> str:
        """Changes when the contents do: an environment of another digest is made anew."""
        text = repr((self.private, sorted(self.contents.items()), sorted(self.environment.items()), self.mpi))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _today(backend: str, megabytes: int, *packages: str) -> Recipe:
    """Keras 3 on one of its backends."""
    contents = Contents(((*packages, *pins.KERAS3),), dependencies=True)
    return Recipe(
        backend,
        f"Keras 3 on {backend}",
        private=False,
        contents=dict.fromkeys(pins.PYTHONS_OF_KERAS3, contents),
        megabytes=megabytes,
        backend=backend,
        keras_major=3,
        environment={"KERAS_BACKEND": backend},
    )


_ALL: Final = (
    _today("tensorflow", 2140, "tensorflow==2.21.0"),
    _today("jax", 690, "jax==0.10.2"),
    _today("torch", 1030, "torch==2.13.0"),
    Recipe(
        "tf_keras",
        "tf.keras (Keras 2 on TensorFlow 2)",
        private=False,
        contents=dict.fromkeys(
            pins.PYTHONS_OF_KERAS3,
            Contents((("tensorflow==2.21.0", "tf_keras==2.21.0", "h5py==3.14.0"),), dependencies=True),
        ),
        megabytes=2150,
        backend="tensorflow",
        keras_major=2,
        library="tf_keras",
        environment={"TF_USE_LEGACY_KERAS": "1"},
    ),
    Recipe(
        "tensorflow1",
        "Keras 2.3.1 on TensorFlow 1.15",
        private=True,
        contents={
            # With the numeric packages once more, so that TensorFlow's dependencies don't take newer ones.
            python: Contents(
                (pins.NUMERIC[python], (*pins.TENSORFLOW1, *pins.NUMERIC[python]), pins.KERAS23),
                dependencies=True,
            )
            for python in ("2.7", "3.6", "3.7")
        },
        megabytes=1550,
        backend="tensorflow",
        keras_major=2,
        environment={"KERAS_BACKEND": "tensorflow"},
    ),
    Recipe(
        "theano",
        "Keras 2.3.1 on Theano 1.0.5",
        private=True,
        contents=on(("2.7", "3.6", "3.7", "3.8", "3.10", "3.11"), pins.THEANO, pins.KERAS23),
        megabytes=230,
        backend="theano",
        keras_major=2,
        environment=_THEANO,
    ),
    Recipe(
        "cntk",
        "Keras 2.3.1 on CNTK 2.7",
        private=True,
        contents=on(("2.7", "3.6"), pins.CNTK, pins.KERAS23),
        megabytes=490,
        backend="cntk",
        keras_major=2,
        environment={"KERAS_BACKEND": "cntk"},
        mpi=True,
    ),
    Recipe(
        "mxnet",
        "keras-mxnet 2.2.4 on MXNet 1.5.1",
        private=True,
        contents={
            **on(("2.7", "3.6", "3.7", "3.8"), pins.MXNET15, pins.KERAS_MXNET),
            **on(("3.10", "3.11"), pins.MXNET19, pins.KERAS_MXNET),
        },
        megabytes=300,
        backend="mxnet",
        keras_major=2,
        # MXNet 1.9 brings oneDNN, which refuses windows that MXNet's own kernels compute, as those of 1.5 do.
        environment={"KERAS_BACKEND": "mxnet", "MXNET_MKLDNN_ENABLED": "0"},
    ),
    Recipe(
        "keras1-theano",
        "Keras 1.2.2 on Theano 1.0.5",
        private=True,
        contents=on(("2.7", "3.6", "3.7", "3.8", "3.10", "3.11"), pins.THEANO, pins.KERAS12),
        megabytes=230,
        backend="theano",
        keras_major=1,
        environment=_THEANO,
    ),
)

RECIPES: Final[Mapping[str, Recipe]] = {recipe.name: recipe for recipe in _ALL}


def recipe_of(name: str) -> Recipe:
    """The recipe called ``name``.

    Raises:
        UsageError: there is none.
    """
    if name not in RECIPES:
        raise UsageError(f"There is no backend {name!r}.", hint=f"Backends: {', '.join(RECIPES)}.")
    return RECIPES[name]
