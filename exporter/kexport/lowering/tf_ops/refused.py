"""Functions that are not lowered, and why; a name that ends in a dot is a whole module."""

from __future__ import annotations

from kexport.lowering.registry import refuses as refuses_layer
from kexport.lowering.tf_ops.calls import refuses

refuses(
    "it draws random numbers",
    "Export the model without it.",
    "random.",
    "dropout",
    "experimental.stateless_dropout",
    "image.random_brightness",
    "image.random_contrast",
    "image.random_crop",
    "image.random_flip_left_right",
    "image.random_flip_up_down",
    "image.random_hue",
    "image.random_saturation",
)
refuses(
    "it calls a Python function, whose code is not in the file",
    "Write what the function computes with functions and layers, outside of it.",
    "case",
    "cond",
    "function",
    "map_fn",
    "numpy_function",
    "py_function",
    "scan",
    "switch_case",
    "vectorized_map",
    "while_loop",
)
refuses(
    "the length of its result depends on the data",
    "Use tf.where with three arguments, which keeps the shape.",
    "boolean_mask",
    "dynamic_partition",
    "unique",
    "unique_with_counts",
)
refuses(
    "its algorithm takes a number of steps that depends on the data",
    "Compute it outside of the model.",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "logm",
    "lstsq",
    "pinv",
    "self_adjoint_eig",
    "sqrtm",
    "svd",
)
refuses(
    "its tensors are complex numbers, which kexport's graph does not hold",
    "Use keras.ops.rfft or stft in Keras 3, which keep two tensors, or a spectrogram layer.",
    "complex",
    "imag",
    "signal.fft",
    "signal.fft2d",
    "signal.fft3d",
    "signal.ifft",
    "signal.ifft2d",
    "signal.inverse_stft",
    "signal.irfft",
    "signal.rfft",
    "signal.rfft2d",
    "signal.stft",
)
refuses("it is about text", "Prepare text outside of the model.", "strings.", "io.")
refuses("its tensors are ragged or sparse", "Use dense tensors, with a mask.", "ragged.", "sparse.")

for _name in ("ClassMethod", "InstanceMethod", "InstanceProperty"):
    refuses_layer(
        _name,
        "it is a method of a ragged or sparse tensor, which kexport's graph does not hold",
        hint="Use dense tensors, with a mask where rows differ in length.",
    )
