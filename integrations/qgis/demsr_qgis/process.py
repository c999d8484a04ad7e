"""Run the program demsr: show its messages and its progress, and end it when the user cancels.

This module needs no QGIS.
"""

import json
import os
import queue
import shlex
import shutil
import signal
import subprocess
import threading

PROGRAM_SETTING = "DEMSR_PROGRAM"
"""Name of the setting of Processing with the path of the program."""

_FOREIGN = ("PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_DATA", "PROJ_LIB", "LD_LIBRARY_PATH")
"""Variables by which QGIS finds its own Python, GDAL and PROJ; the environment of the program has others."""

_ERROR = "error: demsr: "
_LOOK_S = 0.2
_PATIENCE_S = 20


class ProgramError(Exception):
    """The program is missing, or ended with an error."""


def find_program(setting):
    """Return the path of the program.

    Parameters
    ----------
    setting : path or name, as the user has set it

    Raises
    ------
    ProgramError : there is no such program
    """
    found = shutil.which(setting or "demsr")
    if found is None:
        message = (
            f"{setting or 'demsr'}: no such program; install demsr in a Python environment, and set the path of its "
            "program demsr in Settings > Options > Processing > Providers > demsr"
        )
        raise ProgramError(message)
    return found


def run(program, words, feedback):
    """Run the program to its end and return what it printed.

    Parameters
    ----------
    program : from `find_program`
    words : command and options, after the options of the program itself
    feedback : QgsProcessingFeedback

    Raises
    ------
    ProgramError : the program ended with an error, unless the user has cancelled
    """
    command = [program, "--log-format", "json", *words]
    feedback.pushCommandInfo(shlex.join(command))
    group = {"start_new_session": True} if os.name == "posix" else {"creationflags": subprocess.CREATE_NO_WINDOW}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env=_environment(),
        **group,
    )
    printed, error = [], ""
    for is_note, line in _lines(process, feedback):
        if line.startswith(_ERROR):
            error = line[len(_ERROR) :]
        elif is_note and not _shows_progress(line, feedback):
            feedback.pushWarning(line)
        elif not is_note:
            printed.append(line)
            feedback.pushInfo(line)
    if process.wait() and not feedback.isCanceled():
        raise ProgramError(error or f"demsr ended with status {process.returncode}; its last messages say why")
    return "\n".join(printed)


def _environment():
    ours = {name: text for name, text in os.environ.items() if name not in _FOREIGN}
    return {**ours, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "DEMSR_LOG_INTERVAL_S": "1", "COLUMNS": "100"}


def _lines(process, feedback):
    """Yield (is it a note on stderr, line) until the process has ended; end it when the user cancels."""
    lines = queue.Queue()
    streams = {process.stdout: False, process.stderr: True}
    for stream, is_note in streams.items():
        threading.Thread(target=_read, args=(stream, is_note, lines), daemon=True).start()
    ended, is_interrupted = 0, False
    while ended < len(streams):
        if feedback.isCanceled() and not is_interrupted:
            is_interrupted = True
            _interrupt(process)
        try:
            is_note, line = lines.get(timeout=_LOOK_S)
        except queue.Empty:
            continue
        if line is None:
            ended += 1
        elif line.strip():
            yield is_note, line.rstrip()


def _read(stream, is_note, lines):
    with stream:
        for line in stream:
            lines.put((is_note, line))
    lines.put((is_note, None))


def _interrupt(process):
    """Interrupt the program and the processes that it has started, as Ctrl+C does; kill them if they do not end."""
    if os.name != "posix":
        process.terminate()
        return
    os.killpg(process.pid, signal.SIGINT)

    def kill():
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()


def _shows_progress(line, feedback):
    """Show a line of progress and return True; return False for any other line."""
    try:
        task, done, total = (json.loads(line)[key] for key in ("task", "done", "total"))
    except (ValueError, KeyError, TypeError):
        return False
    feedback.setProgressText(task)
    if total:
        feedback.setProgress(100 * done / total)
    return True
