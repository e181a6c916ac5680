"""Spectrograms."""

from __future__ import annotations

from collections.abc import Iterable

from .case import K3, Case, layer_case


def _stft() -> Iterable[Case]:
    name, small = "STFTSpectrogram", {"frame_length": 16, "frame_step": 6}
    yield layer_case(name, "default", (600, 1), only=K3)
    for mode in ("log", "magnitude", "psd", "real", "imag", "angle", "stft"):
        yield layer_case(name, mode, (50, 2), only=K3, mode=mode, **small)
    yield layer_case(name, "same-expanded", (50, 3), only=K3, mode="magnitude", padding="same", expand_dims=True, **small)
    yield layer_case(name, "channels_first", (2, 50), only=K3, mode="magnitude", data_format="channels_first", **small)
    yield layer_case(name, "channels_first-expanded", (2, 50), only=K3, mode="stft", data_format="channels_first", expand_dims=True, **small)
    yield layer_case(name, "dynamic", (None, 2), only=K3, frame_length=6, frame_step=2, fft_length=8)
    yield layer_case(name, "spectrum-hamming", (50, 1), only=K3, mode="psd", window="hamming", scaling="spectrum", periodic=True, fft_length=32, **small)
    yield layer_case(name, "no-window", (50, 1), only=K3, mode="magnitude", window=None, scaling=None, fft_length=20, **small)
    yield layer_case(name, "numbers", (50, 1), only=K3, mode="magnitude", window=[0.1 * index for index in range(16)], **small)
    yield layer_case(name, "half-step", (50, 1), only=K3, mode="magnitude", frame_length=12)


def _mel() -> Iterable[Case]:
    name, small = "MelSpectrogram", {"fft_length": 64, "sequence_stride": 24, "sampling_rate": 8000, "num_mel_bins": 8}
    yield layer_case(name, "default", (4000,), only=K3)
    yield layer_case(name, "small", (300,), only=K3, **small)
    yield layer_case(name, "short-window", (300,), only=K3, sequence_length=40, **small)
    yield layer_case(name, "odd-window", (300,), only=K3, sequence_length=41, window="hamming", **small)
    yield layer_case(name, "numbers", (300,), only=K3, sequence_length=32, window=[1.0 - 0.01 * index for index in range(32)], **small)
    yield layer_case(name, "no-window", (300,), only=K3, window=None, **small)
    yield layer_case(name, "power", (300,), only=K3, power_to_db=False, **small)
    yield layer_case(name, "magnitude", (300,), only=K3, power_to_db=False, mag_exp=1.0, **small)
    yield layer_case(name, "exponent", (300,), only=K3, mag_exp=1.5, ref_power=0.01, top_db=20.0, min_power=1e-3, **small)
    yield layer_case(name, "frequencies", (300,), only=K3, fft_length=60, sequence_stride=25, num_mel_bins=5, sampling_rate=16000, min_freq=300.0, max_freq=7000.0)
    yield layer_case(name, "prime-length", (200,), only=K3, fft_length=31, sequence_stride=10, num_mel_bins=4)
    yield layer_case(name, "dynamic", (None,), only=K3, fft_length=16, sequence_stride=4, num_mel_bins=4)
    yield layer_case(name, "stereo", (2, 300), only=K3, **small)


CASES: tuple[Case, ...] = (*_stft(), *_mel())
