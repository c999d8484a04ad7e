"""The examples in the docstrings of the public door run as written."""

import doctest
import importlib

import numpy as np
import pytest
from synthetic import rough, write_raw

MODULES = (
    *("demsr.dem.dem", "demsr.dem.grid", "demsr.dem.read.raster", "demsr.dem.windows"),
    *("demsr.inference.arrays", "demsr.inference.files", "demsr.inference.load"),
    *("demsr.errors", "demsr.model.srnet"),
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_as_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_raw(tmp_path / "gebco.tif", np.round(rough(32, 40, level=-3000)).astype(np.int16))
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0
