"""One page in one file: markup, style, script and data, which load nothing from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import demsr
from demsr.errors import RasterError
from demsr.pages.markup import escaped
from demsr.runtime.files import local_path, write_text

LARGEST_BYTES = 5_000_000
"""No page is larger, so that it can be sent by mail."""


@dataclass(frozen=True)
class Written:
    """A written page.

    Attributes
    ----------
    path : of the page
    size_bytes : of the page
    summary : what it says, in one sentence
    """

    path: Path
    size_bytes: int
    summary: str


def check_page(path: Path, *, overwrite: bool) -> Path:
    """Return the path to write a page to, before any work.

    Parameters
    ----------
    path : page to write
    overwrite : replace an existing file

    Raises
    ------
    RasterError : no .html, a folder, or a file that may not be replaced
    """
    path = local_path(path)
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        message = f"{path}: a report is written as a page; name a file that ends in .html"
        raise RasterError(message)
    if path.exists() and not overwrite:
        message = f"{path}: exists already; choose another name with --html or add --overwrite"
        raise RasterError(message)
    return path


def page(title: str, body: str, data: Mapping[str, Any] | None = None) -> str:
    """Return the text of a page.

    The page allows its own script alone, and no connection: a text that escaped from its place could do nothing.

    Parameters
    ----------
    title : shown as heading
    body : HTML
    data : for the viewer; None for a page without one
    """
    style = _own("page.css")
    script = "" if data is None else _own("viewer.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'; " if script else ""
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; {allowed}base-uri 'none'; form-action 'none'"
    )
    texts = "" if data is None else _data(data)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta name="generator" content="demsr {escaped(demsr.__version__)}">\n'
        f"<title>{escaped(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escaped(title)}</h1>\n{body}</main>\n{texts}"
        + (f"<script>{script}</script>\n" if script else "")
        + "</body>\n</html>\n"
    )


def write_page(path: Path, text: str) -> int:
    """Write a page and return its size in bytes.

    Parameters
    ----------
    path : from `check_page`
    text : from `page`

    Raises
    ------
    RasterError : the page is larger than `LARGEST_BYTES`
    """
    if (size := len(text.encode())) > LARGEST_BYTES:
        message = f"{path}: the page has {size:,} bytes, at most {LARGEST_BYTES:,} are written; name fewer pictures"
        raise RasterError(message)
    write_text(path, text)
    return size


def _data(data: Mapping[str, Any]) -> str:
    """Return data for the script; no text in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" id="data">{text}</script>\n'


def _own(name: str) -> str:
    return files("demsr.pages").joinpath(name).read_text(encoding="utf-8")
