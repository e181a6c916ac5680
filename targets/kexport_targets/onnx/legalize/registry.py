"""The rewrites that bring the graph's ops to what ONNX's operators hold, by op; some depend on the operator set."""

from __future__ import annotations

from kexport.passes import RewriteTable

TABLE = RewriteTable("onnx_rewrites")
legalizes = TABLE.legalizes
