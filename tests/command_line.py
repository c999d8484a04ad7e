"""How a command ended, and whether it was refused as every command refuses."""

from typing import NamedTuple


class Done(NamedTuple):
    status: int
    out: str
    err: str


def refused(done: Done, *, start: str, way_out: str) -> bool:
    """Whether a command ended with status 1, without a traceback, and its last line says where and what to do."""
    line = done.err.splitlines()[-1]
    told = line.startswith(f"error: demsr: {start}") and way_out in line
    return done.status == 1 and told and "Traceback" not in done.err
