"""Files of a sweep's report: verdict.json, verdict.md, trials.csv, sweep.png."""

from dataclasses import asdict
from pathlib import Path

from demsr.errors import ParamsError
from demsr.reporting.sweeps import to_markdown
from demsr.runtime.files import read_json, write_csv, write_json, write_text
from demsr.search.report import SweepReport

_VERDICT = "verdict.json"


def write_report(report: SweepReport, folder: Path) -> None:
    """Write verdict.json, verdict.md, trials.csv and sweep.png.

    Parameters
    ----------
    report : report to be written
    folder : folder of these files
    """
    from demsr.reporting.sweep_figure import save_sweep_figure  # matplotlib loads slowly; read_report does not need it

    write_csv(folder / "trials.csv", report.trials)
    save_sweep_figure(folder / "sweep.png", report)
    write_text(folder / "verdict.md", to_markdown(report))
    write_json(folder / _VERDICT, asdict(report))


def read_report(folder: Path) -> SweepReport:
    """Read the report of an earlier sweep.

    Parameters
    ----------
    folder : folder of verdict.json

    Returns
    -------
    the report

    Raises
    ------
    ParamsError : the folder has no report
    """
    try:
        return SweepReport(**read_json(folder / _VERDICT))
    except FileNotFoundError as error:
        message = f"{folder / _VERDICT}: no finished sweep; run the command without --verdict and --use"
        raise ParamsError(message) from error
