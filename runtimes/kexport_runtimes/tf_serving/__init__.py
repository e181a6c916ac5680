"""Talks to TF Serving, over its REST and its gRPC API."""

from __future__ import annotations

from kexport_runtimes.tf_serving.client import CLIENT

__all__ = ["CLIENT"]
