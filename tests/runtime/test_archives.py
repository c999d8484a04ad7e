import struct
import time
import zipfile
from pathlib import Path

import pytest

from demsr.dem.read.raster import read_raster
from demsr.errors import PairsError, RasterError
from demsr.runtime.archives import check_member, open_member
from demsr.sources.cutting import unpack
from demsr.sources.external_pairs import PAIR_FILES, find_external_pairs

DECLARED = 4_000_000_000


def write_archive(path: Path, *names: str, declared: int | None, packed: int | None = None) -> Path:
    """Write 10 MB of zeros into an archive whose directory declares another size of unpacked or packed bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, bytes(10**7))
        own = archive.infolist()[0].compress_size
    content = path.read_bytes()
    for before, after in ((10**7, declared), (own, packed)):
        content = content.replace(struct.pack("<I", before), struct.pack("<I", before if after is None else after))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["N00E000.hgt", "a.tif", "a.asc", "a.img"])
@pytest.mark.parametrize("packed", [None, DECLARED])
def test_few_bytes_that_unpack_to_gigabytes_are_refused_at_once(tmp_path, name, packed):
    path, start = write_archive(tmp_path / "a.zip", name, declared=DECLARED, packed=packed), time.monotonic()
    with pytest.raises(
        RasterError, match=rf"a\.zip: .*{name} unpacks [\d,]+ bytes to 4,000,000,000, more than 100 times"
    ):
        read_raster(path)
    assert time.monotonic() - start < 2


def test_reading_stops_at_the_declared_size(tmp_path):
    path = write_archive(tmp_path / "a.zip", "a.bin", declared=1000)
    parts = []
    with (
        zipfile.ZipFile(path) as archive,
        open_member(archive, "a.bin") as member,
        pytest.raises(zipfile.BadZipFile, match="Bad CRC-32"),
    ):
        while part := member.read(100):
            parts.append(part)
    assert sum(map(len, parts)) <= 1000


def test_zeros_of_moderate_size_are_read_whatever_their_ratio(tmp_path):
    path = write_archive(tmp_path / "a.zip", "a.bin", declared=None)
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("a.bin").file_size > 900 * archive.getinfo("a.bin").compress_size
        check_member(archive, "a.bin")


def test_archives_of_downloads_and_pairs_have_the_same_limit(tmp_path):
    path = write_archive(tmp_path / "a.zip", *PAIR_FILES, declared=DECLARED)
    with pytest.raises(RasterError, match=r"a\.zip: cannot be unpacked \(train\.h5 unpacks"):
        unpack(path, "train.h5", tmp_path / "train.h5")
    with pytest.raises(PairsError, match=r"a\.zip: cannot be read \(train\.h5 unpacks"):
        find_external_pairs(path, tmp_path / "raw")
    assert not (tmp_path / "train.h5").exists()
    assert not any((tmp_path / "raw").iterdir())
