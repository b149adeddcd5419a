"""Where a net is trained and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lookalike.errors import SettingsError


def available() -> list[str]:
    """Return the devices of this machine, the fastest first."""
    devices = ["cuda"] if torch.cuda.is_available() else []
    return devices + (["mps"] if torch.backends.mps.is_available() else []) + ["cpu"]


def threads() -> int:
    """Return how many threads sums are split over; another number adds in another order, and so gives other rows."""
    return torch.get_num_threads()


def choose(device: str) -> torch.device:
    """Return the device that ``device`` names; ``auto`` takes cuda, then mps, then cpu.

    >>> choose("cpu")
    device(type='cpu')
    """
    here = available()
    if device == "auto":
        return torch.device(here[0])
    if device not in here:
        raise SettingsError(
            f"device must be one this machine has, however: device={device!r}. Use auto or {' or '.join(here)}."
        )
    return torch.device(device)


def choose_or_cpu(device: str) -> torch.device:
    """Return the device that ``device`` names, or the CPU where this machine lacks it: a fitted model loads anywhere."""
    return choose(device) if device in ("auto", *available()) else torch.device("cpu")


class Precision:
    """Matrix products in the precision asked for, weights in float32; float16 gets its losses scaled.

    >>> Precision(torch.device("cpu"), "float32").products().__class__.__name__
    'autocast'
    """

    def __init__(self, device: torch.device, name: str) -> None:
        self.device, self.dtype = device, getattr(torch, name)
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "float16")

    def products(self) -> AbstractContextManager[Any]:
        """Return the context in which a net is called."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def descend(self, loss: Tensor, optimizer: Optimizer) -> None:
        """Take one step down the gradient of ``loss``."""
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(optimizer)
        self.scaler.update()
