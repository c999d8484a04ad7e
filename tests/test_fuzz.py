import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="the harness limits memory by ways of Linux")
def test_broken_files_of_every_kind_end_in_errors_that_demsr_declares(root, tmp_path):
    command = [sys.executable, "benchmarks/fuzz.py", "--count", "80", "--seed", "3", "--keep", str(tmp_path / "wrong")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert "80" in done.stdout
    assert done.returncode == 0, done.stdout[-3000:]
