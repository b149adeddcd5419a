"""What every worker reports; imported by scripts that run in the peers' environments, so the standard library only."""

from __future__ import annotations

import json
import resource


def report(start: float, fitted: float, sampled: float, **more: object) -> None:
    """Print seconds and peak memory, and what else is to be told, as one line of JSON."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = {"fit_seconds": fitted - start, "sample_seconds": sampled - fitted, "peak_megabytes": peak}
    print(json.dumps({**seconds, **more}))
