"""Between a caller's arrays and a program's values: shapes, types, images, classifiers' outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.coreml.description import ArrayFeature, Feature, ImageFeature, Interface
from kexport_runtimes.coreml.errors import PackageError
from kexport_runtimes.coreml.program import Function, StateType, TensorType, ValueType
from kexport_runtimes.coreml.values import State, agrees, checked_size, rounded

Array = NDArray[Any]

#: What arrays of a feature are to a caller; the program's own fp16 is float32 here.
CALLER_DTYPES = {"fp16": "float16", "fp32": "float32", "fp64": "float64"}


def checked_inputs(
    file: str, function: Function, interface: Interface, given: Mapping[str, Any]
) -> dict[str, Any]:
    """A value for each of the function's inputs, states left out.

    Args:
        file: names the artifact in messages.
        function: whose inputs they are.
        interface: what the model says of them.
        given: by name; arrays, or for images also PIL images.

    Raises:
        ValueError: an input is missing, unknown, or of another type or shape than the model has.
    """
    wanted = {name: of for name, of in function.inputs if not isinstance(of, StateType)}
    missing = [name for name in wanted if name not in given and not _is_optional(interface.inputs.get(name))]
    if missing:
        raise ValueError(
            f"{file} takes inputs {_names(wanted)}; {_names(missing)} is missing. Received: {_names(given)}"
        )
    unknown = [name for name in given if name not in wanted]
    if unknown:
        raise ValueError(f"{file} has no input {_names(unknown)}. It takes: {_names(wanted)}")
    return {
        name: _input(file, name, of, interface.inputs.get(name), given.get(name))
        for name, of in wanted.items()
    }


def fresh_states(function: Function) -> dict[str, State]:
    """The function's states as a new prediction finds them: zeros."""
    found = {}
    for name, of in function.inputs:
        if isinstance(of, StateType):
            shape = of.wrapped.shape
            if shape is None or None in shape:
                raise PackageError(f"State {name!r} has a known shape. Received: {of.wrapped}")
            sizes = checked_size([size for size in shape if size is not None])
            found[name] = State(np.zeros(sizes, of.wrapped.dtype.numpy))
    return found


def _input(file: str, name: str, of: ValueType, feature: Feature | None, given: Any) -> Any:
    if not isinstance(of, TensorType):
        raise PackageError(f"Input {name!r} is a tensor. Received: {of}")
    if isinstance(feature, ImageFeature):
        if given is None:
            raise ValueError(f"Input {name!r} of {file} is an image without a default.")
        array = image_tensor(file, feature, given)
    elif isinstance(feature, ArrayFeature):
        array = _default(feature) if given is None else _array(file, feature, given)
    else:
        raise PackageError(f"Input {name!r} has an array or image feature. Received: {feature}")
    if of.shape == ():
        array = array.reshape(())
    if not agrees(array.shape, of.shape):
        raise ValueError(f"Input {name!r} of {file} is {of}. Received: shape {array.shape}")
    converted = array.astype(of.dtype.numpy)
    return rounded(converted) if of.dtype.name == "fp16" else converted


def _default(feature: ArrayFeature) -> Array:
    return np.full(checked_size(feature.shape), feature.default or 0, feature.dtype.numpy)


def _is_optional(feature: Feature | None) -> bool:
    return feature is not None and feature.optional


def _array(file: str, feature: ArrayFeature, given: Any) -> Array:
    array = np.asarray(given)
    wanted = CALLER_DTYPES.get(feature.dtype.name, feature.dtype.name)
    if array.dtype.name != wanted:
        raise ValueError(f"Input {feature.name!r} of {file} is {wanted}. Received: {array.dtype}")
    if not _allows(feature, array.shape):
        raise ValueError(
            f"Input {feature.name!r} of {file} has shape {_allowed(feature)}. Received: {array.shape}"
        )
    return array


def _allows(feature: ArrayFeature, shape: tuple[int, ...]) -> bool:
    if feature.enumerated:
        return shape in feature.enumerated
    if feature.ranges:
        return len(shape) == len(feature.ranges) and all(
            size in span for size, span in zip(shape, feature.ranges, strict=True)
        )
    # Without a shape any is allowed, as far as the program's own type does.
    return not feature.shape or shape == feature.shape


def _allowed(feature: ArrayFeature) -> str:
    if feature.enumerated:
        return " or ".join(map(str, feature.enumerated))
    if feature.ranges:
        return f"({', '.join(map(str, feature.ranges))})"
    return str(feature.shape)


