from pathlib import Path

import numpy as np
import pytest
from synthetic import write_raw

from demsr.dem.read.declared import Declared
from demsr.dem.read.header import read_header
from demsr.reporting.inspection import print_assumptions, print_inspection
from demsr.sources.inspection import Inspection, inspect_raster

ASSUMED = ["unit: the file names none; metres taken", "layer: the file has [dem], z; [dem] taken", ":smile: is no face"]
FOUND = Inspection(Path("a [dem] :smile:.tif"), {"grid": "4 x 5", "sign": "up"}, ASSUMED, ["this and that", "nothing"])


def words(text: str) -> str:
    """Return the text without the line breaks of its table."""
    return " ".join(text.split())


@pytest.mark.parametrize("columns", ["40", "200"])
def test_printed_text_names_file_facts_assumptions_and_uses_at_any_width(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    print_inspection(FOUND)
    printed = words(capsys.readouterr().out)
    assert printed == words(
        f"a [dem] :smile:.tif grid 4 x 5 sign up assumed {' '.join(ASSUMED)} good for this and that nothing"
    )


def test_nothing_assumed_is_said_too(capsys):
    print_inspection(Inspection(Path("a.tif"), {}, [], ["x"]))
    assert words(capsys.readouterr().out) == "a.tif assumed nothing good for x"


def test_every_assumption_about_a_file_that_says_nothing_is_printed(tmp_path, capsys):
    values = np.full((20, 20), 7, np.int16)
    values[0, 0] = -32768
    found = inspect_raster(write_raw(tmp_path / "srtm.tif", values, crs=None))
    assert [text.split(":")[0] for text in found.assumptions] == ["CRS", "unit", "vertical datum", "sign", "voids"]
    print_inspection(found)
    printed = words(capsys.readouterr().out)
    assert all(text in printed for text in found.assumptions)


def test_assumptions_go_to_stderr_one_line_each_with_the_name_of_the_file(capsys):
    print_assumptions(Path("folder") / "a [dem] :smile:.tif", [*ASSUMED, "long: " + "word " * 60 + "end"])
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("a [dem] :smile:.tif: ") for line in lines)
    assert [line.split(".tif: ")[1] for line in lines[:3]] == ASSUMED
    assert lines[3].endswith("word end")


def test_what_was_declared_is_not_printed_as_assumed(tmp_path, capsys):
    path = write_raw(tmp_path / "a.tif", np.full((20, 20), 7, np.int16))
    print_inspection(inspect_raster(path, Declared(unit="ft", vertical_datum="MLLW", positive="up")))
    printed = words(capsys.readouterr().out)
    assert "assumed nothing" in printed
    assert "declared vertical_datum MLLW, unit ft, positive up" in printed
    assert "vertical datum MLLW" in printed


def test_text_from_a_file_does_not_control_the_terminal(tmp_path, capsys):
    hostile = "\x1b[2Jtext\x07"
    print_inspection(Inspection(Path(f"{hostile}.tif"), {"grid": hostile}, [hostile], [hostile]))
    print_assumptions(Path(hostile), [hostile])
    printed = "".join(capsys.readouterr())
    assert "\x1b" not in printed
    assert printed.count("\ufffd[2Jtext\ufffd") == 6
    path = write_raw(tmp_path / "a.tif", np.full((20, 20), 7, np.int16), SOURCE="two\nlines")
    assert read_header(path).source == "two lines"
