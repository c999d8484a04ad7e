"""The image's install lines, run verbatim where nothing is installed yet."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_install_lines_of_the_image_run_in_an_empty_environment(root: Path, tmp_path: Path):
    dockerfile = (root / "Dockerfile").read_text()
    copied = re.findall(r"^COPY --chown=\S+ (.+) \S+$", dockerfile.split("RUN pip", maxsplit=1)[0], re.MULTILINE)
    for name in " ".join(copied).split():
        if (root / name).is_dir():
            shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / name, tmp_path / name)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "empty"], check=True)
    env = os.environ | {"PATH": f"{tmp_path / 'empty' / 'bin'}:{os.environ['PATH']}", "TORCH_INDEX_URL": ""}
    env.pop("PYTHONPATH", None)
    lines = re.findall(r"^RUN (pip install .+)$", dockerfile, re.MULTILINE)
    assert len(lines) == 2
    for line in [*lines, "demsr --version", "dvc --version", "pip check"]:
        done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    where = subprocess.run(
        ["python", "-c", "import demsr, torch; print(demsr.__file__)"],
        cwd=tmp_path.parent,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(tmp_path))
