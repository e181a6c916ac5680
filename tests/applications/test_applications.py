"""keras.applications, as Keras saves them, on every target's own runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kexport import plugins
from kexport.loading import load
from kexport.lowering import lower
from support.comparing import assert_close
from support.making import made

#: name → input size of the quick run (an architecture's own size, 224 to 331, is for the slow one)
QUICK = {
    "MobileNet": 96,
    "MobileNetV2": 96,
    "MobileNetV3Small": 96,
    "ResNet50": 96,
    "DenseNet121": 96,
    "InceptionV3": 96,
    "Xception": 96,
    "EfficientNetB0": 96,
    "NASNetMobile": 96,
}
MAKE = Path(__file__).resolve().parent / "make_models.py"


def check(name: str, size: int, suffix: str, target: str, out: Path) -> None:
    folder = made(
        f"application-{name}-{size}",
        scripts=[MAKE],
        packages=["keras", "tensorflow"],
        commands=[[str(MAKE), name, str(size)]],
    )
    recorded = np.load(folder / f"{name}.npz")
    spec = load(folder / f"{name}{suffix}")
    format_ = plugins.target(target)
    options = {option.name: option.default for option in format_.options}
    artifact = format_.emit(format_.legalize(lower(spec, batch=2), options), out, options)
    outputs = plugins.runtime(format_.runtime).run(out / artifact.main, {spec.input_names[0]: recorded["x"]})
    assert_close(outputs[spec.output_names[0]], recorded["y"])


@pytest.mark.parametrize("target", plugins.target_names())
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", QUICK)
def test_small_input(name: str, suffix: str, target: str, tmp_path: Path) -> None:
    check(name, QUICK[name], suffix, target, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("target", plugins.target_names())
@pytest.mark.parametrize("name", QUICK)
def test_own_size(name: str, target: str, tmp_path: Path) -> None:
    check(name, 0, ".h5", target, tmp_path)
