"""The rewrites that bring the graph's ops to what TF Lite's builtins hold, by op."""

from __future__ import annotations

from kexport.passes import RewriteTable

TABLE = RewriteTable("tflite_rewrites")
legalizes = TABLE.legalizes

#: Every rewrite, over and over until none applies.
tflite_rewrites = TABLE.as_pass()
