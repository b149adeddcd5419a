"""Noise for differential privacy, from the operating system's entropy: no seed of a user's drives it, so none repeats it.

Counts are noised on the integers. The low bits of a floating-point sum give the true count away (Mironov 2012, "On
significance of the least significant bits for differential privacy"); a count plus noise *rounded to an integer* is the
rounded sum of both, which is post-processing of the Gaussian mechanism, and has no low bits to read.
"""

from __future__ import annotations

import os

import numpy as np

TERMS = 4
"""Each normal number is a sum of so many: one alone comes from 53 bits, which a float's gaps give away in the tail (Holohan
and Braghin 2021, "Secure random sampling in differential privacy")."""


def uniform(size: int) -> np.ndarray:
    """(size,) float64 in (0, 1), each from 53 fresh bits of the operating system."""
    bits = np.frombuffer(os.urandom(8 * size), np.uint64) >> np.uint64(11)
    return (bits.astype(np.float64) + 0.5) * 2.0**-53


def normal(size: int) -> np.ndarray:
    """(size,) float64, standard normal (Box and Muller 1958), from fresh entropy.

    >>> bool(abs(normal(10_000).std() - 1) < 0.1)
    True
    """
    half = TERMS * size // 2
    radius, angle = np.sqrt(-2 * np.log(uniform(half))), 2 * np.pi * uniform(half)
    terms = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return np.asarray(terms.reshape(TERMS, size).sum(axis=0) / np.sqrt(TERMS))


def integers(shape: int | tuple[int, ...], deviation: float) -> np.ndarray:
    """Integers (int64) of this shape with this standard deviation: normal numbers rounded, to be added to counts.

    >>> integers((2, 3), 5.0).dtype
    dtype('int64')
    """
    size = int(np.prod(shape))
    return np.rint(deviation * normal(size)).astype(np.int64).reshape(shape)


def fresh_seed() -> int:
    """A seed of 63 fresh bits, for whatever a single record's part of a gradient is drawn by: with a known one, a record more or less
    would change, by its place, what the others get, and so count for more than one."""
    return int.from_bytes(os.urandom(8), "little") >> 1


def fresh_generator() -> np.random.Generator:
    """A generator keyed with 128 fresh bits, for noise by the million (gradients), where the operating system is too slow.

    Philox is counter-based (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), not proven secure: whoever
    sees only gradients summed with its normal numbers has no known way back to the key, and no key is used for two fits.
    """
    return np.random.Generator(np.random.Philox(key=int.from_bytes(os.urandom(16), "little")))
