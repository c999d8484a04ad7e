"""Apply a function to many items in several processes."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import Literal, TypeVar

from demsr.errors import WorkerError
from demsr.runtime.progress import tracked

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(
    work: Callable[[Item], Result], items: Sequence[Item], *, processes: int | Literal["auto"], description: str
) -> Iterator[Result]:
    """Yield work(item) for every item, in order, and show the progress.

    Parameters
    ----------
    work : function of a module, or a `partial` of one, so that it can be pickled
    items : arguments of `work`, picklable
    processes : number of processes; 1 works in this process, "auto" uses every CPU available to this process
    description : label of the progress

    Raises
    ------
    WorkerError : a process was killed, for example because memory ran out
    """
    count = min(_cpus() if processes == "auto" else processes, len(items))
    if count <= 1:
        yield from tracked(map(work, items), description, total=len(items))
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy open files and locks of GDAL and HDF5
    with ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent) as pool:
        try:
            yield from tracked(pool.map(work, items), description, total=len(items))
        except BrokenProcessPool as error:
            message = f"{description}: one of {count} processes was killed; give it more memory or lower base.processes"
            raise WorkerError(message) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _cpus() -> int:
    """Return the number of CPUs available to this process, or of all CPUs where the system does not tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_with_parent() -> None:
    """End this worker process when its parent process is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
