"""Text from files, made harmless where it is shown: tags, names of layers, attributes and file names are not ours."""

import html
import re

from demsr.errors import printable

_MARKDOWN = re.compile(r"([\\`*\[\]|~#!])")


def as_markdown(text: object) -> str:
    """Return a text in one line that Markdown and HTML show as it is, in paragraphs and cells of tables.

    Parameters
    ----------
    text : shown by its `str`
    """
    return html.escape(_MARKDOWN.sub(r"\\\1", printable(str(text))), quote=False)


def as_code(text: object) -> str:
    """Return a text in one line as inline code in Markdown; backticks become apostrophes.

    Parameters
    ----------
    text : shown by its `str`
    """
    return f"`{printable(str(text)).replace('`', chr(39))}`"
