import shutil
import subprocess
import sys
import zipfile

import h5py
import pytest
from outside import outside
from synthetic import write_pairs

from demsr.errors import PairsError
from demsr.pairs.pair_file import PairFile
from demsr.sources.external_pairs import PAIR_FILES, find_external_pairs


@pytest.mark.skipif(sys.platform != "linux", reason="the harness limits memory by ways of Linux")
def test_broken_files_of_every_kind_end_in_errors_that_demsr_declares(root, tmp_path):
    command = [sys.executable, "benchmarks/fuzz.py", "--count", "80", "--seed", "3", "--keep", str(tmp_path / "wrong")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert "80" in done.stdout
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("chunks", [None, (1, 1, 8, 8)])
def test_few_bytes_that_declare_gigabytes_of_pairs_are_refused(tmp_path, chunks):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for side in (8, 40):
            file.create_dataset(f"{side}_{side}", shape=(10**7, 1, side, side), dtype="f4", chunks=chunks)
    with pytest.raises(PairsError, match=r"a\.h5: .*66560000000 bytes of pairs are declared, the file has \d+ bytes"):
        PairFile(tmp_path / "a.h5")


@pytest.mark.parametrize("column", ["sample/row", "area/bias_m"])
def test_columns_of_another_length_are_refused(tmp_path, column):
    path = write_pairs(tmp_path / "a.h5", (2, 1))
    with h5py.File(path, "r+") as file:
        del file[column]
        file.create_dataset(column, shape=(10**7,), dtype="f8", chunks=(10**6,))
    with pytest.raises(PairsError, match=rf"a\.h5: .*/{column} has shape \(10000000,\), required is"):
        PairFile(path)


def test_archive_beyond_the_free_disk_is_refused(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in PAIR_FILES:
            archive.writestr(name, bytes(2000))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(PairsError, match=r"a\.zip: train\.h5 needs 0\.0 GB, .* has 0\.0 GB free; free some space"):
        find_external_pairs(tmp_path / "a.zip", tmp_path / "raw")
    assert not any((tmp_path / "raw").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="opened files are watched by ways of Linux")
def test_files_to_be_damaged_are_whole(root, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(root))
    from benchmarks import fuzz

    unread = {fuzz.POINTING: "points elsewhere", "tif.gz": "packed", "Zarr survey.zarr": "a folder", "ckpt": "a net"}
    with outside(tmp_path / "outside") as there:
        for kind, paths in fuzz.whole_files(tmp_path / "whole", there).items():
            for path in paths if kind not in unread else ():
                fuzz.read(path)
