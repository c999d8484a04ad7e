import runpy
import socket

import pytest


@pytest.mark.parametrize("stage", ["fetch", "harmonise"])
def test_a_stage_without_a_run_asks_for_the_server_before_its_work(stage, root, tmp_path, monkeypatch, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "params.yaml").write_bytes((root / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(root / "pipelines" / f"{stage}.py"), run_name="__main__")
    assert stop.value.code == 1
    assert f"error: {stage}: MLFLOW_TRACKING_URI=http://127.0.0.1:{port}: no MLflow server" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
