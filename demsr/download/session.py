"""HTTP session that sends credentials only to the host that they belong to."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase


class BearerAuth(AuthBase):
    """Authentication by token, or none.

    It is set on every request, because requests otherwise reads ~/.netrc, whose default entry matches any host.

    Parameters
    ----------
    token : bearer token; None or empty for no authentication
    """

    def __init__(self, token: str | None) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token to the headers of a request."""
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class Session(requests.Session):
    """Pooled HTTP session whose redirects never carry credentials to another host.

    Parameters
    ----------
    logins : host -> (user, password), used when a server redirects to that host
    connections : size of the connection pool
    """

    def __init__(self, logins: Mapping[str, tuple[str, str]] | None = None, *, connections: int = 16) -> None:
        super().__init__()
        self.logins = dict(logins or {})
        for scheme in ("http://", "https://"):
            self.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=connections, pool_block=True))

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Remove the token on a redirect to another host; add that host's login, over TLS only."""
        target, origin = urlsplit(str(prepared_request.url)), urlsplit(str(response.request.url))
        if target.netloc != origin.netloc or (target.scheme, origin.scheme) == ("http", "https"):
            prepared_request.headers.pop("Authorization", None)
        login = self.logins.get(target.netloc)
        if login is not None and (target.scheme == "https" or target.hostname == "127.0.0.1"):
            prepared_request.prepare_auth(login)
