"""Progress over the pixels of a raster."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from demsr.runtime.progress import Progress


def look_progress(total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Show the progress over the pixels of a raster that is read for the first time, see `tile_progress`.

    Parameters
    ----------
    total : pixels to read
    """
    return tile_progress(total=total, done=0, title="read")


@contextmanager
def tile_progress(*, total: int, done: int, title: str = "super-resolve") -> Iterator[Callable[[int], None]]:
    """Show the progress over LR pixels; yield a function that advances it.

    Parameters
    ----------
    total : LR pixels
    done : LR pixels finished before
    title : label
    """
    with Progress(title, total=total, done=done, unit="LR px") as progress:
        yield progress.advance
