"""What recurrent layers compute on CNTK where that is something else."""

from __future__ import annotations

from dataclasses import dataclass

from kexport.ir import Shape, Value
from kexport.lowering.activations import apply_activation
from kexport.lowering.arguments import integer
from kexport.lowering.registry import Context


@dataclass(frozen=True)
class StatefulOutputLSTM:
    """An LSTM whose output at each step is its last state, the cell state c, in place of h.

    So computes a rolled LSTM on CNTK: ``new_output = n_s[-1]`` in ``rnn`` of keras/backend/cntk_backend.py, Keras 2.2.4 and 2.3.1. A
    model that was trained there was trained on c.
    """

    ctx: Context

    def shapes(self, x: Value) -> list[Shape]:
        """H and c."""
        return [(x.shape[0], integer(self.ctx, "units"))] * 2

    def project(self, x: Value) -> Value:
        """The product with the input's kernel, and the bias."""
        bias = self.ctx.weight_value("bias") if self.ctx.layer.config.get("use_bias", True) else None
        return self.ctx.b.op("dense", x, self.ctx.weight_value("kernel"), bias)

    def step(self, x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        """``c = f c + i g``, ``h = o activation(c)`` (Keras's formulas), and c."""
        b, config, (h, c) = self.ctx.b, self.ctx.layer.config, states
        units = integer(self.ctx, "units")
        z = b.op("add", x, b.op("dense", h, self.ctx.weight_value("recurrent_kernel"), None))
        i, f, g, o = b.ops("split", z, axis=1, sizes=(units,) * 4)

        def gate(value: Value) -> Value:
            return apply_activation(self.ctx, value, config.get("recurrent_activation"))

        new = b.op("mul", gate(i), apply_activation(self.ctx, g, config.get("activation")))
        c = b.op("add", b.op("mul", gate(f), c), new)
        h = b.op("mul", gate(o), apply_activation(self.ctx, c, config.get("activation")))
        return c, [h, c]
