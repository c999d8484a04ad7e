"""Installation into an empty environment: the wheel alone, and the lines of the image."""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate
from startup import write_gebco_geotiff, write_gebco_netcdf

OF_EXTRAS = {
    "dvc",
    "lightning",
    "matplotlib",
    "mlflow",
    "optuna",
    "pandas",
    "ray",
    "requests",
    "ruamel-yaml",
    "xarray",
}


class Environment:
    """A virtual environment beside a copy of the files that the image gets."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.project, self.bin = folder / "project", folder / "environment" / "bin"
        self.packages = folder / "environment/lib" / f"python3.{sys.version_info.minor}" / "site-packages"
        lines = re.findall(r"^RUN (.*(?:pip|git init) .+)$", (root / "Dockerfile").read_text(), re.MULTILINE)
        self.install_torch, self.build_wheel, self.install_wheel, self.start_project = lines
        names = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True
        )
        for name in names.stdout.splitlines():
            if (root / name).is_file() and not name.startswith(("tests/", "docs/", "results/")):
                (self.project / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / name, self.project / name)
        subprocess.run([sys.executable, "-m", "venv", self.bin.parent], check=True)
        self.env = os.environ | {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "TORCH_INDEX_URL": "",
            "VERSION": "",
            "COMMIT": "0123abc",
            "PIP_NO_COMPILE": "1",  # most modules are never imported here
        }
        self.env.pop("PYTHONPATH", None)

    def run(self, line: str, *, cwd: Path | None = None) -> str:
        """Run a line of the shell, in the project's folder unless another is given, and return what it prints."""
        done = subprocess.run(["sh", "-c", line], cwd=cwd or self.project, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def megabytes(self) -> float:
        return sum(path.stat().st_size for path in self.packages.rglob("*") if path.is_file()) / 1e6


@pytest.fixture(scope="module")
def environment(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with torch alone, by the first line of the image; the tests install the rest in their order."""
    environment = Environment(root, tmp_path_factory.mktemp("install"))
    environment.run(environment.install_torch)
    return environment


@pytest.mark.slow
def test_the_wheel_alone_super_resolves_gebco_outside_any_repository(environment, tmp_path, record_property):
    torch_mb, started = environment.megabytes(), time.perf_counter()
    environment.run(environment.build_wheel)
    environment.run("pip install -c constraints.txt wheels/demsr-*.whl")
    record_property("wheel alone, installation after torch (s)", f"{time.perf_counter() - started:.0f}")
    record_property("wheel alone, site-packages without torch (MB)", f"{environment.megabytes() - torch_mb:.0f}")
    record_property("torch and what it needs (MB)", f"{torch_mb:.0f}")
    listed = environment.run("pip list --format=freeze").splitlines()
    installed = {line.partition("==")[0].lower().replace("_", "-").replace(".", "-") for line in listed}
    assert "demsr" in installed
    assert not installed & OF_EXTRAS
    write_gebco_geotiff(tmp_path / "gebco_crop.tif", 40)
    write_gebco_netcdf(tmp_path / "gebco_crop.nc", 40)
    for suffix in ("tif", "nc"):
        name, out = f"gebco_crop.{suffix}", tmp_path / f"from_{suffix}.tif"
        assert "40 x 40 at 15 x 15 arcsec" in environment.run(f"demsr inspect {name}", cwd=tmp_path)
        assert "40 x 40 pixels" in environment.run(f"demsr plan {name}", cwd=tmp_path)
        environment.run(f"demsr super-resolve {name} {out}", cwd=tmp_path)
        read = f"import demsr; dem = demsr.read_dem({name!r}); print(demsr.__file__, dem.elevation_m.shape)"
        where, _, shape = environment.run(f'python -c "{read}"', cwd=tmp_path).strip().partition(" ")
        assert Path(where).is_relative_to(environment.packages)
        assert shape == "(40, 40)"
        valid, errors, _ = cog_validate(out)
        assert valid, errors
    with rasterio.open(tmp_path / "from_tif.tif") as one, rasterio.open(tmp_path / "from_nc.tif") as other:
        assert one.shape == (200, 200)
        assert one.bounds == pytest.approx((10, 50 - 40 / 240, 10 + 40 / 240, 50))
        np.testing.assert_array_equal(one.read(), other.read())
        means = one.read(1).reshape(40, 5, 40, 5).mean(axis=(1, 3))
    with rasterio.open(tmp_path / "gebco_crop.tif") as lr:
        assert np.abs(means - lr.read(1)).mean() < 2


@pytest.mark.slow
def test_the_project_of_the_image_is_written_by_the_wheel_and_committed(environment, root, tmp_path):
    declared = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools_scm"]["fallback_version"]
    assert environment.run("demsr --version") == f"demsr {declared}\n"  # the copy has neither .git nor a version
    environment.run(environment.start_project, cwd=tmp_path)
    assert environment.run("git log --format=%s", cwd=tmp_path) == "Project of demsr, commit 0123abc\n"
    assert environment.run("git status --short", cwd=tmp_path) == ""
    files = environment.run("git ls-files", cwd=tmp_path).split()
    assert {"dvc.yaml", "params.yaml", "pipelines/register.py", "sweeps/run.py", ".gitignore"} < set(files)
    assert not any(name.startswith("demsr/") for name in files)


def test_the_packages_of_the_image_are_among_those_that_run_these_tests(root):
    """`make install` puts them, with the same pins, into an empty environment."""
    dockerfile, makefile = ((root / name).read_text() for name in ("Dockerfile", "Makefile"))
    (extras,) = re.findall(
        r'^RUN pip install -c constraints.txt "\$\(echo wheels/demsr-\*.whl\)\[(.+)\]"$', dockerfile, re.M
    )
    assert "install --disable-pip-version-check -c constraints.txt -e '.[all,dev,docs]'" in makefile
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (of_all,) = re.fullmatch(r"demsr\[(.+)\]", *declared["all"]).groups()
    assert set(extras.split(",")) <= set(of_all.split(","))
