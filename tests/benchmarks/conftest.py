from collections.abc import Callable, Sequence

import pytest
from protocol.regions import RealPair, Region, Regions


@pytest.fixture(scope="session")
def regions_of() -> Callable[..., Regions]:
    """Regions of made files and real pairs."""

    def make(files: Sequence[Region], real: Sequence[RealPair] = ()) -> Regions:
        return Regions(list(files), list(real), "A", "B")

    return make
