import pytest

from demsr.errors import ParamsError
from demsr.sources.local_rasters import find_rasters


@pytest.fixture
def folder(tmp_path):
    for name in ("b.tif", "a.tif", "deep/c.tif", "d.nc", "notes.txt", "test_e.tif"):
        path = tmp_path / "rasters" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "rasters" / "folder.tif").mkdir()
    return tmp_path / "rasters"


def test_files_that_match_are_found_below_the_folder_in_order(folder):
    found = find_rasters(folder, include=["*.tif", "*.nc"], exclude=["test_*"])
    assert [str(path.relative_to(folder)) for path in found] == ["a.tif", "b.tif", "d.nc", "deep/c.tif"]


def test_file_that_matches_two_patterns_is_found_once(folder):
    assert [path.name for path in find_rasters(folder, include=["a*", "*.tif"], exclude=["[b-z]*"])] == ["a.tif"]


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(ParamsError, match=r"nowhere: there is no such folder; .*demsr profile local"):
        find_rasters(tmp_path / "nowhere", include=["*"], exclude=[])


def test_folder_without_a_match_is_refused(folder):
    with pytest.raises(ParamsError, match=r"rasters: no file matches \['\*.img'\] without \['x'\]"):
        find_rasters(folder, include=["*.img"], exclude=["x"])


def test_two_files_of_one_name_are_refused(folder):
    (folder / "deep" / "a.nc").write_text("")
    with pytest.raises(ParamsError, match=r"rasters: several files are named a; names must be unique"):
        find_rasters(folder, include=["*.tif", "*.nc"], exclude=[])


def test_partial_files_are_ignored(tmp_path):
    (tmp_path / "tile.tif").touch()
    (tmp_path / ".tile.123.part.tif").touch()
    assert find_rasters(tmp_path, include=["*.tif"], exclude=[]) == [tmp_path / "tile.tif"]
