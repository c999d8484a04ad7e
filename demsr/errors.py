"""Errors that a user may see, and their conversion into a message and an exit status.

Every message has the form *where: what was found, what is required; what to do*.
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator

_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s/]+@")


def printable(text: str) -> str:
    """Return a text in one line, without characters that control a terminal and without the passwords of its addresses.

    Parameters
    ----------
    text : with names and tags from files, for example

    Examples
    --------
    >>> printable("http://ann:secret@example.org: no server answers")
    'http://ann:***@example.org: no server answers'
    """
    line = _PASSWORD.sub(r"\1***@", " ".join(text.split()))
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in line)


class DemsrError(Exception):
    """Base class of all errors that demsr raises.

    Examples
    --------
    >>> import demsr
    >>> try:
    ...     demsr.load_model("nosuch")
    ... except demsr.DemsrError as error:
    ...     print(error)
    nosuch: no such model; give builtin, models:/NAME@champion, a model folder or its weights.safetensors
    """

    def __str__(self) -> str:
        """Return the message in one printable line."""
        return printable(super().__str__())


class GridError(DemsrError, ValueError):
    """A grid has the wrong shape, spacing, registration or reference system."""


class OutsideError(GridError):
    """A location lies outside a grid."""


class DatumError(DemsrError, ValueError):
    """A vertical datum is missing, unknown or cannot be converted."""


class VoidError(DemsrError, ValueError):
    """Too few pixels are measured, or values cannot be elevations."""


class ParamsError(DemsrError, ValueError):
    """A value in `params.yaml` or on the command line is not allowed."""


class CheckpointError(DemsrError, ValueError):
    """The files of a model are missing, damaged or of another format."""


class RasterError(DemsrError, OSError):
    """A raster file cannot be read or written."""


class PairsError(DemsrError, ValueError):
    """A file of LR/HR pairs is missing, empty or damaged."""


class WorkerError(DemsrError, RuntimeError):
    """A worker process ended without a result."""


class FetchError(DemsrError, OSError):
    """A download failed, or the received file is not the expected one."""


class TrackingError(DemsrError, RuntimeError):
    """The MLflow store or registry does not answer, or does not have the requested model."""


class MissingExtraError(DemsrError, ImportError):
    """An optional package is not installed."""


_EXTRAS = {
    "dvc": "pipeline",
    "lightning": "train",
    "matplotlib": "plot",
    "mlflow": "track",
    "onnxscript": "export",
    "optuna": "sweep",
    "platformdirs": "fetch",
    "psutil": "sweep",
    "pandas": "xarray",
    "ray": "cluster",
    "requests": "fetch",
    "ruamel": "pipeline",
    "sqlalchemy": "sweep",
    "torchmetrics": "train",
    "xarray": "xarray",
}
"""Optional package -> extra of demsr that installs it."""

_DISK_FULL = ("no space left on device", "disk is full", "disk quota exceeded")


@contextlib.contextmanager
def missing_extras() -> Iterator[None]:
    """Turn the failed import of an optional package into an error that names the command to install it.

    Raises
    ------
    MissingExtraError : an optional package is not installed
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        message = f"{package} is not installed; run `pip install 'demsr[{_EXTRAS[package]}]'`"
        raise MissingExtraError(message) from error


@contextlib.contextmanager
def reported(where: str, *, debug: bool = False) -> Iterator[None]:
    """Print an expected error as one line on stderr and exit with status 1.

    Unexpected errors, which are defects of demsr, keep their traceback.

    Parameters
    ----------
    where : command or stage, named in front of the message
    debug : raise every error with its traceback; `DEMSR_DEBUG=1` does the same
    """
    try:
        with missing_extras():
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


def whole_cause(error: BaseException) -> str:
    """Return the messages of an error and of those that caused it, each once, the first cause last.

    Parameters
    ----------
    error : as caught
    """
    texts: list[str] = []
    link: BaseException | None = error
    while link is not None:
        text = " ".join(str(link).split())
        if text and not any(text in known for known in texts):
            texts.append(text)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "; ".join(texts) or type(error).__name__


def mlflow_cure(error: BaseException) -> str:
    """Return what to do about an error of MLflow, with or without a server that requires credentials.

    Parameters
    ----------
    error : as raised by MLflow
    """
    status = error.get_http_status_code() if hasattr(error, "get_http_status_code") else None
    if status == 401:
        return "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    if status == 403:
        return "ask the administrator of the server for the permission, or use another account"
    return "check that its server or store is up"


def _debugging() -> bool:
    return os.environ.get("DEMSR_DEBUG") == "1"


def _message(error: BaseException) -> str | None:
    """Return the message for the user, None for a defect of demsr."""
    if isinstance(error, DemsrError):
        return str(error)
    text = f"{error} {error.__cause__ or ''} {error.__context__ or ''}"
    if any(sign in text.lower() for sign in _DISK_FULL):
        return f"the disk is full ({error}); free space there and run the same command again"
    if type(error).__module__.startswith("mlflow."):
        return f"MLflow: {whole_cause(error)}; {mlflow_cure(error)}, and run this again"
    if isinstance(error, FileNotFoundError):
        return f"{error}; check the path, or run `dvc repro` if a stage writes it"
    if isinstance(error, OSError):
        return f"{error}; check the path and its permissions"
    return None


def _fail(message: str, *, status: int = 1) -> None:
    sys.stderr.write(f"error: {printable(message)}\n")  # libraries break lines in their messages
    raise SystemExit(status)
