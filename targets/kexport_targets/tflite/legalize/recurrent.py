"""Recurrent layers: the LSTMs that UNIDIRECTIONAL_SEQUENCE_LSTM holds, and computes faster than a loop does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kexport.ir import Builder, Graph, Node, Value
from kexport.ir.loops import last_step
from kexport.ir.ops.recurrent import activation_op, layer_inputs
from kexport.passes import Pass, Rewriter, expand_recurrent, unroll_scans

#: IR op → ActivationFunctionType. The gates are always sigmoids; a cell without activation leaves the kernel's scratch as it was
#: (LiteRT tflite/kernels/internal/tensor_utils.h, ApplyActivationToVector, commit f67457790c9c).
ACTIVATIONS: Final = ("tanh", "relu", "relu6")

#: Loops of so few steps are written out. (Measured with LiteRT 2.3.0 on x86-64, 16 to 256 units: starting a WHILE costs what 4 to 8
#: steps do, and a written-out step half of a loop's, as long as the packed kernels of all steps stay in the cache.)
UNROLLED: Final = 12
UNROLLED_BYTES: Final = 2_000_000


def recurrent(*, fused: bool, always: bool = False) -> Pass:
    """Keep the LSTMs that the builtin computes faster than a loop (``always``: all that it holds), in the form it has; expand the other
    recurrent layers. ``fused=False`` keeps none.

    Given::

        y, last, h, c = lstm(x, kernel, recurrent_kernel, bias; go_backwards=True)
        return last

    Result::

        y, _, _, _ = lstm(reverse(x, axes=(1,)), kernel, recurrent_kernel, bias)
        return squeeze(y[:, -1:], axes=(1,))
    """

    def apply(graph: Graph) -> bool:
        read = {value for node in graph.nodes for value in node.inputs if value is not None}
        read.update(graph.outputs)

        kept: set[Node] = set()

        def rule(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
            if not fused or not holds(node, read) or not (always or is_faster(node, read)):
                return None
            made = _as_builtin(node, rewriter.builder)
            kept.update(new for new in rewriter.builder.nodes if new.op == "lstm")
            return made

        changed = Rewriter(graph).run(rule)
        return expand_recurrent(kept.__contains__)(graph) or changed

    return Pass("recurrent", apply)


def unroll() -> Pass:
    """Write short loops out."""
    return unroll_scans(steps=UNROLLED, bytes_of_constants=UNROLLED_BYTES)


def holds(node: Node, read: set[Value]) -> bool:
    """Whether the builtin computes an ``lstm``: no mask, gates that are sigmoids, constant weights, a batch that is known (the kernel
    keeps the states in tensors of their own, whose size the file says), initial states that are 0 or computed, and no reader of the last
    cell state."""
    if node.op != "lstm" or node.input(0).dtype != "float32" or not isinstance(node.input(0).shape[0], int):
        return False
    bias, mask, states = layer_inputs(node.inputs)
    weights = (node.input(1), node.input(2), *([] if bias is None else [bias]))
    return (
        mask is None
        and all(state.constant is None for state in states)
        and all(weight.constant is not None for weight in weights)
        and activation_op(node.attrs["recurrent_activation"]) == "sigmoid"
        and activation_op(node.attrs["activation"]) in ACTIVATIONS
        and node.outputs[3] not in read
    )


def is_faster(node: Node, read: set[Value]) -> bool:
    """Whether the builtin computes an ``lstm`` faster than a loop.

    It multiplies each step's input with the input's kernel, one gate at a time, where XNNPACK does it for all steps and gates at once
    before a loop; what it spares are the loop's 0.5 to 1 us a step. Measured with LiteRT 2.3.0 on x86-64, in us a step at a batch of 1:
    0.5 + m / 12,000 for the builtin and 0.85 + 4 units^2 / 16,000 + 4 features units / 33,000 for a loop, m being the multiplications 4
    units (units + features); 0.45 more where all outputs are kept. A loop of unknown length copies its outputs twice a step: of 100 steps,
    say.
    """
    batch, time, features = (dim if isinstance(dim, int) else None for dim in node.input(0).shape)
    units = node.input(2).shape[0]
    assert isinstance(units, int)
    assert features is not None
    if batch != 1 or (time is not None and time <= UNROLLED):
        return False
    builtin = 0.5 + 4 * units * (units + features) / 12_000
    loop = 0.85 + 4 * units**2 / 16_000 + 4 * units * features / 33_000
    if node.outputs[0] in read:
        loop += 0.45 + (units / 60 if time is None else 0)
    return builtin <= loop


def _as_builtin(node: Node, b: Builder) -> list[Value]:
    x = node.input(0)
    if node.attrs["go_backwards"]:
        x = b.op("reverse", x, axes=(1,))
    sequence, *_, cell = b.ops("lstm", x, *node.inputs[1:], **{**node.attrs, "go_backwards": False})
    last = last_step(b, sequence, axis=1)
    return [sequence, last, last, cell]
