"""How long is one training step, and how far is it from the floor: its matrix products at the speed this machine multiplies?

LOOKALIKE_DATA=… python benchmarks/step.py adult --engine ctgan --set precision=bfloat16 --profile
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
import warnings
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import lookalike
from common import record, settings_of, table_path
from lookalike import preparing, registry
from lookalike.encode.base import EncoderSettings
from lookalike.encode.frame import TableEncoder
from lookalike.model.training.device import keep_freed_memory
from lookalike.schema import EncodedTable

BLOCK = 20
"""Steps timed together; the median over blocks is reported, so that a neighbour's burst does not count."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--engine", default="ctgan")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE, any setting of the engine")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    arguments = parser.parse_args()
    settings = settings_of(arguments.set)
    task = make_task(encode(table_path(arguments.table), arguments.engine), arguments.engine, settings)
    flops = count_flops(task)  # first: a step that is replayed shows nothing of what it is made of
    times = time_steps(task, arguments.steps)
    milliseconds, multiply = statistics.median(times), multiply_rate(task)
    floor = flops / multiply * 1e3
    row = {
        "table": arguments.table,
        "engine": arguments.engine,
        "settings": settings,
        "milliseconds": round(milliseconds, 2),
        "fastest": round(min(times), 2),
        "megaflops": round(flops / 1e6),
        "gigaflops_per_second": round(multiply / 1e9),
        "floor_milliseconds": round(floor, 2),
        "times_the_floor": round(milliseconds / floor, 2),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    print(json.dumps(row))
    record("step", [row])
    if arguments.profile:
        profile(task)


def encode(source: Any, engine: str, schema: Any = None) -> EncodedTable:
    """The table in codes, its columns learned as the engine wants them."""
    warnings.simplefilter("ignore", lookalike.LookalikeWarning)
    table, settled = preparing.prepare(source, schema=schema)
    intervals = registry.load(registry.ENGINES, engine, "engine").intervals
    encoder = TableEncoder(settled, EncoderSettings(intervals=intervals))
    encoder.fit(table.data, seed=0)
    return encoder.encode(table.data, seed=0)


def make_task(encoded: EncodedTable, engine: str, settings: dict[str, Any]) -> Any:
    """The engine's training task on the encoded table, as ``fit`` makes it."""
    kind = registry.load(registry.ENGINES, engine, "engine")
    task, _ = kind.task(encoded, encoded.take(np.arange(0)), kind.Settings.build(settings), 0)
    keep_freed_memory()
    task.begin_epoch()
    return task


def time_steps(task: Any, steps: int) -> list[float]:
    """Milliseconds a step, a block of steps each, warm."""
    times = []
    for block in range(steps // BLOCK + 1):
        start = time.perf_counter()
        for position in range(BLOCK):
            losses = task.step(position % task.steps)
        float(next(iter(losses.values())))  # waits for the device
        if block:
            times.append((time.perf_counter() - start) / BLOCK * 1e3)
    return times


def count_flops(task: Any) -> int:
    """Floating-point operations of a step's matrix products, those in place included."""
    aten = torch.ops.aten
    in_place = dict.fromkeys((aten.addmm_, aten.baddbmm_), product_flops)
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        task.step(0)
    return int(counter.get_total_flops())


def product_flops(added: Any, left: Any, right: Any, **rest: Any) -> int:
    """Operations of added + left @ right, all three given by their shapes."""
    return 2 * math.prod(left) * int(right[-1])


def multiply_rate(task: Any) -> float:
    """Operations a second of a product of the step's own kind: a batch of rows by a layer, in the step's precision."""
    device, dtype = task.averaged.device, task.precision.dtype
    rows, layer = (torch.randn(size, device=device, dtype=dtype) for size in ((2 * task.batch, 256), (256, 256)))
    times = []
    for _ in range(50):
        start = time.perf_counter()
        for _ in range(BLOCK):
            product = rows @ layer
        float(product[0, 0])
        times.append((time.perf_counter() - start) / BLOCK)
    return 2 * rows.numel() * layer.shape[1] / statistics.median(times)


def profile(task: Any) -> None:
    with torch.profiler.profile() as profiler:
        for position in range(BLOCK):
            task.step(position)
    print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=30, max_name_column_width=50))


if __name__ == "__main__":
    main()