def image_tensor(file: str, feature: ImageFeature, given: Any) -> Array:
    """An image as the program sees it.

    Args:
        file: names the artifact in messages.
        feature: what the model says of the image.
        given: a PIL image, or numbers of 0 to 255 as (h, w, 3) or (1, h, w, 3) in the order red, green, blue; of a gray image
            (h, w), with or without 1 before and after. In 16-bit gray (GRAYSCALE_FLOAT16) any number.

    Returns:
        float32 (1, 3, h, w) in the order of the feature's color space, or (1, 1, h, w).

    Raises:
        ValueError: it is no such image, or of a size that the model does not take.
    """
    array = np.asarray(given)
    if array.dtype.kind not in "uif" or array.ndim not in {2, 3, 4}:
        raise _unfit(file, feature, f"{array.dtype}{array.shape}")
    channels = 1 if feature.color.startswith("GRAYSCALE") else 3
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] == 1 and array.shape[2] != 1 and channels == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] != channels:
        raise _unfit(file, feature, f"shape {np.shape(given)}")
    if not _allows_size(feature, array.shape[0], array.shape[1]):
        raise _unfit(file, feature, f"shape {np.shape(given)}")
    if feature.color != "GRAYSCALE_FLOAT16" and array.size and not _are_bytes(array):
        raise _unfit(file, feature, f"numbers of {array.min()} to {array.max()}")
    if feature.color == "BGR":
        array = array[..., ::-1]
    return np.ascontiguousarray(array.transpose(2, 0, 1)[None].astype(np.float32))


def _are_bytes(array: Array) -> bool:
    return bool(
        np.all((array >= 0) & (array <= 255)) and (array.dtype.kind != "f" or np.all(array == np.rint(array)))
    )


def _unfit(file: str, feature: ImageFeature, received: str) -> ValueError:
    if feature.enumerated:
        sizes = " or ".join(f"{height} × {width}" for height, width in feature.enumerated)
    elif feature.ranges:
        sizes = " × ".join(map(str, feature.ranges))
    else:
        sizes = f"{feature.height} × {feature.width}"
    return ValueError(
        f"Input {feature.name!r} of {file} is an image ({feature.color}) of height and width {sizes}, of whole numbers "
        f"from 0 to 255. Received: {received}"
    )


def _allows_size(feature: ImageFeature, height: int, width: int) -> bool:
    if feature.enumerated:
        return (height, width) in feature.enumerated
    if feature.ranges:
        return height in feature.ranges[0] and width in feature.ranges[1]
    return (height, width) == (feature.height, feature.width)


def caller_outputs(interface: Interface, values: Mapping[str, Any]) -> dict[str, Any]:
    """A program's values as Core ML gives them to a caller.

    Tensors come in the type that the model declares for them, scalars with one axis of size 1; images as uint8 (h, w, 3) in
    the order red, green, blue, or (h, w); a classifier's label as ``str`` or ``int`` and its probabilities as a dictionary.

    Raises:
        PackageError: the model describes an output that its program does not have, or the other way round.
    """
    if set(interface.outputs) != set(values):
        raise PackageError(
            f"The program makes the outputs that the model describes: {_names(interface.outputs)}. It makes: {_names(values)}"
        )
    return {name: _output(feature, values[name]) for name, feature in interface.outputs.items()}


def _output(feature: Feature, value: Any) -> Any:
    if isinstance(feature, ArrayFeature):
        if not isinstance(value, np.ndarray):
            raise PackageError(f"Output {feature.name!r} is an array. Received: {type(value).__name__}")
        array = np.atleast_1d(value)
        with np.errstate(over="ignore"):
            return array.astype(CALLER_DTYPES.get(feature.dtype.name, feature.dtype.name))
    if isinstance(feature, ImageFeature):
        return _image(feature, np.asarray(value))
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value.item()
    return value


def _image(feature: ImageFeature, value: Array) -> Any:
    if value.ndim != 4 or value.shape[0] != 1 or value.shape[1] not in {1, 3}:
        raise PackageError(
            f"Output {feature.name!r} is an image of (1, 1 or 3, h, w). Received: {value.shape}"
        )
    pixels: Array = value[0].transpose(1, 2, 0)
    if feature.color == "GRAYSCALE_FLOAT16":
        return np.asarray(pixels[..., 0], np.float16)
    pixels = np.clip(np.rint(np.nan_to_num(pixels)), 0, 255).astype(np.uint8)
    if feature.color == "BGR":
        pixels = pixels[..., ::-1]
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
