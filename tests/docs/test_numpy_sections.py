import pytest

pytest.importorskip("griffe", reason="the extra `docs` is not installed")
from numpy_sections import expanded


def test_description_behind_the_colon_moves_to_its_own_line():
    before = "Do it.\n\nParameters\n----------\nlr : (B, 1, H, W), metres\n    voids are NaN\nseed : number"
    after = "Do it.\n\nParameters\n----------\nlr\n    (B, 1, H, W), metres\n    voids are NaN\nseed\n    number"
    assert expanded(before) == after


def test_names_that_share_a_description_become_entries_of_their_own():
    before = "Do it.\n\nAttributes\n----------\nrow, col : indices\n    from the north-west"
    after = "row\n    indices\n    from the north-west\ncol\n    indices\n    from the north-west"
    assert expanded(before) == f"Do it.\n\nAttributes\n----------\n{after}"


def test_returned_values_keep_their_names():
    before = "Do it.\n\nReturns\n-------\nfilled : same shape\nlr, valid : halves"
    assert expanded(before) == "Do it.\n\nReturns\n-------\nfilled :\n    same shape\n:\n    `lr, valid`: halves"


def test_paragraph_behind_a_section_does_not_become_an_entry():
    before = "Do it.\n\nRaises\n------\nGridError : too small\n\nSource: a paper."
    after = "Do it.\n\nRaises\n------\nGridError\n    too small\n\nNotes\n-----\nSource: a paper."
    assert expanded(before) == after


def test_text_without_sections_stays():
    assert expanded("Do it.\n\nName : nothing special.") == "Do it.\n\nName : nothing special."
