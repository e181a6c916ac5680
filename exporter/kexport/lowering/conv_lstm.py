"""Convolutional LSTMs: an LSTM whose states are images and whose products are convolutions.

Formulas: keras/src/layers/rnn/conv_lstm.py, Keras 3.15.
"""

from __future__ import annotations

from kexport.ir import Shape, Value, dims
from kexport.ir.ops.convolution import channel_axis
from kexport.lowering.activations import apply_activation
from kexport.lowering.arguments import integer
from kexport.lowering.geometry import data_format, per_dimension
from kexport.lowering.padding_semantics import padded_input
from kexport.lowering.recurrent import lower_cell
from kexport.lowering.registry import Context, lowers


class _ConvLSTMCell:
    """The gates i, f, g, o of ``conv(x, W) + b + conv(h, U)``, the second always ``same`` and without strides."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.rank = int(ctx.layer.class_name[-2])
        self.filters = integer(ctx, "filters")
        self.format = data_format(ctx)

    def shapes(self, x: Value) -> list[Shape]:
        """Two states like a gate of the projected sequence ``x``."""
        shape = [x.shape[0], *x.shape[2:]]
        shape[channel_axis(len(shape), self.format)] = self.filters
        return [tuple(shape)] * 2

    def project(self, x: Value) -> Value:
        """All steps at once: (batch, time, …) to (batch, time, …, 4 * filters)."""
        ctx = self.ctx
        if x.rank != self.rank + 3:
            raise ctx.error(f"It takes (batch, time, image). Received: {x.type}")
        window, strides = (
            per_dimension(ctx, "kernel_size", self.rank),
            per_dimension(ctx, "strides", self.rank),
        )
        dilations = per_dimension(ctx, "dilation_rate", self.rank, default=1)
        lead = x.shape[:2]
        merged = ctx.b.op("reshape", x, shape=(dims.product(lead), *x.shape[2:]))
        merged, padding = padded_input(
            ctx, merged, "conv", window=window, strides=strides, dilations=dilations
        )
        bias = ctx.weight_value("bias") if ctx.arg("use_bias") else None
        attrs = {"strides": strides, "padding": padding, "dilations": dilations, "data_format": self.format}
        made = ctx.b.op("conv", merged, ctx.weight_value("kernel"), bias, **attrs)
        return ctx.b.op("reshape", made, shape=(*lead, *made.shape[1:]))

    def step(self, x: Value, states: list[Value]) -> tuple[Value, list[Value]]:
        """One step."""
        ctx, b, (h, c) = self.ctx, self.ctx.b, states
        ones = (1,) * self.rank
        window = per_dimension(ctx, "kernel_size", self.rank)
        read, padding = padded_input(
            ctx, h, "conv", window=window, strides=ones, dilations=ones, padding="same"
        )
        attrs = {"strides": ones, "padding": padding, "dilations": ones, "data_format": self.format}
        z = b.op("add", x, b.op("conv", read, ctx.weight_value("recurrent_kernel"), None, **attrs))
        axis = channel_axis(z.rank, self.format)
        i, f, g, o = b.ops("split", z, axis=axis, sizes=(self.filters,) * 4)
        gate = ctx.layer.config.get("recurrent_activation")
        kept = b.op("mul", apply_activation(ctx, f, gate), c)
        c = b.op("add", kept, b.op("mul", apply_activation(ctx, i, gate), apply_activation(ctx, g)))
        h = b.op("mul", apply_activation(ctx, o, gate), apply_activation(ctx, c))
        return h, [h, c]


@lowers("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def lower_conv_lstm(ctx: Context, *inputs: Value) -> list[Value]:
    """The cell over time."""
    return lower_cell(ctx, _ConvLSTMCell(ctx), inputs)
