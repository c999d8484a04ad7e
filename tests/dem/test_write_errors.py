import logging
import os

import pytest
from rasterio.errors import RasterioIOError

from demsr.dem.write_errors import heard_write_errors


def test_error_that_libtiff_prints_is_raised_when_the_block_has_ended(capfd):
    reached = []
    with pytest.raises(RasterioIOError, match="^_tiffWriteProc: Input/output error.$"), heard_write_errors():
        os.write(2, b"_tiffWriteProc: Input/output error.\nof somebody else\n")
        os.write(2, b"TIFFReadDirectory: Warning, unknown field.\n")
        reached.append("end of the block")
    assert reached
    assert capfd.readouterr().err == "of somebody else\nTIFFReadDirectory: Warning, unknown field.\n"


def test_error_that_gdal_reports_is_raised_once():
    log = logging.getLogger("rasterio._err")
    with pytest.raises(RasterioIOError, match="^No space left$"), heard_write_errors():
        log.error("No space left")
        log.error("No space left")


def test_warnings_and_other_errors_pass():
    before = list(logging.getLogger("rasterio").handlers)
    with heard_write_errors():
        logging.getLogger("rasterio._env").warning("only a warning")
    with pytest.raises(KeyError), heard_write_errors():
        logging.getLogger("rasterio._env").error("reported as well")
        raise KeyError
    assert logging.getLogger("rasterio").handlers == before


def test_stderr_is_the_same_afterwards(capfd):
    open_files = len(os.listdir("/dev/fd"))  # noqa: PTH208
    for _ in range(3):
        with heard_write_errors():
            pass
    os.write(2, b"_tiffWriteProc: afterwards\n")
    assert capfd.readouterr().err == "_tiffWriteProc: afterwards\n"
    assert len(os.listdir("/dev/fd")) == open_files  # noqa: PTH208
