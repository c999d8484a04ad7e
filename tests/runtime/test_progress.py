import json
import time

import pytest

from demsr.errors import ParamsError
from demsr.runtime import progress
from demsr.runtime.progress import Progress, tracked


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.setattr(progress, "_INTERVAL_S", 0.05)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("DEMSR_LOG_FORMAT", raising=False)
    monkeypatch.delenv("DEMSR_LOG_INTERVAL_S", raising=False)


def lines_of(capsys, count: int) -> list[str]:
    """Wait for a number of lines on stderr and return them."""
    text, end = "", time.monotonic() + 30
    while text.count("\n") < count and time.monotonic() < end:
        time.sleep(0.01)
        text += capsys.readouterr().err
    return text.splitlines()


def test_lines_come_at_intervals_while_nothing_advances(capsys, monkeypatch):
    clock = [100.0]
    with Progress("train", total=60, done=10, unit="epochs") as shown:
        assert lines_of(capsys, 2)[0].startswith("train: 10 of 60 epochs, 0:00:0")
        monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
        shown._started = 0.0
        shown.update(12.5, pairs_per_second=351, valid_rmse_m=2.34567)
        line = shown._text()
    assert line == (  # 2.5 epochs in 100 s, so 47.5 more in 1900 s
        "train: 12.5 of 60 epochs, pairs per second 351, valid rmse m 2.346, 0:01:40 so far, about 0:31:40 left"
    )


def test_lines_are_json_when_asked_for(capsys, monkeypatch):
    monkeypatch.setenv("DEMSR_LOG_FORMAT", "json")
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal
    with Progress("read", total=400, unit="LR px") as shown:
        shown.update(100, best=float("inf"), running=2)
        line = json.loads(lines_of(capsys, 1)[0])
    assert [line[key] for key in ("task", "done", "total", "unit", "best", "running")] == [
        "read",
        100,
        400,
        "LR px",
        None,
        2,
    ]
    assert line["left_s"] == pytest.approx(3 * line["elapsed_s"], abs=0.2)
    assert line["time"].endswith("+00:00")


def test_a_program_that_reads_the_lines_sets_their_interval(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_INTERVAL_S", 3600.0)
    monkeypatch.setenv("DEMSR_LOG_INTERVAL_S", "0.05")
    with Progress("letters", total=3):
        assert lines_of(capsys, 2)
    monkeypatch.setenv("DEMSR_LOG_INTERVAL_S", "often")
    with pytest.raises(ParamsError, match="DEMSR_LOG_INTERVAL_S is 'often'; set it to a number of seconds"):
        Progress("letters", total=3)


def test_bytes_are_shown_as_megabytes_and_unknown_totals_are_left_out(capsys):
    with Progress("fetch", total=None, unit="bytes") as shown:
        shown.advance(2_500_000)
        assert lines_of(capsys, 1)[0].startswith("fetch: 2.5 MB, 0:00:0")


def test_short_work_prints_nothing_and_longer_work_ends_with_its_last_state(capsys, monkeypatch):
    with monkeypatch.context() as slower:
        slower.setattr(progress, "_INTERVAL_S", 20.0)
        assert list(tracked("abc", "letters", total=3)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")
    with Progress("letters", total=3) as shown:
        lines_of(capsys, 1)
        shown.update(3)
    assert capsys.readouterr().err.splitlines()[-1].startswith("letters: 3 of 3, ")
