"""Products of matrices and tensors, and small linear systems."""

from __future__ import annotations

from typing import Any, Final

from kexport.ir import Value
from kexport.lowering.operations.operands import transposed
from kexport.lowering.tf_ops.calls import Call, computes


def _turned(call: Call, x: Value, *flags: str) -> Value:
    """The last two dimensions swapped where one of the flags says so."""
    if not any(call.flag(flag) for flag in flags):
        return x
    return transposed(call.ctx, x, (*range(x.rank - 2), x.rank - 1, x.rank - 2))


@computes("matmul", "matvec")
def matmul(call: Call) -> Value:
    """The product of the last two dimensions, those before broadcasting; ``matvec``: of matrices and vectors."""
    left, right = call.pair(call.arg("b"))
    b, vector = call.ctx.b, call.name.endswith("matvec")
    left = _turned(call, left, "transpose_a", "adjoint_a")
    if vector:
        column = b.op("expand_dims", right, axes=(right.rank,))
        product = b.op("matmul", left, column)
        return b.op("squeeze", product, axes=(product.rank - 1,))
    right = _turned(call, right, "transpose_b", "adjoint_b")
    if right.constant is not None and right.rank == 2:
        return b.op("dense", left, right, None)
    return b.op("matmul", left, right)


@computes("tensordot")
def tensordot(call: Call) -> Value:
    """The sum of products over ``axes``: two lists, or the last n of a and the first n of b."""
    left, right = call.pair(call.arg("b"))
    axes: Any = call.array(call.arg("axes")).tolist()
    result: Value = call.operation("Tensordot", left, right, axes=axes)
    return result


@computes("einsum")
def einsum(call: Call) -> Value:
    """Refused: the operands come after the equation, and what comes so, Keras 2 leaves out of the file (``Node.serialize`` in
    tf_keras/src/engine/node.py, 2.21, knows named arguments alone)."""
    raise call.ctx.error(
        "Keras 2 saves no operands of tf.einsum, so the file does not say what it is called on (nor can Keras load it)",
        hint="Use tf.matmul or tf.tensordot in the model, or keras.layers.EinsumDense.",
    )


_SYSTEMS: Final = {
    "cholesky": "Cholesky",
    "det": "Det",
    "inv": "Inv",
    "logdet": "Logdet",
    "qr": "Qr",
    "slogdet": "Slogdet",
}


@computes(*_SYSTEMS)
def decomposition(call: Call) -> Any:
    """What keras.ops computes of the last two dimensions."""
    name = call.name.rpartition(".")[2]
    options = {"mode": "complete" if call.flag("full_matrices") else "reduced"} if name == "qr" else {}
    return call.operation(_SYSTEMS[name], call.x, module="linalg", **options)


@computes("solve", "triangular_solve")
def solve(call: Call) -> Value:
    """The x with ``matrix x == rhs``."""
    triangular = call.name.endswith("triangular_solve")
    matrix = _turned(call, call.x, "adjoint")
    lower = bool(call.arg("lower", default=True)) != call.flag("adjoint")
    options = {"lower": lower} if triangular else {}
    name = "SolveTriangular" if triangular else "Solve"
    right = call.tensor(call.arg("rhs"), matrix.dtype)
    result: Value = call.operation(name, matrix, right, module="linalg", **options)
    return result
