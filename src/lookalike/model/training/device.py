"""Where a net is trained and in which precision."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from lookalike.errors import SettingsError
from lookalike.model.nets.flat import Weights
from lookalike.model.training.adam import Adam


def available() -> list[str]:
    """Return the devices of this machine, the one that ``auto`` takes first: an mps is there for the asking, as nothing was ever run on one."""
    devices = ["cuda"] if torch.cuda.is_available() else []
    return [*devices, "cpu", *(["mps"] if torch.backends.mps.is_available() else [])]


def threads() -> int:
    """Return how many threads sums are split over; another number adds in another order, and so gives other rows."""
    return torch.get_num_threads()


def choose(device: str) -> torch.device:
    """Return the device that ``device`` names; ``auto`` takes cuda, then cpu.

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


def with_doubles(device: torch.device) -> torch.device:
    """Return the device, or the CPU where it has no float64: Apple's have none.

    >>> with_doubles(torch.device("mps"))
    device(type='cpu')
    """
    return torch.device("cpu") if device.type == "mps" else device


def fastest(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the device multiplies it faster than float32, else float32.

    Of processors with AVX-512 that is AMD's; Intel's without AMX take half as long again. Told by its name, as a measurement would
    not give the same rows again.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float32
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):  # torch 2.9 and later
        able = torch.cpu.get_capabilities()
        slow = "intel" in str(able.get("cpu_name", "")).lower()
        faster = able.get("amx_bf16") or (able.get("avx512_bf16") and not slow)
        return torch.bfloat16 if faster else torch.float32
    return torch.float32


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread for a while: so a model does not depend on how many there are; the number is left as found."""
    before = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def no_collection() -> Iterator[None]:
    """Throw nothing away for a while that only the garbage collector would find; before that, it looks once."""
    before = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@dataclass
class Recorded:
    """A CUDA graph, where it looks for what it is given, and where it leaves what came out."""

    graph: torch.cuda.CUDAGraph
    given: list[Tensor]
    losses: dict[str, Tensor]


class Replay:
    """A training step, recorded as a CUDA graph after a few plain ones, then replayed: no Python between its kernels.

    ``step`` takes tensors on the device, and besides those it is given only such as stay in place; it draws from ``generators`` alone.
    It is recorded once for each set of sizes it is given.
    """

    PLAIN = 3
    """Plain steps first, as PyTorch asks for: they make lazily what a recording must not make."""

    def __init__(self, step: Callable[..., dict[str, Tensor]], generators: Iterable[torch.Generator]) -> None:
        self.step, self.generators = step, [part for part in generators if part.device.type == "cuda"]
        self.taken = 0
        self.recorded: dict[tuple[torch.Size, ...], Recorded] = {}

    def __call__(self, *given: Tensor) -> dict[str, Tensor]:
        """Take one step; the losses returned are overwritten by the next one."""
        if self.taken < self.PLAIN:
            self.taken += 1
            return self.step(*given)
        sizes = tuple(part.shape for part in given)
        if sizes not in self.recorded:
            self.recorded[sizes] = self._record(given)
        recorded = self.recorded[sizes]
        for place, part in zip(recorded.given, given, strict=True):
            place.copy_(part)
        recorded.graph.replay()
        return recorded.losses

    def _record(self, given: Sequence[Tensor]) -> Recorded:
        graph, places = torch.cuda.CUDAGraph(), [part.clone() for part in given]
        for generator in self.generators:
            graph.register_generator_state(generator)
        # a graph of an earlier fit, thrown away by the collector while this one is recorded, breaks the recording ("operation not
        # permitted when stream is capturing")
        with no_collection(), torch.cuda.graph(graph):
            losses = self.step(*places)
        # torch sets the generators' counters to nought on the recording's own stream, and waits for that nowhere: on a busy card it
        # came after the first replay had set them to where they are, and the same seed gave other rows (one training in fifteen)
        torch.cuda.synchronize()
        return Recorded(graph, places, losses)


@contextmanager
def tensor_cores(device: torch.device) -> Iterator[None]:
    """Let what is left to multiply in float32 on CUDA be multiplied in TF32 for a while."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = before or device.type == "cuda"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


class Precision:
    """Matrix products in the precision asked for, weights in float32; float16 gets its gradients scaled.

    >>> Precision(torch.device("cpu"), "bfloat16").dtype
    torch.bfloat16
    """

    def __init__(self, device: torch.device, name: str) -> None:
        self.dtype: torch.dtype = fastest(device) if name == "auto" else getattr(torch, name)
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)

    @property
    def scale(self) -> Tensor:
        """What a loss, and so its gradients, are to be multiplied with before :meth:`step`: (), on the device, which nothing waits for."""
        return self.scaler.scale(torch.ones((), device=self.device))

    def step(self, weights: Weights[Any], optimizer: Adam) -> None:
        """Take one step by the gradients that ``weights`` has collected, times :attr:`scale`."""
        weights.collect()
        self.scaler.step(cast(Any, optimizer))
        self.scaler.update()
        weights.spread()


def keep_freed_memory() -> None:
    """Have what a step frees kept for the next one.

    The C library of Linux gives memory at the end of its heap back to the system when a step ends, and every step would
    then take it anew, page by page. The block it was last given back sets how much it keeps, up to 32 MB.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)
