"""Sub-seeds for named purposes from one base seed, so that no two purposes share a random stream."""

import hashlib

import numpy as np


def sub_seed(base_seed: int, *purpose: str | int) -> int:
    """Return a 32-bit seed that depends on the base seed and the purpose only.

    Parameters
    ----------
    base_seed : of the run
    purpose : words or numbers that name the use of the seed
    """
    text = "/".join(str(part) for part in (base_seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def generator(base_seed: int, *purpose: str | int) -> np.random.Generator:
    """Return a numpy generator for a purpose, the same on every machine.

    Parameters
    ----------
    base_seed : of the run
    purpose : words or numbers that name the use of the generator
    """
    return np.random.default_rng(sub_seed(base_seed, *purpose))
