"""Progress of long work: a bar on a terminal, otherwise a line on stderr every 20 seconds, even if nothing advances.

DEMSR_LOG_FORMAT=json makes each line a JSON object, on a terminal as well; DEMSR_LOG_INTERVAL_S sets the seconds
between them.
"""

import json
import math
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from demsr.errors import ParamsError, printable

if TYPE_CHECKING:
    import rich.progress

LOG_FORMAT = "DEMSR_LOG_FORMAT"
LOG_INTERVAL = "DEMSR_LOG_INTERVAL_S"
_INTERVAL_S = 20.0
_LONGEST_RATE_S = 3600.0  # the remaining time follows from all work so far, since the cost of its parts differs

Item = TypeVar("Item")
Fact = float | str


class Progress:
    """Progress of one piece of work, shown while the context is open.

    Parameters
    ----------
    title : label
    total : amount of work, None if it is unknown
    done : amount done before
    unit : of the amount, such as "epochs"; "bytes" are shown as megabytes
    """

    def __init__(self, title: str, *, total: float | None, done: float = 0, unit: str = "") -> None:
        self.title, self.total, self.unit = printable(title), total, unit
        self._before = self._done = done
        self._facts: dict[str, Fact] = {}
        self._interval_s = _interval_s()
        self._started = 0.0
        self._lines = 0
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._print_lines, daemon=True)
        self._bar = _bar(unit) if shows_bars() else None

    def __enter__(self) -> Self:
        """Show the bar, or start the lines."""
        self._started = time.monotonic()
        if self._bar is None:
            self._thread.start()
        else:
            self._task = self._bar.add_task(self.title, total=self.total, completed=int(self._done), facts="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the bar, or end the lines, with a last one if there were others."""
        if self._bar is not None:
            self._bar.stop()
            return
        self._ended.set()
        self._thread.join()
        if self._lines and error is None:
            self._print_line()

    def advance(self, amount: float = 1) -> None:
        """Add to the amount done; threads may do so at once."""
        with self._lock:
            self._done += amount
        self._show()

    def update(self, done: float, **facts: Fact) -> None:
        """Set the amount done and facts to show beside it.

        Parameters
        ----------
        done : amount done
        facts : numbers and words by name; earlier ones with other names stay
        """
        self._done = done
        self._facts |= facts
        self._show()

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, facts=", ".join(self._fact_texts()))

    def _print_lines(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._print_line()

    def _print_line(self) -> None:
        self._lines += 1
        line = self._json() if os.environ.get(LOG_FORMAT) == "json" else self._text()
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def _text(self) -> str:
        scale, unit = (1e-6, "MB") if self.unit == "bytes" else (1, self.unit)
        amount = f"{self._done * scale:.6g}" + ("" if self.total is None else f" of {self.total * scale:.6g}")
        left = self._left_s()
        ending = f"{_clock(time.monotonic() - self._started)} so far"
        ending += f", about {_clock(left)} left" if left else ""
        return f"{self.title}: " + ", ".join([f"{amount} {unit}".rstrip(), *self._fact_texts(), ending])

    def _json(self) -> str:
        values = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "task": self.title,
            "done": self._done,
            "total": self.total,
            "unit": self.unit,
            "elapsed_s": round(time.monotonic() - self._started, 1),
            "left_s": self._left_s(),
        }
        facts = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in self._facts.items()
        }
        return json.dumps(values | facts)

    def _fact_texts(self) -> list[str]:
        facts = [(name.replace("_", " "), value) for name, value in self._facts.items()]
        return [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in facts]

    def _left_s(self) -> float | None:
        """Return the remaining seconds at the mean rate so far, None before the first advance."""
        done = self._done - self._before
        if self.total is None or done <= 0:
            return None
        return round((time.monotonic() - self._started) * max(self.total - self._done, 0) / done, 1)


def tracked(items: Iterable[Item], title: str, *, total: int) -> Iterator[Item]:
    """Yield items and show how many of them have been dealt with.

    Parameters
    ----------
    items : to yield
    title : label
    total : number of items
    """
    with Progress(title, total=total) as progress:
        for item in items:
            yield item
            progress.advance()


def shows_bars() -> bool:
    """Whether stderr is a terminal, rich is installed, and nobody has asked for JSON."""
    if os.environ.get(LOG_FORMAT) == "json" or find_spec("rich") is None:
        return False
    from rich.console import Console

    return Console(stderr=True).is_terminal


def _interval_s() -> float:
    """Return the seconds between two lines."""
    text = os.environ.get(LOG_INTERVAL)
    if not text:
        return _INTERVAL_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        message = f"{LOG_INTERVAL} is {text!r}; set it to a number of seconds above 0, or unset it"
        raise ParamsError(message)
    return seconds


def _bar(unit: str) -> "rich.progress.Progress":
    from rich import progress
    from rich.console import Console

    amount = (
        [progress.DownloadColumn(), progress.TransferSpeedColumn()]
        if unit == "bytes"
        else [progress.TaskProgressColumn(), progress.MofNCompleteColumn(), progress.TextColumn(unit)]
    )
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        *amount,
        progress.TimeRemainingColumn(elapsed_when_finished=True),
        progress.TextColumn("{task.fields[facts]}", markup=False),
        speed_estimate_period=_LONGEST_RATE_S,
        console=Console(stderr=True),
    )


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
