"""The errors that a user may see, and the one place that turns them into a message and an exit status.

Every message has the form *where: what was found, what is needed; what to do*.
"""

import contextlib
import os
import sys
from collections.abc import Iterator


class DemsrError(Exception):
    """Root of all errors that demsr raises on purpose."""


class GridError(DemsrError, ValueError):
    """A grid has the wrong shape, spacing, registration or reference system."""


class OutsideError(GridError):
    """A place lies outside a grid."""


class DatumError(DemsrError, ValueError):
    """A vertical datum is missing, unknown or cannot be converted."""


class VoidError(DemsrError, ValueError):
    """Too few pixels were measured, or values that cannot be elevations."""


class ParamsError(DemsrError, ValueError):
    """`params.yaml` or a command line asks for something impossible."""


class CheckpointError(DemsrError, ValueError):
    """A model's files are missing, broken or of another kind."""


class RasterError(DemsrError, OSError):
    """A file cannot be read as a raster, or not be written."""


class PairsError(DemsrError, ValueError):
    """A set of LR/HR pairs is missing, empty or broken."""


class WorkerError(DemsrError, RuntimeError):
    """A process that did a part of the work ended without an answer."""


class FetchError(DemsrError, OSError):
    """A file could not be fetched, or what came is not that file."""


class TrackingError(DemsrError, RuntimeError):
    """The MLflow store or registry does not answer, or lacks what was asked for."""


_DISK_FULL = ("no space left on device", "disk is full", "disk quota exceeded")


@contextlib.contextmanager
def reported(where: str, *, debug: bool = False) -> Iterator[None]:
    """Print an expected error as one line on stderr and exit with status 1.

    Defects of demsr itself keep their traceback: they are for us, not for the user.

    Parameters
    ----------
    where : the command or stage, named in front of the message
    debug : let every error through with its traceback; `DEMSR_DEBUG=1` does the same
    """
    try:
        yield
    except KeyboardInterrupt:
        if debug or _debugging():
            raise
        _fail(f"{where}: interrupted", status=130)
    except Exception as error:
        if debug or _debugging():
            raise
        if (message := _message(error)) is None:
            raise
        _fail(f"{where}: {message}")


def _debugging() -> bool:
    return os.environ.get("DEMSR_DEBUG") == "1"


def _message(error: BaseException) -> str | None:
    """Return what to tell the user, None for a defect of ours."""
    if isinstance(error, DemsrError):
        return str(error)
    text = f"{error} {error.__cause__ or ''} {error.__context__ or ''}"
    if any(sign in text.lower() for sign in _DISK_FULL):
        return f"the disk is full ({error}); free space there and run the same command again"
    if type(error).__module__.startswith("mlflow."):
        return f"MLflow: {text.strip().splitlines()[0]}; check that its server or store is up, and run this again"
    if isinstance(error, OSError):
        return f"{error}; check the path and its permissions"
    return None


def _fail(message: str, *, status: int = 1) -> None:
    sys.stderr.write(f"error: {' '.join(message.split())}\n")  # libraries break lines in their messages
    raise SystemExit(status)
