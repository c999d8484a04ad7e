import errno
import os

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, PERMISSION_DENIED, UNAUTHENTICATED

from demsr import errors
from demsr.errors import DemsrError, ParamsError, RasterError, reported, whole_cause

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DemsrError)]


def ended(error: BaseException, **options: bool) -> int | str | None:
    with pytest.raises(SystemExit) as stop, reported("stage", **options):
        raise error
    return stop.value.code


@pytest.fixture(autouse=True)
def _no_debug(monkeypatch):
    monkeypatch.delenv("DEMSR_DEBUG", raising=False)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_error_of_ours_ends_as_one_line_and_status_1(kind, capsys):
    assert ended(kind("a.tif: has no CRS; name it")) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "error: stage: a.tif: has no CRS; name it\n")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not DemsrError], ids=lambda kind: kind.__name__)
def test_error_of_ours_is_also_a_built_in_one(kind):
    assert issubclass(kind, (ValueError, OSError, RuntimeError, ImportError))


def test_message_of_several_lines_is_printed_as_one(capsys):
    assert ended(ParamsError("params.yaml: cannot be read (in line 3\n    a: [1,\n  expected ']')")) == 1
    assert capsys.readouterr().err == "error: stage: params.yaml: cannot be read (in line 3 a: [1, expected ']')\n"


def test_good_block_ends_without_a_word(capsys):
    done = []
    with reported("stage"):
        done.append(1)
    assert done == [1]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        RuntimeError("Unable to flush file (errno = 28, error message = 'No space left on device')"),
        ValueError("database or disk is full"),
    ],
)
def test_full_disk_is_said_whoever_notices_it(error, capsys):
    assert ended(error) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: stage: the disk is full (")
    assert message.endswith("); free space there and run the same command again\n")


def test_full_disk_is_said_where_it_is_the_cause_of_another_error(capsys):
    def fail() -> None:
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            message = "could not save"
            raise RuntimeError(message) from error

    with pytest.raises(SystemExit) as stop, reported("stage"):
        fail()
    assert stop.value.code == 1
    assert "the disk is full (could not save)" in capsys.readouterr().err


def test_other_errors_of_files_name_the_way_out(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop, reported("stage"):
        tmp_path.read_text()
    assert stop.value.code == 1
    assert capsys.readouterr().err.endswith(f"{tmp_path.name}'; check the path and its permissions\n")


def test_missing_file_of_an_earlier_stage_is_made_by_dvc(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop, reported("stage"):
        (tmp_path / "none").read_text()
    assert stop.value.code == 1
    assert capsys.readouterr().err.endswith("none'; check the path, or run `dvc repro` if a stage writes it\n")


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (INTERNAL_ERROR, "check that its server or store is up"),
        (UNAUTHENTICATED, "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"),
        (PERMISSION_DENIED, "ask the administrator of the server for the permission, or use another account"),
    ],
)
def test_error_of_mlflow_names_its_own_cure(code, cure, capsys):
    assert ended(MlflowException("no", error_code=code)) == 1
    assert capsys.readouterr().err == f"error: stage: MLflow: no; {cure}, and run this again\n"


def test_defect_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError, match="by zero"), reported("stage"):
        _ = 1 / 0


def test_interruption_ends_with_status_130(capsys):
    assert ended(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "error: stage: interrupted\n"


@pytest.mark.parametrize("by_environment", [True, False])
@pytest.mark.parametrize(
    "error", [ParamsError("x"), OSError(errno.ENOSPC, "no space left on device"), KeyboardInterrupt("x")]
)
def test_debugging_lets_every_error_through(error, by_environment, monkeypatch):
    if by_environment:
        monkeypatch.setenv("DEMSR_DEBUG", "1")
    with pytest.raises(type(error)) as raised, reported("stage", debug=not by_environment):
        raise error
    assert raised.value is error


def test_error_of_a_raster_is_caught_as_an_error_of_files():
    with pytest.raises(OSError, match="broken"):
        raise RasterError("broken")  # noqa: EM101


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_message_is_one_printable_line_whatever_a_file_puts_into_it(kind, capsys):
    error = kind("a.tif: has the layers \x1b]0;owned\x07, b\nc\u202e")
    assert str(error) == "a.tif: has the layers \ufffd]0;owned\ufffd, b c\ufffd"
    assert ended(error) == 1
    assert capsys.readouterr().err == f"error: stage: {error}\n"


def test_every_cause_of_an_error_is_told_once():
    error = RuntimeError("no raster: read failed")
    error.__cause__ = ValueError("read failed")
    error.__cause__.__cause__ = OSError("line 1 of the cause\nline 2")
    assert whole_cause(error) == "no raster: read failed; line 1 of the cause line 2"
    assert whole_cause(KeyError()) == "KeyError"
