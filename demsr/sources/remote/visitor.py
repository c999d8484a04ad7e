"""Sessions whose secrets stay with the hosts that they are for."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase


class Bearer(AuthBase):
    """A token, or none: without this, requests would look into ~/.netrc, whose default entry goes to any host."""

    def __init__(self, token: str | None) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token into a request."""
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class Visitor(requests.Session):
    """A session whose secrets stay with their hosts.

    Parameters
    ----------
    logins : user and password by host, for logins that a server redirects to
    """

    def __init__(self, logins: Mapping[str, tuple[str, str]] | None = None, *, connections: int = 16) -> None:
        super().__init__()
        self.logins = dict(logins or {})
        for scheme in ("http://", "https://"):
            self.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=connections, pool_block=True))

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Leave the token behind where another host comes in; give a login to its own host only, over TLS."""
        there, here = urlsplit(str(prepared_request.url)), urlsplit(str(response.request.url))
        if there.netloc != here.netloc or (there.scheme, here.scheme) == ("http", "https"):
            prepared_request.headers.pop("Authorization", None)
        login = self.logins.get(there.netloc)
        if login is not None and (there.scheme == "https" or there.hostname == "127.0.0.1"):
            prepared_request.prepare_auth(login)
