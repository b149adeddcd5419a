"""What surrounds a training step on a device."""

from __future__ import annotations

import gc
import weakref

import pytest

from lookalike.model.training.device import no_collection


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
