"""What stands beside a SavedModel so that TF Serving, Docker, Kubernetes and KServe take it as it is."""

from kexport_targets.saved_model.serving.served import Served
from kexport_targets.saved_model.serving.write import FOLDER, served_name, write_serving

__all__ = ["FOLDER", "Served", "served_name", "write_serving"]
