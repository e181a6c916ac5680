"""A Compose file, to try the model with TF Serving on one machine."""

from __future__ import annotations

from kexport_targets.saved_model.serving.served import (
    CONFIG,
    GRPC_PORT,
    IMAGE,
    MODELS,
    REST_PORT,
    Served,
    listed,
)


def compose(served: Served) -> str:
    """``compose.yaml``. Paths are relative to its own folder; ports are this machine's alone."""
    # The image has no curl; it has a shell that opens sockets.
    asked = (
        f"exec 3<>/dev/tcp/127.0.0.1/{REST_PORT} && "
        f"printf 'GET /v1/models/{served.name} HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q AVAILABLE <&3"
    )
    return f"""\
# docker compose -f compose.yaml up
# kexport smoke --serving http://localhost:{REST_PORT} ../..
services:
  {served.name}:
    image: {IMAGE}
    command:
{listed(served.arguments, 6)}
    ports:
      - "127.0.0.1:{GRPC_PORT}:{GRPC_PORT}"
      - "127.0.0.1:{REST_PORT}:{REST_PORT}"
    volumes:
      - ..:{MODELS}/{served.name}:ro
      - ./models.config:{CONFIG}/models.config:ro
      - ./batching.config:{CONFIG}/batching.config:ro
    healthcheck:
      test:
        - CMD
        - bash
        - -c
        - "{asked.replace(chr(92), chr(92) * 2)}"
      interval: 10s
      timeout: 5s
      start_period: 60s
    restart: unless-stopped
"""
