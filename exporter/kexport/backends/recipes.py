"""What each environment holds. The versions are the last ones that work together; the legacy ones were tried by training, saving and
reloading models in them (Debian 12, November 2026)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kexport.errors import UsageError

#: NumPy, SciPy and HDF5 as Keras 1 and 2 of Python 2.7 know them.
_BASE27: Final = (
    "numpy==1.16.6",
    "scipy==1.2.3",
    "h5py==2.10.0",
    "six==1.16.0",
    "enum34==1.1.10",
    "PyYAML==5.4.1",
    # What source distributions are built with; CNTK imports pip.
    "pip==20.3.4",
    "setuptools==44.1.1",
    "wheel==0.37.1",
)
_KERAS23: Final = ("keras==2.3.1", "keras-applications==1.0.8", "keras-preprocessing==1.1.2")

#: Theano without a C++ compiler: slower, and the same numbers everywhere.
_THEANO: Final = {"KERAS_BACKEND": "theano", "THEANO_FLAGS": "device=cpu,cxx=,optimizer=None"}


@dataclass(frozen=True)
class Recipe:
    """An environment's contents.

    Attributes:
        name: what it is called on the command line.
        title: what it is.
        python: ``3`` for the Python that runs kexport, ``2.7`` for a private one.
        steps: packages to install, in order; each step by one call of pip, without dependencies where ``alone``.
        environment: variables of processes that run in it.
        mpi: whether CNTK's stand-ins for OpenMPI are to be made.
        probe: Python that prints the versions that it has, and fails where something is missing.
        backend: what files that were trained in it say, or ``--trained-on`` does.
        keras_major: of the Keras in it.
    """

    name: str
    title: str
    python: str
    steps: tuple[tuple[str, ...], ...]
    backend: str
    keras_major: int
    environment: Mapping[str, str] = field(default_factory=dict)
    alone: bool = True
    mpi: bool = False
    probe: str = "import keras; print(keras.__version__)"

    @property
    def digest(self) -> str:
        """Changes when the contents do: an environment of another digest is made anew."""
        text = repr((self.python, self.steps, sorted(self.environment.items()), self.alone, self.mpi))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _keras3(backend: str, *packages: str) -> Recipe:
    return Recipe(
        backend,
        f"Keras 3 on {backend}",
        "3",
        ((*packages, "keras==3.15.1"),),
        backend,
        3,
        {"KERAS_BACKEND": backend},
        alone=False,
        probe="import keras; print('%s %s' % (keras.__version__, keras.backend.backend()))",
    )


_ALL: Final = (
    _keras3("tensorflow", "tensorflow==2.21.0"),
    _keras3("jax", "jax==0.10.2"),
    _keras3("torch", "torch==2.15.0"),
    Recipe(
        "tf_keras",
        "tf.keras (Keras 2 on TensorFlow 2)",
        "3",
        (("tensorflow==2.21.0", "tf_keras==2.21.0"),),
        "tensorflow",
        2,
        {"TF_USE_LEGACY_KERAS": "1"},
        alone=False,
        probe="import tf_keras; print(tf_keras.__version__)",
    ),
    Recipe(
        "tensorflow1",
        "Keras 2.3.1 on TensorFlow 1.15",
        "2.7",
        (_BASE27, ("grpcio==1.39.0", "tensorflow==1.15.0", *_BASE27), _KERAS23),
        "tensorflow",
        2,
        {"KERAS_BACKEND": "tensorflow"},
        alone=False,
        probe="import keras, tensorflow; print('%s %s' % (keras.__version__, tensorflow.__version__))",
    ),
    Recipe(
        "theano",
        "Keras 2.3.1 on Theano 1.0.5",
        "2.7",
        (_BASE27, ("Theano==1.0.5",), _KERAS23),
        "theano",
        2,
        _THEANO,
        probe="import keras, theano; print('%s %s' % (keras.__version__, theano.__version__))",
    ),
    Recipe(
        "cntk",
        "Keras 2.3.1 on CNTK 2.7",
        "2.7",
        (_BASE27, ("cntk==2.7.post2",), _KERAS23),
        "cntk",
        2,
        {"KERAS_BACKEND": "cntk"},
        mpi=True,
        probe="import keras, cntk; print('%s %s' % (keras.__version__, cntk.__version__))",
    ),
    Recipe(
        "mxnet",
        "keras-mxnet 2.2.4 on MXNet 1.5.1",
        "2.7",
        (
            _BASE27,
            (
                *["mxnet==1.5.1.post0", "graphviz==0.8.4", "requests==2.27.1", "urllib3==1.26.20"],
                *["idna==2.10", "chardet==4.0.0", "certifi==2021.10.8"],
            ),
            ("keras-mxnet==2.2.4.3", "keras-applications==1.0.8", "keras-preprocessing==1.1.2"),
        ),
        "mxnet",
        2,
        {"KERAS_BACKEND": "mxnet"},
        probe="import keras, mxnet; print('%s %s' % (keras.__version__, mxnet.__version__))",
    ),
    Recipe(
        "keras1-theano",
        "Keras 1.2.2 on Theano 1.0.5",
        "2.7",
        (_BASE27, ("Theano==1.0.5",), ("keras==1.2.2",)),
        "theano",
        1,
        _THEANO,
        # Keras 1 uses theano.ifelse without importing it.
        probe="import theano.ifelse, keras, theano; print('%s %s' % (keras.__version__, theano.__version__))",
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
