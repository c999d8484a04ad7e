from pathlib import Path

import pytest

from demsr.cli.choices import print_choices
from demsr.params import Params
from demsr.profiles import profile_params


@pytest.fixture
def printed(capsys, monkeypatch):
    """What is printed of a profile, line by line."""
    monkeypatch.setenv("COLUMNS", "200")

    def of(params: Params) -> list[str]:
        print_choices(params, Path("params.yaml"))
        return capsys.readouterr().out.splitlines()

    return of


def test_regions_to_fetch_are_counted_with_their_products(printed, root):
    lines = printed(profile_params("paper", root / "params.yaml"))
    assert lines[0].endswith(": 42 blocks of 256 features")
    assert any(line.startswith("land: ") and "regions of nasadem" in line and "validates: " in line for line in lines)
    assert lines[-2].startswith("What it takes: demsr plan --profile ")
    assert lines[-1] == "Next: dvc repro"


def test_profile_without_downloads_goes_on_with_the_pipeline(printed, root):
    lines = printed(Params.read(root / "params.yaml"))
    assert lines[0].startswith("params.yaml now holds the profile sample: ")
    assert lines[-1] == "Next: dvc repro"
    assert not any("demsr plan" in line for line in lines)
