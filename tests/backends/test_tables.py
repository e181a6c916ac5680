"""One-layer models of every kind, made and run in the real frameworks, on each target: the tables of ``tests/fixtures/legacy``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from kexport import backends, plugins
from kexport.errors import LoweringError
from kexport.loading import load
from kexport.lowering import lower
from support.comparing import assert_close
from support.real_backends import KERAS1, KERAS2, MXNET19, PLACES, only_where_possible, written_by
from support.targets import TARGETS

WINDOWS = Path(__file__).with_name("draw_windows.py")

#: Recurrent layers that keras-mxnet can't load: those that are not unrolled.
MXNET_LOOPS = re.compile(
    r"(SimpleRNN|LSTM|GRU|RNN|Bidirectional)(-(?!unroll|stacked-unroll).*|$)|encoder-decoder"
)

pytestmark = [pytest.mark.slow, only_where_possible]


def problem(folder: Path, row: str, backend: str, target: str, work: Path) -> str:
    """Why a row's model does not compute on the target what it computed in its framework; empty where it does."""
    recorded = np.load(folder / f"{row}.npz")
    spec = load(folder / f"{row}.h5", trained_on=backend)
    if backend == "mxnet" and MXNET_LOOPS.fullmatch(row):
        with pytest.raises(LoweringError, match="does not unroll"):
            lower(spec, batch=1)
        return ""
    format_ = plugins.target(target)
    options = {option.name: option.default for option in format_.options}
    graph = lower(spec, batch=len(recorded["in/0"]))
    work.mkdir()
    artifact = format_.emit(format_.legalize(graph, options), work, options)
    inputs = {name: recorded[f"in/{index}"] for index, name in enumerate(spec.input_names)}
    outputs = plugins.runtime(format_.runtime).run(work / artifact.main, inputs)
    try:
        for index, name in enumerate(spec.output_names):
            assert_close(outputs[name], recorded[f"out/{index}"])
    except AssertionError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("name", "script", "least"),
    [
        pytest.param("cntk", KERAS2, 160, id="cntk"),
        pytest.param("theano", KERAS2, 180, id="theano"),
        pytest.param("mxnet", KERAS2, 140, id="mxnet"),
        pytest.param(*MXNET19.values, KERAS2, 140, marks=MXNET19.marks, id="mxnet-1.9"),
        pytest.param("keras1-theano", KERAS1, 160, id="keras1-theano"),
        pytest.param("cntk", WINDOWS, 100, id="cntk-windows"),
        pytest.param("theano", WINDOWS, 20, id="theano-windows"),
        pytest.param("mxnet", WINDOWS, 100, id="mxnet-windows"),
        pytest.param(*MXNET19.values, WINDOWS, 100, marks=MXNET19.marks, id="mxnet-1.9-windows"),
    ],
)
def test_every_row(name: str, script: Path, least: int, target: str, tmp_path: Path) -> None:
    folder = written_by(name, script)
    rows = sorted(path.stem for path in folder.glob("*.npz"))
    assert len(rows) >= least
    backend = backends.RECIPES[PLACES[name].recipe].backend
    told = {row: problem(folder, row, backend, target, tmp_path / row) for row in rows}
    assert {row: why for row, why in told.items() if why} == {}
