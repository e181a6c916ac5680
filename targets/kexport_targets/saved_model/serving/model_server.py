"""TF Serving's own files, in protocol buffers' text format: a ModelServerConfig and BatchingParameters."""

from __future__ import annotations

from kexport_targets.saved_model.serving.served import MODELS, Served


def models_config(served: Served) -> str:
    """``--model_config_file``: the newest version is served; an older one is kept until that is ready."""
    return f"""\
# ModelServerConfig (tensorflow_serving/config/model_server_config.proto)
model_config_list {{
  config {{
    name: "{served.name}"
    base_path: "{MODELS}/{served.name}"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 1 }} }}
  }}
}}
"""


def batching_config(served: Served) -> str:
    """``--batching_parameters_file``: requests that come within a millisecond are computed together."""
    head = "# BatchingParameters (tensorflow_serving/servables/tensorflow/session_bundle_config.proto)\n"
    if not served.batches:
        return (
            head
            + "# Not in use: samples of different lengths can't be in one batch, and padding them would change what is computed.\n"
            "max_batch_size { value: 1 }\n"
        )
    if served.batch is not None:
        return (
            head + f"# The model takes {served.batch} samples at once: fewer are filled up.\n"
            f"max_batch_size {{ value: {served.batch} }}\n"
            f"allowed_batch_sizes: {served.batch}\n"
            "batch_timeout_micros { value: 1000 }\n"
            "max_enqueued_batches { value: 128 }\n"
            "num_batch_threads { value: 4 }\n"
        )
    return (
        head + "# num_batch_threads: as many as there are CPU cores for one server.\n"
        "max_batch_size { value: 32 }\n"
        "batch_timeout_micros { value: 1000 }\n"
        "max_enqueued_batches { value: 128 }\n"
        "num_batch_threads { value: 4 }\n"
    )
