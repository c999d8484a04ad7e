"""Credentials from environment variables or ~/.netrc, where other download tools look for them as well."""

import netrc
import os
from dataclasses import dataclass, field
from pathlib import Path

from demsr.errors import FetchError


@dataclass(frozen=True)
class Credentials:
    """Token for data servers, or a login for the host that these redirect to.

    Attributes
    ----------
    token : bearer token; None if there is none
    logins : host -> (user, password)
    """

    token: str | None = None
    logins: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is a token or a login."""
        return bool(self.token or self.logins)


@dataclass(frozen=True)
class LoginService:
    """Service that several data servers share for their logins.

    Attributes
    ----------
    host : host of the login page
    prefix : beginning of its environment variables: PREFIX_TOKEN, PREFIX_USERNAME and PREFIX_PASSWORD
    instructions : how a user gets and stores credentials
    """

    host: str
    prefix: str
    instructions: str

    def credentials(self) -> Credentials:
        """Return the token of the environment, else its user and password, else the host's entry in ~/.netrc.

        Raises
        ------
        FetchError : the token has characters that no token has, or ~/.netrc cannot be read
        """
        if token := os.environ.get(f"{self.prefix}_TOKEN", "").strip():
            if not (token.isascii() and token.isprintable() and " " not in token):
                message = f"{self.prefix}_TOKEN: contains spaces, line breaks or non-ASCII characters; set it again"
                raise FetchError(message)
            return Credentials(token)
        user, password = (os.environ.get(f"{self.prefix}_{key}") for key in ("USERNAME", "PASSWORD"))
        if not (user and password):
            user, password = self._netrc_entry()
        return Credentials(None, {self.host: (user, password)} if user and password else {})

    def _netrc_entry(self) -> tuple[str | None, str | None]:
        """Return user and password of the host's own entry; the entry `default` is ignored."""
        path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
        if not path.is_file():
            return None, None
        try:
            entry = netrc.netrc(path).hosts.get(self.host)
        except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
            message = f"{path}: cannot be read ({error}); correct it, or set {self.prefix}_TOKEN"
            raise FetchError(message) from error
        return (entry[0], entry[2]) if entry else (None, None)


EARTHDATA = LoginService(
    host="urs.earthdata.nasa.gov",
    prefix="EARTHDATA",
    instructions="create an account at urs.earthdata.nasa.gov and set EARTHDATA_TOKEN to its token (valid for 60 "
    "days), or put login and password for that host into ~/.netrc",
)
