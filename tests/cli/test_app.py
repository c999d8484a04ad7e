import subprocess
import sys

import pytest
from command_line import refused
from typer.testing import CliRunner

from demsr.cli import app
from demsr.errors import RasterError

COMMANDS = (
    "profile",
    "sources",
    "plan",
    "inspect",
    "convert",
    "super-resolve",
    "fit-degradation",
    "import-mindspore",
    "models",
    "runs",
    "sweep",
)


def test_the_command_line_imports_nothing_heavy():
    heavy = ("torch", "lightning", "mlflow", "rasterio", "matplotlib", "pydantic", "numpy", "h5py")
    code = f"import sys, demsr.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_of_the_commands_imports_none_of_the_libraries_that_they_need():
    heavy = ("torch", "lightning", "mlflow", "rasterio", "matplotlib", "numpy", "h5py")  # pydantic: typer itself does
    code = f"""import sys
from demsr.cli import app
from demsr.errors import RasterError
for command in {COMMANDS}:
    app([command, "--help"], standalone_mode=False)
print([name for name in {heavy} if name in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stdout.count("Usage: ") == len(COMMANDS)


def test_help_lists_the_commands():
    said = CliRunner().invoke(app, ["--help"]).output
    assert all(command in said for command in COMMANDS)


def test_one_line_without_debug_and_a_traceback_with_it(demsr, model, tmp_path):
    (tmp_path / "text.tif").write_text("no raster")
    arguments = ("super-resolve", tmp_path / "text.tif", tmp_path / "sr.tif", "--model", model)
    assert refused(demsr(*arguments), start=f"{tmp_path / 'text.tif'}: cannot be read as a raster", way_out="")
    with pytest.raises(RasterError, match="cannot be read as a raster"):
        demsr("--debug", *arguments)
    assert not (tmp_path / "sr.tif").exists()
