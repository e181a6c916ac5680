"""The rewrites that bring the graph's ops to those that TensorFlow has kernels for on a CPU, by op."""

from __future__ import annotations

from kexport.passes import RewriteTable

TABLE = RewriteTable("tensorflow_rewrites")
legalizes = TABLE.legalizes

#: Every rewrite, over and over until none applies.
tensorflow_rewrites = TABLE.as_pass()
