"""ReversibleEmbedding: rows of a table, and the product with the table that undoes them.

Formulas: keras/src/layers/core/reversible_embedding.py, Keras 3.15.
"""

from __future__ import annotations

import numpy as np

from kexport.ir import Value
from kexport.lowering.dense import embedded
from kexport.lowering.dtype_policy import policy_of
from kexport.lowering.operations.promotion import result_type
from kexport.lowering.quantized_tables import lora_table, times_table
from kexport.lowering.registry import Context, lowers


@lowers("ReversibleEmbedding")
def lower_reversible_embedding(ctx: Context, x: Value) -> Value:
    """Rows of ``embeddings`` at the integers x; called with ``reverse=True``, x (…, output_dim) times the transposed table, or
    times ``reverse_embeddings`` where the weights are not tied: logits (…, input_dim), capped by ``logit_soft_cap``."""
    reverse = ctx.kwargs.get("reverse", ctx.args[1] if len(ctx.args) > 1 else False)
    if not reverse:
        return embedded(ctx, x)
    logits = times_table(ctx, x) if policy_of(ctx.layer).mode else _times_plain_table(ctx, x)
    cap = ctx.layer.config.get("logit_soft_cap")
    if cap is None:
        return logits
    b, limit = ctx.b, ctx.b.scalar(float(cap), logits)
    return b.op("mul", b.op("tanh", b.op("div", logits, limit)), limit)


def _times_plain_table(ctx: Context, x: Value) -> Value:
    """The product in ``reverse_dtype``, else in what x and the table, which is not cast for the call, promote to."""
    b = ctx.b
    if ctx.layer.config.get("tie_weights", True):
        table = lora_table(ctx)
        kernel = table.map(np.transpose, shape=table.shape[::-1], same_elements=True)
    else:
        kernel = ctx.stored_weight("reverse_embeddings")
    dtype = str(ctx.layer.config.get("reverse_dtype") or result_type(x.dtype, kernel.dtype))
    x = x if x.dtype == dtype else b.op("cast", x, dtype=dtype)
    weights = b.constant(kernel, name="reverse_embeddings")
    weights = weights if kernel.dtype == dtype else b.op("cast", weights, dtype=dtype)
    return b.op("dense", x, weights, None)
