"""Servers for tests of what asks them, each on a port of 127.0.0.1 and ended with its block."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROGRAM = Path(__file__).with_name("tf_server.py")
_LONGEST_S = 600


@dataclass(frozen=True)
class Server:
    """``warmed``: how many requests each model was warmed up with."""

    rest: str
    grpc: str
    warmed: Mapping[str, int]


@contextmanager
def tf_server(models: Mapping[str, Path]) -> Iterator[Server]:
    """TensorFlow behind TF Serving's protocols; models by name are folders of versions."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    named = [f"{name}={folder}" for name, folder in models.items()]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(_PROGRAM), str(_LONGEST_S), *named],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(process.stderr.read().decode(errors="replace")[-3000:])
        ready = json.loads(line)
        yield Server(
            f"http://127.0.0.1:{ready['rest']}", f"grpc://127.0.0.1:{ready['grpc']}", ready["warmed"]
        )
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


#: Speaks with whoever connects: given the connection, and an event that is set when the test is over.
Behaviour = Callable[[socket.socket, threading.Event], None]


@contextmanager
def socket_server(behaviour: Behaviour) -> Iterator[int]:
    """A server that does whatever a test wants with a connection; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        # Clients hang up, as they should.
        with connection, contextlib.suppress(OSError):
            behaviour(connection, over)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for thread in threads:
            thread.join(timeout=10)


def read_request(connection: socket.socket) -> bytes:
    """A whole HTTP request, head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(1 << 16)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    sizes = [
        line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    ]
    while len(body) < int(sizes[0] if sizes else 0):
        body += connection.recv(1 << 16)
    return head + b"\r\n\r\n" + body
