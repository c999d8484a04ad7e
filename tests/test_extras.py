"""The base needs no package of an extra; where one is missing, a line names the command that installs it."""

import ast
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
BLOCKED = """
class Blocked:
    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
"""
COMMANDS = """
from demsr.cli import app
from demsr import read_dem

for words in {commands}:
    app(words, standalone_mode=False)
has_compiler = "torch._dynamo" in sys.modules  # it takes half a second; `plan` counts operations with it
app(["plan", "gebco_crop.tif"], standalone_mode=False)
assert not has_compiler
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


def test_rasters_are_super_resolved_without_the_packages_of_any_extra_and_the_compiler_of_torch(folder):
    commands = [
        [*words, f"gebco_crop.{suffix}", *outputs]
        for suffix in ("tif", "nc")
        for words, outputs in ((["inspect"], []), (["super-resolve"], [f"of_{suffix}.{suffix}"]))
    ]
    commands.append(["report", "of_tif.tif"])
    done = python(COMMANDS.format(commands=commands, packages=OF_EXTRAS), folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert "40 x 40 at 15 x 15 arcsec" in done.stdout
    assert (folder / "of_tif.html").is_file()
    assert (read_dem(folder / "of_tif.tif").elevation_m == read_dem(folder / "of_nc.nc").elevation_m).all()


SUPER_RESOLVE = ["super-resolve", "gebco_crop.tif", "sr.tif"]
CASES = {
    "preview": ("matplotlib", "plot", [*SUPER_RESOLVE, "--preview", "sr.png"]),
    "registry": ("mlflow", "track", [*SUPER_RESOLVE, "--model", "models:/dem-srnet@champion"]),
    "models": ("mlflow", "track", ["models"]),
    "ray": ("ray", "cluster", [*SUPER_RESOLVE, "--ray", "local"]),
    "profile": ("ruamel", "pipeline", ["profile", "sample"]),
    "downloads": ("requests", "fetch", ["plan", "--profile", "paper"]),
}
"""Commands without a package: the package, the extra that has it, and the words of the command."""
FORKS = """
import os
import demsr.inference.files  # once for all, for it takes seconds
from demsr.cli import main

children = {{}}
for name, (package, _, words) in {cases}.items():
    if child := os.fork():
        children[name] = child
        continue
    os.dup2(os.open(name + ".txt", os.O_CREAT | os.O_WRONLY), 2)
    assert package not in sys.modules
    sys.meta_path.insert(0, Blocked(package))
    sys.argv = ["demsr", *words]
    main()
    sys.exit()
print({{name: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for name, child in children.items()}})
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], Path]:
    """The status of each command of `CASES`, and the folder in which they ran, with what they printed."""
    folder = tmp_path_factory.mktemp("extras")
    write_gebco_geotiff(folder / "gebco_crop.tif", 40)
    done = python(BLOCKED + FORKS.format(cases=CASES), folder)
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout.splitlines()[-1]), folder


@pytest.mark.parametrize("case", CASES)
def test_a_command_without_its_extra_is_one_line_that_installs_it(failed, case):
    package, extra, _ = CASES[case]
    statuses, folder = failed
    printed = (folder / f"{case}.txt").read_text()
    assert statuses[case] == 1
    line = printed.splitlines()[-1]
    assert line == f"error: demsr: {package} is not installed; run `pip install 'demsr[{extra}]'`"
    assert "Traceback" not in printed
    assert not (folder / "sr.tif").exists()


def test_a_data_array_without_xarray_names_its_extra(folder):
    code = "sys.meta_path.insert(0, Blocked('xarray'))\nimport demsr\ndemsr.super_resolve\n"
    done = python(BLOCKED + code, folder)
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
