"""The rewrites that bring the graph's ops to what the operations of ML programs hold, by op."""

from __future__ import annotations

from kexport.passes import RewriteTable

TABLE = RewriteTable("coreml_rewrites")
legalizes = TABLE.legalizes
