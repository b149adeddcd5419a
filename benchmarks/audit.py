"""What does the strongest attack prove about our noise, beside what the ledger claims? White-box, on worst-case data.

    python benchmarks/audit.py --engine autoregressive --runs 4000 --noise 0.5 1 2

A record whose gradient is clipped to the bound is in the table or is not, with nobody beside it; the attack sees every noised sum and knows
the record's gradient (``canaries`` of the tests). ε is proven at 99.9 % by the rates of right and false alarms (Clopper and Pearson). The last
line switches the noise off while the claim stays: an audit that does not catch that is no audit.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from lookalike.accountant import poisson_gaussian
from lookalike.ledger import Budget, Ledger
from lookalike.testing import proven_epsilon

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "model"))
from test_private import SMALL, canaries

from common import record

DELTA = 1e-5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="autoregressive", choices=[kind.name for kind in SMALL])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=0.95)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.5, 1.0, 2.0])
    arguments = parser.parse_args()
    kind = next(kind for kind in SMALL if kind.name == arguments.engine)
    rows = []
    for sigma, real in [*((sigma, sigma) for sigma in arguments.noise), (arguments.noise[-1], 1e-9)]:
        ledger = Ledger(Budget(epsilon=1e6, delta=DELTA))
        ledger.spend("training", poisson_gaussian(arguments.rate, sigma, 1))
        proven = proven_epsilon(*canaries(kind, real, arguments.runs, arguments.rate), DELTA)
        rows.append(
            {
                "engine": arguments.engine,
                "runs": arguments.runs,
                "noise_claimed": sigma,
                "noise": real,
                "claim": round(ledger.epsilon(), 3),
                "proven": round(proven, 3),
                "caught": proven > ledger.epsilon(),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    record("audit", rows)


if __name__ == "__main__":
    main()
