import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demsr.errors import RasterError, WorkerError
from demsr.runtime.processes import parallel_map


def run(work: Callable[[Any], Any], items: Sequence[Any], processes: Any) -> list[Any]:
    return list(parallel_map(work, items, processes=processes, description="count"))


@pytest.fixture(autouse=True)
def _no_process_stays() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def slow_square(number: int) -> int:
    time.sleep(0.3 if number == 0 else 0)
    return number**2


@pytest.mark.parametrize("processes", [1, 2, "auto"])
def test_results_come_in_the_order_of_the_items_though_the_first_takes_longest(processes):
    assert run(slow_square, range(6), processes) == [0, 1, 4, 9, 16, 25]


def where(_: int) -> int:
    return os.getpid()


def test_one_process_is_this_one():
    assert set(run(where, range(3), 1)) == {os.getpid()}


def test_several_processes_are_others():
    found = set(run(where, range(8), 2))
    assert os.getpid() not in found
    assert len(found) <= 2


def test_one_item_needs_no_other_process():
    assert run(where, [0], 8) == [os.getpid()]


def test_auto_counts_the_processors_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3})
    assert set(run(where, range(3), "auto")) == {os.getpid()}


@pytest.mark.parametrize("processes", [1, 2, "auto"])
def test_no_items_give_nothing(processes):
    assert run(slow_square, [], processes) == []


def fail_at_three(number: int) -> int:
    if number == 3:
        message = "tile 3: is no raster; give another one"
        raise RasterError(message)
    return number


@pytest.mark.parametrize("processes", [1, 2])
def test_error_of_the_work_arrives_as_it_is_after_what_came_before(processes):
    found = []
    with pytest.raises(RasterError) as error:
        for number in parallel_map(fail_at_three, range(9), processes=processes, description="count"):
            found.append(number)
    assert type(error.value) is RasterError
    assert str(error.value) == "tile 3: is no raster; give another one"
    assert found == [0, 1, 2]


def touch_or_fail(folder: Path, number: int) -> None:
    if number == 0:
        message = "stop"
        raise KeyError(message)
    time.sleep(0.02)
    (folder / str(number)).touch()


def test_what_had_not_begun_at_an_error_is_not_done(tmp_path):
    with pytest.raises(KeyError, match="stop"):
        run(partial(touch_or_fail, tmp_path), range(200), 2)
    assert len(list(tmp_path.iterdir())) < 100


def test_who_stops_taking_results_stops_the_work(tmp_path):
    results = parallel_map(partial(touch_or_fail, tmp_path), range(1, 200), processes=2, description="count")
    next(results)
    results.close()
    assert len(list(tmp_path.iterdir())) < 100


def die(signal_number: int, item: int) -> int:
    if item == 1:
        if signal_number:
            signal.raise_signal(signal_number)
        os._exit(0)
    return item


@pytest.mark.parametrize("signal_number", [0, signal.SIGKILL], ids=["exit", "SIGKILL"])
def test_process_that_ends_without_an_answer_is_told(signal_number):
    with pytest.raises(
        WorkerError, match="^count: one of 2 processes was killed; give it more memory or lower base.processes$"
    ):
        run(partial(die, signal_number), range(6), 2)
