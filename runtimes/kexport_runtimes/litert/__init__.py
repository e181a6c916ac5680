"""LiteRT: runs .tflite files."""
from __future__ import annotations
import time
from pathlib import Path
import numpy as np
class LiteRT:
    name = "litert"
    def available(self): return None
    def version(self):
        from importlib.metadata import version
        return "ai-edge-litert " + version("ai-edge-litert")
    def run(self, artifact, inputs):
        from ai_edge_litert.interpreter import Interpreter
        i = Interpreter(str(artifact), num_threads=1)
        d = {x["name"]: x for x in i.get_input_details()}
        sig = i.get_signature_list()["serving_default"]
        r = i.get_signature_runner("serving_default")
        det = r.get_input_details()
        out = r(**{k: np.ascontiguousarray(v) for k, v in inputs.items()})
        return {k: np.array(v) for k, v in out.items()}
    def benchmark(self, artifact, inputs, *, runs, threads):
        return {}
RUNTIME = LiteRT()
