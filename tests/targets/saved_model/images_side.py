"""Encoded images, beside decoding, resizing and normalising them by hand: ``python images_side.py JOBS.json``, in a process of its own.

A job has a ``folder`` (of one version), ``files`` of images, and ``options`` of the signature ``images``. What the signature makes of
the files, in a session as TF Serving runs it, is compared with what ``serving_default`` makes of the reference's array; prints, as
JSON, for each job the largest difference, and the largest output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def reference(file: str, options: dict[str, Any]) -> Any:
    height, width, channels = options["size"]
    image = tf.io.decode_image(Path(file).read_bytes(), channels=channels, expand_animations=False)
    x = (
        tf.image.resize(
            image,
            (height, width),
            options.get("image_resize", "bilinear"),
            antialias=options.get("image_antialias", False),
        )
        .numpy()
        .astype(np.float64)
    )
    if options.get("image_color") == "BGR":
        x = x[..., ::-1]
    bias = [float(part) for part in options.get("image_bias", "0").split(",")]
    x = x * options.get("image_scale", 1.0) + np.array(bias)
    if options.get("image_mean"):
        x = x - np.array([float(part) for part in options["image_mean"].split(",")])
    if options.get("image_std"):
        x = x / np.array([float(part) for part in options["image_std"].split(",")])
    if options["dtype"] == "uint8":
        x = np.clip(np.round(x), 0, 255)
    if options["rank"] == 3:
        x = x[..., 0]
    return (x.transpose(2, 0, 1) if options["channels_first"] else x).astype(options["dtype"])


def main(jobs: str) -> None:
    said = []
    for job in json.loads(Path(jobs).read_text()):
        encoded = [Path(file).read_bytes() for file in job["files"]]
        decoded = np.stack([reference(file, job["options"]) for file in job["files"]])
        with tf.compat.v1.Session(graph=tf.Graph()) as session:
            meta = tf.compat.v1.saved_model.load(session, ["serve"], job["folder"])
            images, default = meta.signature_def["images"], meta.signature_def["serving_default"]
            computed, expected = (
                session.run(signature.outputs["y"].name, {signature.inputs[name].name: array})
                for signature, name, array in ((images, "x_bytes", encoded), (default, "x", decoded))
            )
        item = {
            "difference": float(np.abs(computed.astype("f8") - expected).max()),
            "largest": float(np.abs(expected).max()),
        }
        if job.get("again"):
            functions = tf.saved_model.load(job["folder"]).signatures
            item["again"] = float(
                np.abs(functions["images"](x_bytes=tf.constant(encoded))["y"].numpy() - computed).max()
            )
        said.append(item)
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
