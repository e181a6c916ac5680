"""keras.applications, as Keras saves them, on every target's own runtime.

Every model function is a row. The default run takes one of each family, small; ``slow`` ones take every function, with its classifier
and without one (then for images of any size), variants that functions have arguments for, and the sizes that the models are for.
"""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kexport
from kexport import plugins
from kexport.loading import load
from kexport.lowering import lower
from kexport.reference import Golden
from lowering.one_layer import keras
from support.comparing import assert_close
from support.making import made
from support.targets import TARGETS

MAKE = Path(__file__).resolve().parent / "make_models.py"

#: name → input size of the quick run; one of each family at least
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

#: The same for large ones: as .keras alone, without the classifier.
QUICK_HEADLESS = {
    "ConvNeXtTiny": 64,
    "EfficientNetV2B0": 64,
    "InceptionResNetV2": 96,
    "ResNet50V2": 64,
    "VGG16": 48,
}

#: name → input size of the slow run
ALL = {
    **{f"ConvNeXt{size}": 64 for size in ("Tiny", "Small", "Base", "Large", "XLarge")},
    **{f"DenseNet{depth}": 64 for depth in (121, 169, 201)},
    **{f"EfficientNetB{index}": 64 for index in range(8)},
    **{f"EfficientNetV2{size}": 64 for size in ("B0", "B1", "B2", "B3", "S", "M", "L")},
    "InceptionResNetV2": 96,
    "InceptionV3": 96,
    "MobileNet": 64,
    "MobileNetV2": 64,
    "MobileNetV3Large": 64,
    "MobileNetV3Small": 64,
    "NASNetLarge": 96,
    "NASNetMobile": 96,
    **{f"ResNet{depth}": 64 for depth in (50, 101, 152)},
    **{f"ResNet{depth}V2": 64 for depth in (50, 101, 152)},
    "VGG16": 48,
    "VGG19": 48,
    "Xception": 96,
}

#: They add features whose sizes they work out when they are built: Keras itself can't run them on images of a size left open.
FIXED = ("NASNetLarge", "NASNetMobile")

#: Arguments that make another network.
VARIANTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "MobileNet-wide-depthwise": ("MobileNet", {"alpha": 0.5, "depth_multiplier": 2, "dropout": 0.0}),
    "MobileNetV2-narrow": ("MobileNetV2", {"alpha": 0.35, "pooling": "max", "include_top": False}),
    "MobileNetV3Small-minimalistic": ("MobileNetV3Small", {"minimalistic": True, "alpha": 0.75}),
    "MobileNetV3Large-bare": ("MobileNetV3Large", {"include_preprocessing": False}),
    "ConvNeXtTiny-bare": (
        "ConvNeXtTiny",
        {"include_preprocessing": False, "pooling": "avg", "include_top": False},
    ),
    "EfficientNetV2B1-bare": ("EfficientNetV2B1", {"include_preprocessing": False}),
    "ResNet50-logits": ("ResNet50", {"classes": 7, "classifier_activation": None}),
}


def models(label: str, name: str, size: int, options: Mapping[str, Any], suffixes: str) -> Path:
    """The folder with what ``name(**options)`` makes."""
    return made(
        f"application-{label}",
        scripts=[MAKE],
        packages=["keras", "tensorflow"],
        commands=[[str(MAKE), name, json.dumps(options), str(size), suffixes]],
    )


def check(folder: Path, suffix: str, target: str, out: Path) -> None:
    recorded = np.load(folder / "model.npz")
    spec = load(folder / f"model{suffix}")
    format_ = plugins.target(target)
    options = {option.name: option.default for option in format_.options}
    artifact = format_.emit(format_.legalize(lower(spec, batch=2), options), out, options)
    outputs = plugins.runtime(format_.runtime).run(out / artifact.main, {spec.input_names[0]: recorded["x"]})
    assert_close(outputs[spec.output_names[0]], recorded["y"])


def check_half(folder: Path, suffix: str, out: Path) -> None:
    """Core ML in half precision, with the layers in float32 that an export finds: within its tolerance, the largest output the same."""
    recorded = np.load(folder / "model.npz")
    spec = load(folder / f"model{suffix}")
    (x,), (y,) = spec.input_names, spec.output_names
    meta = {"keras": "3", "backend": "tensorflow", "library": "keras"}
    golden = Golden({x: recorded["x"]}, {y: recorded["y"]}, {}, meta)
    result = kexport.export(folder / f"model{suffix}", "coreml", output=out, golden=golden, float16=True)
    (row,) = result.targets[0].verdict.rows
    assert row.max_rel_error <= 5e-3
    assert row.argmax_agreement == 1


