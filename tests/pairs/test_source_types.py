import math

import numpy as np
import pytest

from demsr.pairs.source_types import INTERPOLATED, KINDS, MEASURED, PREDICTED, source_shares

OTHER = (0, 70, 71, 72)  # land, and cells of unknown or mixed source


def test_shares_equal_a_slow_count():
    codes = np.random.default_rng(1).choice([*MEASURED, *INTERPOLATED, *PREDICTED, *OTHER], (9, 7)).astype(np.float32)
    counts = dict.fromkeys(KINDS, 0)
    for code in codes.ravel().tolist():
        for kind, of_kind in KINDS.items():
            counts[kind] += code in of_kind
    assert source_shares(codes) == pytest.approx({kind: count / 63 for kind, count in counts.items()})
    assert all(counts.values())


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10, "measured"),
        (11, "measured"),
        (14, "measured"),
        (17, "measured"),
        (40, "predicted"),
        (41, "interpolated"),
        (44, "interpolated"),
        (45, "predicted"),
        (46, "predicted"),
    ],
)
def test_kind_of_a_source_is_that_of_gebco(code, kind):
    assert source_shares(np.full((2, 2), code)) == {name: float(name == kind) for name in KINDS}


@pytest.mark.parametrize("code", [*OTHER, np.nan, 9, 18])
def test_land_and_what_is_not_known_count_for_no_kind(code):
    assert set(source_shares(np.full((3, 3), code)).values()) == {0.0}


def test_no_source_belongs_to_two_kinds():
    codes = [code for kind in KINDS.values() for code in kind]
    assert len(codes) == len(set(codes))


def test_shares_without_source_types_are_unknown():
    shares = source_shares(None)
    assert list(shares) == ["measured", "interpolated", "predicted"]
    assert all(map(math.isnan, shares.values()))
