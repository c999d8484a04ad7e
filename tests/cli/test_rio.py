import importlib
import tomllib

import numpy as np
from click.testing import CliRunner
from rasterio.rio.main import main_group
from synthetic import plane, write_raw

from demsr.cli.rio import super_resolve
from demsr.dem.read.raster import read_dem


def test_the_plugin_is_declared_as_rasterio_looks_for_it(root):
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]["rasterio.rio_plugins"]
    module, _, name = declared["super-resolve"].partition(":")
    assert getattr(importlib.import_module(module), name) is super_resolve


def test_rio_super_resolve_writes_what_the_command_writes(demsr, tmp_path, model, monkeypatch):
    source = write_raw(tmp_path / "in.tif", plane(12, 14))
    monkeypatch.setitem(main_group.commands, "super-resolve", super_resolve)
    options = ["--model", str(model)]
    done = CliRunner().invoke(main_group, ["super-resolve", str(source), str(tmp_path / "a.tif"), *options])
    assert done.exit_code == 0, done.output
    assert demsr("super-resolve", source, tmp_path / "b.tif", *options).status == 0
    np.testing.assert_array_equal(read_dem(tmp_path / "a.tif").elevation_m, read_dem(tmp_path / "b.tif").elevation_m)


def test_an_error_is_one_line_of_the_plugin(tmp_path):
    done = CliRunner().invoke(super_resolve, [str(tmp_path / "none.tif"), str(tmp_path / "a.tif")])
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: rio: {tmp_path / 'none.tif'}: ")
