"""The same work on many items in several processes, results in the order of the items."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Literal, TypeVar

from rich.progress import track

from demsr.errors import WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(
    work: Callable[[Item], Result], items: Sequence[Item], *, processes: int | Literal["auto"], description: str
) -> Iterator[Result]:
    """Yield work(item) for every item, in order, with a progress bar.

    Parameters
    ----------
    work : a function of a module, or a `partial` of one, so that other processes find it
    processes : 1 works in this process; "auto" uses every CPU that this process may use

    Raises
    ------
    WorkerError : a process ended without an answer, as when memory ran out
    """
    count = min(len(os.sched_getaffinity(0)) if processes == "auto" else processes, len(items))
    if count <= 1:
        yield from track(map(work, items), description=description, total=len(items))
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy open files and locks of GDAL and HDF5
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        try:
            yield from track(pool.map(work, items), description=description, total=len(items))
        except BrokenProcessPool as error:
            message = f"{description}: one of {count} processes was killed; give it more memory or lower base.processes"
            raise WorkerError(message) from error
        finally:
            pool.shutdown(cancel_futures=True)
