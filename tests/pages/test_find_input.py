import pytest

from demsr.dem.read.declared import Declared
from demsr.errors import RasterError
from demsr.pages.find_input import find_input, is_recorded, recorded_declarations
from demsr.runtime.files import sha256_of_file


def tags_for(source, command: str = "") -> dict[str, str]:
    return {"INPUT": source.name, "INPUT_SHA256": sha256_of_file(source) + "+sidecar", "COMMAND": command}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data/in put.tif"
    path.write_bytes(b"elevation")
    return path


def test_the_input_is_found_beside_the_product(source):
    assert find_input(source.parent / "out.tif", tags_for(source)) == source


def test_the_input_is_found_where_the_command_read_it_from_here_or_from_the_folder_of_the_product(source, monkeypatch):
    target = source.parent.parent / "out.tif"
    tags = tags_for(source, "demsr --log-format json super-resolve 'data/in put.tif' out.tif")
    assert find_input(target, tags).samefile(source)
    monkeypatch.chdir(source.parent)
    assert find_input(target, tags).samefile(source)


def test_another_file_of_the_same_name_is_not_taken(source):
    tags = tags_for(source)
    source.write_bytes(b"other elevation")
    with pytest.raises(RasterError, match=r"out\.tif: was made from in put\.tif; .*in put\.tif differs .* --input"):
        find_input(source.parent / "out.tif", tags)
    assert not is_recorded(source, tags)


def test_a_product_without_an_input_and_a_lost_input_say_what_to_do(source):
    with pytest.raises(RasterError, match="records no input; name it with --input"):
        find_input(source, {})
    with pytest.raises(RasterError, match="it is not beside the product"):
        find_input(source.parent.parent / "out.tif", tags_for(source, "unfinished 'quote"))


def test_declarations_of_the_command_are_repeated():
    command = "demsr super-resolve in.tif out.tif --unit ft --nodata=-9999 --vertical-datum MLLW --uncertainty"
    declared = recorded_declarations({"COMMAND": command})
    assert declared == Declared(unit="ft", nodata=-9999, vertical_datum="MLLW")
    assert recorded_declarations({"COMMAND": "demsr.super_resolve_file"}) == Declared()
