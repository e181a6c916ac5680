"""Operations that are not lowered, and why. A test holds that each class of the installed Keras is lowered or stands here."""

from __future__ import annotations

from typing import Final

from kexport.lowering.registry import refuses

_CODE: Final = "it calls a Python function, whose code is not in the file"
_CODE_HINT: Final = "Write what the function computes with layers and keras.ops, outside of this operation."
_STEPS: Final = "its algorithm takes a number of steps that depends on the data"
_STEPS_HINT: Final = "Compute it outside of the model; of a constant matrix, before the model is built."
_LENGTH: Final = "the length of its result depends on the data"
_COMPLEX: Final = "its tensors are complex numbers, which kexport's graph does not hold"
_COMPLEX_HINT: Final = "Keep the real and the imaginary part as two tensors, as keras.ops.fft does."

for _name in (
    "AssociativeScan",
    "Cond",
    "ForiLoop",
    "JVP",
    "Map",
    "Scan",
    "Switch",
    "VectorizedMap",
    "WhileLoop",
):
    refuses(f"ops.{_name}", _CODE, hint=_CODE_HINT)
for _name in ("Eig", "Eigh", "Lstsq", "MatrixRank", "Pinv", "SVD"):
    refuses(f"ops.{_name}", _STEPS, hint=_STEPS_HINT)
for _name in ("Polar", "ViewAsComplex", "ViewAsReal"):
    refuses(f"ops.{_name}", _COMPLEX, hint=_COMPLEX_HINT)
refuses("ops.Bincount", _LENGTH, hint="Sum a one_hot of as many classes as there can be.")
refuses("ops.Nonzero", _LENGTH, hint="Use where with three arguments, which keeps the shape.")
refuses(
    "ops.Argpartition",
    "the order within its two parts is each Keras backend's own",
    hint="Use argsort, or top_k.",
)
refuses(
    "ops.Arange",
    "its bounds are numbers, of which Keras makes a tensor at once: no file has it on tensors",
    hint="Use numpy.arange.",
)
refuses("ops.CTCLoss", "it is a loss, for training", hint="Export the model that ends before it.")
refuses("ops.ElasticTransform", "it draws random numbers", hint="Export the model without its augmentation.")
refuses(
    "ops.Histogram",
    "Keras 3.15 can't compute it in a model itself (keras.src.backend has no math.histogram)",
    hint="Compare with the edges of the bins, and sum.",
)
for _name in ("Function", "SegmentReduction"):
    refuses(f"ops.{_name}", "it is a base class, which no model has")
