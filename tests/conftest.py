"""What all tests share."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

from support.making import CACHE

# No test fails for a busy machine: by default an example that takes longer than 0.2 s is a failure.
settings.register_profile("any_machine", parent=settings(), deadline=None)
settings.load_profile("any_machine")


def pytest_configure() -> None:
    """Tests see no frameworks that the user set up, but those that they ask `support.real_backends` for; and the TensorFlow that they
    take for the truth computes on any processor what its own kernels don't: dilated transposed convolutions, channels_first images."""
    os.environ["KEXPORT_BACKENDS"] = str(CACHE / "no_backends")
    # On by itself on processors with instructions for neural networks alone.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # A shell starts what it runs in the background with this signal ignored, which is inherited: what tests interrupt would not end.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
