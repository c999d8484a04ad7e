"""The plugin of QGIS: the program as a process, without QGIS, and its algorithms in `qgis_process`."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from demsr_qgis.process import ProgramError, find_program, run
from report_files import written_input

_QGIS_TIMEOUT_S = 120


class Feedback:
    """What the program's runner uses of QgsProcessingFeedback; cancels once a text has been shown."""

    def __init__(self, cancel_at: str | None = None) -> None:
        self.said: list[tuple[str, object]] = []
        self.cancel_at = cancel_at

    def isCanceled(self) -> bool:  # noqa: N802  as in QGIS
        return ("pushInfo", self.cancel_at) in self.said

    def __getattr__(self, name: str):
        return lambda value: self.said.append((name, value))

    def told(self, name: str) -> list[object]:
        return [value for kind, value in self.said if kind == name]


def program(folder: Path, text: str) -> str:
    """Write a program in Python."""
    path = folder / "program"
    path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_output_notes_and_progress_of_the_program_are_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/python/of/qgis")
    lines = 'json.dumps({"task": "super-resolve", "done": 30, "total": 120}), "in.tif: datum is assumed", "{}"'
    fake = program(tmp_path, f"print(*sys.argv[1:])\nfor line in ({lines}):\n    print(line, file=sys.stderr)\n")
    feedback = Feedback()
    assert run(fake, ["inspect", "a b.tif"], feedback) == "--log-format json inspect a b.tif"
    assert feedback.told("pushCommandInfo") == [f"{fake} --log-format json inspect 'a b.tif'"]
    assert feedback.told("setProgress") == [25]
    assert feedback.told("setProgressText") == ["super-resolve"]
    assert feedback.told("pushWarning") == ["in.tif: datum is assumed", "{}"]


def test_the_error_of_the_program_is_that_of_the_algorithm(tmp_path):
    fake = program(tmp_path, 'sys.exit("error: demsr: in.tif: unit is furlong; declare it with --unit")')
    with pytest.raises(ProgramError, match=r"^in\.tif: unit is furlong; declare it with --unit$"):
        run(fake, ["inspect", "in.tif"], Feedback())
    with pytest.raises(ProgramError, match=r"^demsr ended with status 3; "):
        run(program(tmp_path, "sys.exit(3)"), [], Feedback())


def test_cancelling_interrupts_the_program_and_its_children(tmp_path):
    text = f"""
import signal
parent = os.getpid()
def interrupted(*_):
    open({str(tmp_path)!r} + ("/parent" if os.getpid() == parent else "/child"), "w").close()
    os._exit(130)
signal.signal(signal.SIGINT, interrupted)
if not os.fork():
    print("started", flush=True)
time.sleep(60)
"""
    assert run(program(tmp_path, text), [], Feedback(cancel_at="started")) == "started"
    assert (tmp_path / "parent").exists()
    assert (tmp_path / "child").exists()


def test_a_missing_program_says_where_to_set_it():
    with pytest.raises(ProgramError, match=r"^/no/demsr: no such program; .*Settings > Options > Processing"):
        find_program("/no/demsr")


@pytest.fixture(scope="module")
def qgis(root, tmp_path_factory):
    """A function that runs an algorithm of the plugin in `qgis_process` and returns what that answers."""
    executor = shutil.which("qgis_process.bin") or shutil.which("qgis_process")  # Debian's script adds wrong options
    if executor is None:
        pytest.skip("needs qgis_process, such as that of Debian's package qgis")
    folder = tmp_path_factory.mktemp("qgis")
    demsr = folder / "demsr"
    demsr.write_text(
        f"#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} -c 'from demsr.cli import main; main()' \"$@\"\n"
    )
    demsr.chmod(0o755)
    settings = folder / "profiles/default/QGIS/QGIS3.ini"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[PythonPlugins]\ndemsr_qgis=true\n[Processing]\nConfiguration\\DEMSR_PROGRAM={demsr}\n")
    variables = {
        "HOME": str(folder),
        "PATH": os.defpath,  # QGIS finds its Python there, not that of the tests
        "PYTHONDONTWRITEBYTECODE": "1",
        "QGIS_CUSTOM_CONFIG_PATH": str(folder),
        "QGIS_PLUGINPATH": str(root / "integrations/qgis"),
        "QT_QPA_PLATFORM": "offscreen",
    }

    def answer(algorithm: str, **parameters: object) -> dict:
        words = [f"{name}={value}" for name, value in parameters.items()]
        done = subprocess.run(
            [executor, "--json", "run", f"demsr:{algorithm}", "--", *words],
            env=variables,
            capture_output=True,
            text=True,
            timeout=_QGIS_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    return answer


@pytest.mark.qgis
def test_a_raster_is_inspected_super_resolved_and_reported(qgis, tmp_path):
    source = written_input(tmp_path / "in.tif", rows=24, cols=30)
    inspected = qgis("inspect", INPUT=source)
    assert "24 x 30" in inspected["results"]["TEXT"]

    extent = "10.025,10.1,49.925,49.975 [EPSG:4326]"  # west, east, south, north: 12 rows of 18 cells
    made = qgis(
        "superresolve",
        INPUT=source,
        EXTENT=extent,
        OPERATOR=2,
        UNCERTAINTY=True,
        CONSISTENCY=True,
        OUTPUT=tmp_path / "out.tif",
    )
    with rasterio.open(made["results"]["OUTPUT"]) as product, rasterio.open(source) as given:
        assert (product.count, product.height, product.width) == (2, 60, 90)
        assert product.bounds == pytest.approx((10.025, 49.925, 10.1, 49.975))
        means = product.read(1).reshape(12, 5, 18, 5).mean(axis=(1, 3))
        np.testing.assert_allclose(means, given.read(1)[6:18, 6:24], atol=1e-3)
        assert product.tags()["OPERATOR"] == "mean"

    page = qgis("report", RESULT=tmp_path / "out.tif", HTML=tmp_path / "page.html")["results"]["HTML"]
    assert "<title>out.tif: super-resolved elevation</title>" in Path(page).read_text()
