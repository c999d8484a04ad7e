import hashlib

import pytest
import rasterio
from synthetic import NORTH_UP, rough, write_raw

from demsr.errors import ParamsError
from demsr.sources.manifest import describe_file, read_manifest, verified_path, write_manifest


@pytest.fixture
def folder(tmp_path):
    for name in ("b.tif", "a.tif", "deep/c.tif", "d.nc", "notes.txt", "test_e.tif"):
        path = tmp_path / "rasters" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "rasters" / "folder.tif").mkdir()
    return tmp_path / "rasters"


def test_description_has_size_and_checksum(folder):
    entry = describe_file(folder / "a.tif")
    assert (entry.path, entry.bytes) == (str(folder / "a.tif"), 5)
    assert entry.sha256 == hashlib.sha256(b"a.tif").hexdigest()


def test_manifest_comes_back_as_it_was_written(folder, tmp_path):
    inputs = {"land": [describe_file(folder / "a.tif"), describe_file(folder / "b.tif")], "marine": []}
    write_manifest(tmp_path / "raw" / "inputs.json", inputs)
    assert read_manifest(tmp_path / "raw" / "inputs.json") == inputs


def test_unchanged_file_passes_the_check(folder):
    assert verified_path(describe_file(folder / "a.tif")) == folder / "a.tif"


@pytest.mark.parametrize("change", [lambda path: path.write_text("other"), lambda path: path.unlink()])
def test_file_that_changed_or_went_is_refused(folder, change):
    entry = describe_file(folder / "a.tif")
    change(folder / "a.tif")
    with pytest.raises(ParamsError, match=r"a\.tif: the file is missing or has changed since `fetch` listed it"):
        verified_path(entry)


def test_sidecar_files_change_the_checksum(tmp_path):
    write_raw(tmp_path / "b.tif", rough(8, 8))
    profile = {"driver": "EHdr", "height": 8, "width": 8, "count": 1, "dtype": "float32", "transform": NORTH_UP}
    with rasterio.open(tmp_path / "a.bil", "w", **profile) as file:
        file.write(rough(8, 8), 1)
    before = describe_file(tmp_path / "a.bil").sha256
    header = tmp_path / "a.hdr"
    header.write_text(header.read_text().replace("10.", "20."))
    assert describe_file(tmp_path / "a.bil").sha256 != before
