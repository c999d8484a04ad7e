from pathlib import Path

import pytest

from demsr.download.credentials import EARTHDATA, Credentials
from demsr.errors import FetchError

HOST = "urs.earthdata.nasa.gov"


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("EARTHDATA_TOKEN", "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def test_a_token_comes_before_a_login(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text(f"machine {HOST} login me password secret\n")
    assert EARTHDATA.credentials() == Credentials(None, {HOST: ("me", "secret")})
    monkeypatch.setenv("EARTHDATA_USERNAME", "other")
    monkeypatch.setenv("EARTHDATA_PASSWORD", "word")
    assert EARTHDATA.credentials() == Credentials(None, {HOST: ("other", "word")})
    monkeypatch.setenv("EARTHDATA_TOKEN", "token\n")
    assert EARTHDATA.credentials() == Credentials("token", {})


def test_the_default_entry_of_netrc_is_ignored(tmp_path):
    (tmp_path / "netrc").write_text("default login me password secret\n")
    assert EARTHDATA.credentials() == Credentials(None, {})
    assert not EARTHDATA.credentials()


def test_a_broken_netrc_is_named(tmp_path):
    (tmp_path / "netrc").write_text("machine\n")
    with pytest.raises(FetchError, match=r"netrc: cannot be read .*; correct it, or set EARTHDATA_TOKEN"):
        EARTHDATA.credentials()


@pytest.mark.parametrize("token", ["one two", "one\ntwo", "t\u00f6ken"])
def test_an_impossible_token_is_refused_and_not_shown(monkeypatch, token):
    monkeypatch.setenv("EARTHDATA_TOKEN", token)
    with pytest.raises(FetchError, match="EARTHDATA_TOKEN: contains spaces") as raised:
        EARTHDATA.credentials()
    assert token not in str(raised.value)
