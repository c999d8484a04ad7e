from pathlib import Path

from fault_server import FaultServer, Served

from demsr.download.remote_file import RemoteFile, RetryPolicy
from demsr.download.session import Session
from demsr.download.transfer import transfer

PATH = "/tiles/n43w121.zip"
CONTENT = bytes(range(256)) * 40


def fetched(server: FaultServer, folder: Path, *, session: Session | None = None, token: str | None = None) -> Path:
    path = folder / "n43w121.zip"
    remote = RemoteFile(server.url + PATH, path.name, token=token)
    with session or Session() as session:
        transfer(remote, path, session=session, retry=RetryPolicy(attempts=2, connect_s=2, stall_s=1))
    return path


def test_a_token_is_not_sent_to_the_host_of_a_redirect(server, tmp_path):
    with FaultServer().running() as storage:
        storage.files["/signed"] = Served(CONTENT)
        server.files[PATH] = Served(CONTENT, faults=[f"redirect {storage.url}/signed"], token="secret")
        assert fetched(server, tmp_path, token="secret").read_bytes() == CONTENT
        assert server.headers_of(PATH)[0]["Authorization"] == "Bearer secret"
        assert "Authorization" not in storage.headers_of("/signed")[0]
        assert len(storage.seen) == 1


def test_entries_of_netrc_are_not_sent(server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with FaultServer().running() as storage:
        storage.files["/signed"] = Served(CONTENT)
        server.files[PATH] = Served(CONTENT, faults=[f"redirect {storage.url}/signed"])
        fetched(server, tmp_path)
        assert "Authorization" not in server.headers_of(PATH)[0]
        assert "Authorization" not in storage.headers_of("/signed")[0]


def test_a_login_is_sent_to_its_own_host_only(server, tmp_path):
    with FaultServer().running() as login:
        login.files["/authorize"] = Served(b"", faults=[f"redirect {server.url}{PATH}"])
        server.files[PATH] = Served(CONTENT, faults=[f"redirect {login.url}/authorize"])
        session = Session({login.url.removeprefix("http://"): ("me", "secret")})
        assert fetched(server, tmp_path, session=session).read_bytes() == CONTENT
        assert login.headers_of("/authorize")[0]["Authorization"].startswith("Basic ")
        assert all("Authorization" not in headers for headers in server.headers_of(PATH))
