from pathlib import Path

import pytest

from demsr.errors import FetchError
from demsr.sources.remote.catalogue import PRODUCTS
from demsr.sources.remote.credentials import Credentials, check_logins, earthdata

HOST = "urs.earthdata.nasa.gov"


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("EARTHDATA_TOKEN", "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def test_a_token_comes_before_a_login(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text(f"machine {HOST} login me password secret\n")
    assert earthdata() == Credentials(None, {HOST: ("me", "secret")})
    monkeypatch.setenv("EARTHDATA_USERNAME", "other")
    monkeypatch.setenv("EARTHDATA_PASSWORD", "word")
    assert earthdata() == Credentials(None, {HOST: ("other", "word")})
    monkeypatch.setenv("EARTHDATA_TOKEN", "token\n")
    assert earthdata() == Credentials("token", {})


def test_the_default_entry_of_netrc_is_not_for_nasa(tmp_path):
    (tmp_path / "netrc").write_text("default login me password secret\n")
    assert earthdata() == Credentials(None, {})


def test_a_broken_netrc_is_named(tmp_path):
    (tmp_path / "netrc").write_text("machine\n")
    with pytest.raises(FetchError, match=r"netrc: cannot be read .*; correct it, or set EARTHDATA_TOKEN"):
        earthdata()


def test_a_missing_login_is_told_before_anything_is_fetched():
    check_logins([PRODUCTS["gmrt"]], Credentials(None, {}))
    check_logins([PRODUCTS["nasadem"]], Credentials("token", {}))
    check_logins([PRODUCTS["nasadem"]], Credentials(None, {HOST: ("me", "secret")}))
    with pytest.raises(FetchError, match="nasadem: its server wants a login and none was found; make an account"):
        check_logins([PRODUCTS["gmrt"], PRODUCTS["nasadem"]], Credentials(None, {}))


@pytest.mark.parametrize("token", ["one two", "one\ntwo", "t\u00f6ken"])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(monkeypatch, token):
    monkeypatch.setenv("EARTHDATA_TOKEN", token)
    with pytest.raises(FetchError, match="EARTHDATA_TOKEN: has spaces") as raised:
        earthdata()
    assert token not in str(raised.value)


def test_a_login_that_is_not_supported_is_told_with_the_way_around():
    with pytest.raises(FetchError, match="tandem-x-90: .* fetch the files by hand"):
        check_logins([PRODUCTS["tandem-x-90"]], Credentials("token", {}))
