"""Seeds become generators; the caller's global random state is never touched.

One user seed feeds every room. Each use names its purpose, so that a new draw in one place does not shift the draws
of another.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed that depends on ``seed`` and on what it is for.

    >>> derive_seed(7, "split") == derive_seed(7, "split")
    True
    >>> derive_seed(7, "split") == derive_seed(7, "train")
    False
    """
    text = "/".join([str(int(seed)), *map(str, purpose)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return a NumPy generator for one purpose under the user's seed.

    >>> float(generator(7, "split").random()) == float(generator(7, "split").random())
    True
    """
    return np.random.default_rng(derive_seed(seed, *purpose))


def scattered(numbers: np.ndarray) -> np.ndarray:
    """(n,) uint64 → (n,) uint64 that look random, one to one: the finalizer of splitmix64 (Steele et al. 2014, "Fast splittable
    pseudorandom number generators", section 6).

    >>> len(set(scattered(np.arange(1000, dtype=np.uint64)).tolist()))
    1000
    """
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
