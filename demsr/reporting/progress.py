"""Progress bars of long commands."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


def look_progress(total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Show a bar over the pixels of a raster that is read for the first time, see `tile_progress`.

    Parameters
    ----------
    total : pixels to read
    """
    return tile_progress(total=total, done=0, title="read")


@contextmanager
def tile_progress(*, total: int, done: int, title: str = "super-resolve") -> Iterator[Callable[[int], None]]:
    """Show a bar over LR pixels on a terminal; yield a function that advances it.

    The remaining time follows from all tiles so far, since the cost of tiles differs, above all with voids.

    Parameters
    ----------
    total : LR pixels
    done : LR pixels finished before
    title : label of the bar
    """
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("LR px"),
        TimeRemainingColumn(elapsed_when_finished=True),
        speed_estimate_period=3600.0,
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(title, total=total, completed=done)
        yield lambda cells: progress.advance(task, cells)