def check_once(label: str, name: str, size: int, options: Mapping[str, Any], suffix: str, out: Path) -> None:
    """The same on every target, for models that are too large to keep."""
    folder = models(label, name, size, options, suffix)
    try:
        for target in TARGETS:
            (out / target).mkdir()
            check(folder, suffix, target, out / target)
        check_half(folder, suffix, out / "half")
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(out)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", QUICK)
def test_small_input(name: str, suffix: str, target: str, tmp_path: Path) -> None:
    size = QUICK[name]
    check(
        models(f"{name}-small", name, size, {"input_shape": (size, size, 3)}, ".h5,.keras"),
        suffix,
        target,
        tmp_path,
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", QUICK_HEADLESS)
def test_small_input_without_classifier(name: str, target: str, tmp_path: Path) -> None:
    size = QUICK_HEADLESS[name]
    options = {"input_shape": (size, size, 3), "include_top": False}
    check(models(f"{name}-headless", name, size, options, ".keras"), ".keras", target, tmp_path)


@pytest.mark.parametrize("name", QUICK)
def test_small_input_in_half_precision(name: str, tmp_path: Path) -> None:
    size = QUICK[name]
    folder = models(f"{name}-small", name, size, {"input_shape": (size, size, 3)}, ".h5,.keras")
    check_half(folder, ".keras", tmp_path / "half")


#: ConvNeXt normalizes and multiplies along the last axis between its depthwise convolutions, of which the tiny one has 18, and 4 others; what
#: it puts out without the classifier is normalized last, so that it costs no transpose where the axes stay, and one where they don't.
CONVNEXT_TRANSPOSES = {False: 1 + 2 * 22, True: 2 * 22 + 1}


@pytest.mark.parametrize("name", [*QUICK, *QUICK_HEADLESS])
def test_transposes_of_the_onnx_file(name: str, tmp_path: Path) -> None:
    """One at the input, one at an output of images, none inside; with channels first at both, none at all."""
    if name in QUICK:
        size = QUICK[name]
        folder = models(f"{name}-small", name, size, {"input_shape": (size, size, 3)}, ".h5,.keras")
    else:
        size = QUICK_HEADLESS[name]
        options = {"input_shape": (size, size, 3), "include_top": False}
        folder = models(f"{name}-headless", name, size, options, ".keras")
    target, spec = plugins.target("onnx"), load(folder / "model.keras")
    # Images of one pixel are reshaped.
    puts_out_images = lower(spec).outputs[0].shape[1:-1] not in ((), (1, 1))
    wanted = CONVNEXT_TRANSPOSES if name == "ConvNeXtTiny" else {False: 1 + puts_out_images, True: 0}
    for nchw, count in wanted.items():
        chosen = {option.name: option.default for option in target.options}
        chosen |= {"nchw_inputs": nchw, "nchw_outputs": nchw}
        artifact = target.emit(target.legalize(lower(spec), chosen), tmp_path, chosen)
        assert artifact.details["ops"].get("Transpose", 0) == count


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_with_classifier(name: str, tmp_path: Path) -> None:
    size = ALL[name]
    options = {"input_shape": (size, size, 3)}
    check_once(f"{name}-top", name, size, options, ".keras", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_images_of_any_size(name: str, tmp_path: Path) -> None:
    side = ALL[name] if name in FIXED else None
    options = {"input_shape": (side, side, 3), "include_top": False, "pooling": "avg"}
    check_once(f"{name}-open", name, ALL[name], options, ".h5", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("label", VARIANTS)
def test_variants(label: str, tmp_path: Path) -> None:
    name, options = VARIANTS[label]
    check_once(label, name, 64, {"input_shape": (64, 64, 3), **options}, ".keras", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_own_size(name: str, tmp_path: Path) -> None:
    size = {"InceptionV3": 299, "Xception": 299}.get(name, 224)
    check_once(f"{name}-own", name, size, {"input_shape": (size, size, 3)}, ".h5", tmp_path)


def test_every_model_function_of_keras_is_a_row() -> None:
    applications = keras().applications
    functions = [name for name in dir(applications) if inspect.isfunction(getattr(applications, name))]
    assert sorted(ALL) == functions


def test_each_family_is_in_the_quick_run() -> None:
    applications = keras().applications
    modules = {name: getattr(applications, name).__module__ for name in ALL}
    quick = {modules[name] for name in (*QUICK, *QUICK_HEADLESS)}
    assert set(modules.values()) - quick == {modules["VGG19"]}  # VGG16 with more of the same
