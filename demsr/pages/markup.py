"""Pieces of HTML; every text is escaped, whatever file it comes from."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence

from demsr.errors import printable


def escaped(text: object) -> str:
    """Return a text in one line that HTML shows as it is, also between quotation marks.

    Parameters
    ----------
    text : shown by its `str`
    """
    return html.escape(printable(str(text)), quote=True)


def section(title: str, *parts: str) -> str:
    """Return a section of the page.

    Parameters
    ----------
    title : its heading
    parts : HTML
    """
    return f"<section>\n<h2>{escaped(title)}</h2>\n{''.join(parts)}</section>\n"


def paragraph(text: str, *, style: str = "") -> str:
    """Return a paragraph.

    Parameters
    ----------
    text : plain text
    style : class of the style sheet
    """
    return f'<p class="{escaped(style)}">{escaped(text)}</p>\n' if style else f"<p>{escaped(text)}</p>\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str) -> str:
    """Return a table whose first column names its rows; it scrolls sideways on a small screen.

    Parameters
    ----------
    head : names of the columns
    rows : cells of each row
    caption : what the table shows
    """
    titles = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    lines = "".join(
        f'<tr><th scope="row">{escaped(name)}</th>{"".join(f"<td>{escaped(cell)}</td>" for cell in cells)}</tr>\n'
        for name, *cells in rows
    )
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escaped(caption)}"><table>\n'
        f"<caption>{escaped(caption)}</caption>\n<thead><tr>{titles}</tr></thead>\n<tbody>{lines}</tbody>\n"
        "</table></div>\n"
    )


def properties(values: Mapping[str, object]) -> str:
    """Return a list of names and values.

    Parameters
    ----------
    values : value by name
    """
    rows = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(text)}</dd>\n" for name, text in values.items())
    return f"<dl>\n{rows}</dl>\n"


def picture(png: bytes, text: str) -> str:
    """Return a picture with its caption.

    Parameters
    ----------
    png : content of a PNG file
    text : what it shows
    """
    data = base64.b64encode(png).decode()
    return (
        f'<figure class="picture"><img src="data:image/png;base64,{data}" alt="{escaped(text)}">'
        f"<figcaption>{escaped(text)}</figcaption></figure>\n"
    )


def notes(texts: Iterable[str]) -> str:
    """Return a list of sentences; empty where there are none.

    Parameters
    ----------
    texts : sentences
    """
    items = "".join(f"<li>{escaped(text)}</li>\n" for text in texts)
    return f"<ul>\n{items}</ul>\n" if items else ""
