"""Progress bars of long commands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


@contextmanager
def tile_progress(*, total: int, done: int) -> Iterator[Callable[[int], None]]:
    """Show a bar over LR pixels on a terminal; yield a function that advances it.

    The remaining time follows from all tiles so far, since the cost of tiles differs, above all with voids.

    Parameters
    ----------
    total : LR pixels
    done : LR pixels finished before
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
        task = progress.add_task("super-resolve", total=total, completed=done)
        yield lambda cells: progress.advance(task, cells)
