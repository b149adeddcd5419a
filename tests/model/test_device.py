"""What surrounds a training step on a device."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from lookalike.model.training.device import choose, fastest, no_collection


class Ring:
    """Holds itself: only the garbage collector throws it away."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("enabled", [True, False])
def test_nothing_is_collected_for_a_while_and_the_collector_is_left_as_found(enabled: bool):
    found = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        earlier = weakref.ref(Ring())
        with no_collection():
            assert earlier() is None
            held = weakref.ref(Ring())
            _ = [Ring() for _ in range(5000)]  # would start the collector
            assert held() is not None
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if found else gc.disable)()


@pytest.mark.parametrize(
    "able, expected",
    [
        ({"cpu_name": "AMD EPYC 9R14", "avx512_bf16": True}, torch.bfloat16),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True}, torch.float32),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, torch.bfloat16),
        ({"cpu_name": "AMD EPYC 7R13"}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_products_are_taken_in_what_the_processor_multiplies_fastest(monkeypatch, able, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)  # torch 2.9 and later
    assert fastest(torch.device("cpu")) == expected


def test_a_mac_trains_on_its_gpu_only_where_that_is_asked_for(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose("mps").type == "mps" and choose("auto").type != "mps"
