"""Logins that a user has put where other programs look for them, too."""

import netrc
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from demsr.errors import FetchError
from demsr.sources.remote.catalogue import EARTHDATA, EARTHDATA_HOST, Product


@dataclass(frozen=True)
class Credentials:
    """A token for the servers of NASA's data, or a login for the host that they redirect to; both may be missing."""

    token: str | None
    logins: dict[str, tuple[str, str]]


def earthdata() -> Credentials:
    """Return EARTHDATA_TOKEN, else EARTHDATA_USERNAME and EARTHDATA_PASSWORD, else what ~/.netrc has for that host."""
    if token := os.environ.get("EARTHDATA_TOKEN", "").strip():
        if not (token.isascii() and token.isprintable() and " " not in token):
            message = "EARTHDATA_TOKEN: has spaces, line breaks or other signs that no token has; set it anew"
            raise FetchError(message)
        return Credentials(token, {})
    user, password = (os.environ.get(f"EARTHDATA_{word}") for word in ("USERNAME", "PASSWORD"))
    if not (user and password):
        user, password = _of_netrc(EARTHDATA_HOST)
    return Credentials(None, {EARTHDATA_HOST: (user, password)} if user and password else {})


def check_logins(products: Iterable[Product], found: Credentials) -> None:
    """Raise FetchError if a product needs a login and there is none."""
    for product in products:
        has_login = product.login == EARTHDATA and bool(found.token or found.logins)
        if product.login and not has_login:
            message = f"{product.name}: its server wants a login and none was found; {product.login}"
            raise FetchError(message)


def _of_netrc(host: str) -> tuple[str | None, str | None]:
    """Return user and password of a host's own entry; the entry `default` is for others."""
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if not path.is_file():
        return None, None
    try:
        entry = netrc.netrc(path).hosts.get(host)
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read ({error}); correct it, or set EARTHDATA_TOKEN"
        raise FetchError(message) from error
    return (entry[0], entry[2]) if entry else (None, None)
