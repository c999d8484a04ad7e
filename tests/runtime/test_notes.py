import json

import pytest

from demsr.runtime.notes import read_note, write_note

VALUE = {"count": 3, "area": {"name": "hills", "shift_px": 0.25}, "left_out": {}}


@pytest.fixture
def work(tmp_path):
    """A note and the file that it stands for."""
    (tmp_path / "pairs.h5").write_bytes(bytes(range(200)))
    write_note(tmp_path / "note.json", VALUE, tmp_path / "pairs.h5")
    return tmp_path / "note.json", tmp_path / "pairs.h5"


def test_note_comes_back_as_it_was_written(work):
    assert read_note(*work) == VALUE


@pytest.mark.parametrize("which", [0, 1])
def test_no_damage_of_a_note_or_its_file_goes_unnoticed(work, which):
    whole = work[which].read_bytes()
    for place in range(len(whole)):
        work[which].write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert read_note(*work) in (None, VALUE)
        if which == 1 or whole[place : place + 1].isdigit():
            assert read_note(*work) is None
    for content in (b"", whole[:-3], b"[]", b"null", b"\xff"):
        work[which].write_bytes(content)
        assert read_note(*work) is None
    work[which].unlink()
    assert read_note(*work) is None


def test_work_without_a_file_is_not_that_with_one(tmp_path):
    write_note(tmp_path / "note.json", {"count": 0}, tmp_path / "pairs.h5")
    assert read_note(tmp_path / "note.json", tmp_path / "pairs.h5") == {"count": 0}
    (tmp_path / "pairs.h5").write_bytes(b"of somebody else")
    assert read_note(tmp_path / "note.json", tmp_path / "pairs.h5") is None
    assert json.loads((tmp_path / "note.json").read_text())["value"] == {"count": 0}
