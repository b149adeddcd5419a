"""The table that ``lookalike demo`` works on: simulated, so that the package ships no one's data."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lookalike.rng import generator


def demo_table(rows: int = 2_000, seed: int = 0) -> pa.Table:
    """A shop's customers: a key, dates as text, money with spikes at 0, missing values, and relations to find again.

    >>> demo_table(3).column_names
    ['customer_id', 'member_since', 'country', 'age', 'plan', 'orders', 'spent', 'newsletter', 'rating', 'churned']
    """
    rng = generator(seed, "demo")
    age = np.clip(rng.gamma(9, 4.5, rows) + 14, 18, 90).astype(np.int64)
    plan = rng.choice(3, rows, p=[0.6, 0.3, 0.1])
    orders = rng.negative_binomial(1 + 2 * plan, 0.25)
    spent = np.where(orders == 0, 0.0, np.round(orders * rng.lognormal(3 + 0.3 * plan, 0.5, rows), 2))
    newsletter = rng.random(rows) < 0.2 + 0.005 * (90 - age)
    churned = rng.random(rows) < 1 / (1 + np.exp(0.4 * orders - 0.3 - 0.8 * (plan == 0)))
    days = np.datetime64("2021-01-01") + (1400 * rng.beta(2, 1.3, rows)).astype(int)
    rating_missing = rng.random(rows) < np.where(orders == 0, 0.9, 0.3)
    return pa.table(
        {
            "customer_id": [f"CUST-{number:06}" for number in rng.choice(10**6, rows, replace=False)],
            "member_since": days.astype(str).tolist(),
            "country": rng.choice(
                ["Austria", "Germany", "Switzerland", "Italy", "Slovenia"], rows, p=[0.45, 0.3, 0.12, 0.09, 0.04]
            ).tolist(),
            "age": age,
            "plan": np.array(["basic", "plus", "premium"])[plan].tolist(),
            "orders": orders,
            "spent": spent,
            "newsletter": np.where(newsletter, "yes", "no").tolist(),
            "rating": pa.array(
                np.clip(np.round(4.4 - 1.2 * churned + rng.normal(0, 0.7, rows)), 1, 5).astype(np.int64),
                mask=rating_missing,
            ),
            "churned": churned,
        }
    )
