import pytest

from demsr.reporting.progress import look_progress, tile_progress


@pytest.mark.parametrize("terminal", ["", "1"])
def test_bar_counts_finished_pixels_on_a_terminal_only(capsys, monkeypatch, terminal):
    monkeypatch.setenv("FORCE_COLOR", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with tile_progress(total=400, done=100) as advance:
        advance(300)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("super-resolve" in captured.err) == bool(terminal)
    assert ("400/400" in captured.err) == bool(terminal)


def test_first_reading_of_a_raster_has_a_bar_as_well(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with look_progress(400) as advance:
        advance(400)
    shown = capsys.readouterr().err
    assert "read " in shown
    assert "400/400" in shown
