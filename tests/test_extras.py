"""The base needs no package of an extra; where one is missing, a line names the command that installs it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from startup import write_gebco_geotiff, write_gebco_netcdf

from demsr import errors
from demsr.dem.read.raster import read_dem

OF_EXTRAS = ["dvc", "lightning", "matplotlib", "mlflow", "optuna", "pandas", "ray", "requests", "ruamel", "xarray"]
BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""
COMMANDS = """
from demsr.cli import app
from demsr import read_dem

for words in {commands}:
    app(words, standalone_mode=False)
assert read_dem("gebco_crop.nc").elevation_m.shape == (40, 40)
print([name for name in {packages} if name in sys.modules])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder outside any repository with the same part of GEBCO in two formats."""
    write_gebco_geotiff(tmp_path / "gebco_crop.tif", 40)
    write_gebco_netcdf(tmp_path / "gebco_crop.nc", 40)
    return tmp_path


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys\n" + code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)


def test_rasters_are_super_resolved_without_the_packages_of_any_extra(folder):
    commands = [
        [*words, f"gebco_crop.{suffix}", *outputs]
        for suffix in ("tif", "nc")
        for words, outputs in ((["inspect"], []), (["plan"], []), (["super-resolve"], [f"of_{suffix}.{suffix}"]))
    ]
    done = python(COMMANDS.format(commands=commands, packages=OF_EXTRAS), folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert "40 x 40 at 15 x 15 arcsec" in done.stdout
    assert (read_dem(folder / "of_tif.tif").elevation_m == read_dem(folder / "of_nc.nc").elevation_m).all()


CLI = "from demsr.cli import main\nsys.argv = ['demsr', *{words!r}]\nmain()\n"
SUPER_RESOLVE = ["super-resolve", "gebco_crop.tif", "sr.tif"]


@pytest.mark.parametrize(
    ("package", "extra", "words"),
    [
        ("matplotlib", "plot", [*SUPER_RESOLVE, "--preview", "sr.png"]),
        ("mlflow", "track", [*SUPER_RESOLVE, "--model", "models:/dem-srnet@champion"]),
        ("mlflow", "track", ["models"]),
        ("ray", "cluster", [*SUPER_RESOLVE, "--ray", "local"]),
        ("ruamel", "pipeline", ["profile", "sample"]),
        ("requests", "fetch", ["plan", "--profile", "paper"]),
    ],
    ids=["preview", "registry", "models", "ray", "profile", "downloads"],
)
def test_a_command_without_its_extra_is_one_line_that_installs_it(folder, package, extra, words):
    done = python(BLOCK.format(package=package) + CLI.format(words=words), folder)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line == f"error: demsr: {package} is not installed; run `pip install 'demsr[{extra}]'`"
    assert "Traceback" not in done.stderr
    assert not (folder / "sr.tif").exists()


def test_a_data_array_without_xarray_names_its_extra(folder):
    code = "import demsr\ndemsr.super_resolve\n"
    done = python(BLOCK.format(package="xarray") + code, folder)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("xarray is not installed; run `pip install 'demsr[xarray]'`")


def packages_of(extra: str, extras: dict[str, list[str]]) -> set[str]:
    """Return the packages, by their names in imports, that an extra and the extras in it require."""
    found = set()
    for requirement in extras[extra]:
        name, inner = re.fullmatch(r"([\w-]+)[^\[]*(?:\[([^]]*)\])?.*", requirement).groups()
        found |= set().union(*(packages_of(part, extras) for part in inner.split(","))) if name == "demsr" else {name}
    return found


def test_the_extra_that_a_message_names_has_the_missing_package(root):
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {package: extra for package, extra in errors._EXTRAS.items() if package != "pandas"}  # xarray brings it
    assert named.keys() == packages_of("all", extras)
    for package, extra in named.items():
        assert package in packages_of(extra, extras), package
