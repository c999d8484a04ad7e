"""Hear the errors that GDAL and libtiff report while they write, but do not return."""

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rasterio.errors import RasterioIOError

_LOGGER = logging.getLogger("rasterio")  # rasterio's error handler passes all messages of GDAL to it
_OF_LIBTIFF = re.compile(rb"_?tiff\w*: (?!Warning)", re.IGNORECASE)
_STDERR = 2
_END = b"end of the block that is heard\n"


@contextmanager
def heard_write_errors() -> Iterator[None]:
    """Raise what GDAL and libtiff reported in the block as an error, also where the call itself succeeded.

    A failed write of a last block, an overview or a directory is only reported; the file then misses it.

    Raises
    ------
    RasterioIOError : an error was reported, and the block raised none
    """
    heard = _Errors()
    _LOGGER.addHandler(heard)
    try:
        with _libtiff_heard(heard.messages):
            yield
    finally:
        _LOGGER.removeHandler(heard)
    if heard.messages:
        raise RasterioIOError("; ".join(dict.fromkeys(heard.messages)))


class _Errors(logging.Handler):
    """Keeps the messages of errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _libtiff_heard(messages: list[str]) -> Iterator[None]:
    """Append the errors that libtiff prints on stderr; GDAL sets no handler for those of its write function.

    Other lines go on to stderr at once.
    """
    stderr = os.dup(_STDERR)
    source, target = os.pipe()
    os.dup2(target, _STDERR)

    def listen() -> None:
        with open(source, "rb") as lines:  # noqa: PTH123  # a descriptor, not a path
            for line in iter(lines.readline, _END):  # not to the end of the pipe: child processes may keep it open
                if _OF_LIBTIFF.match(line):
                    messages.append(line.decode(errors="replace").strip())
                else:
                    os.write(stderr, line)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        os.dup2(stderr, _STDERR)
        os.write(target, _END)
        listener.join()
        os.close(target)
        os.close(stderr)
