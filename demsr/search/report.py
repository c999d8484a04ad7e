"""Report of a sweep: its data, and the files that hold it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from demsr.errors import ParamsError
from demsr.reporting.sweeps import to_markdown
from demsr.runtime.files import read_json, write_csv, write_json, write_text

_VERDICT = "verdict.json"


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """Outcome of a sweep. `demsr.search.summary` builds it, `demsr.reporting.sweeps` renders it.

    Attributes
    ----------
    name : name of the sweep
    profile : profile that was searched
    unit : unit of the RMSE, m or scaled
    axis : name of the hyperparameter on the horizontal axis: num_blocks or learning_rate
    reference : its value in the reference
    trials : one row for each trial, finalists included
    finalists : one row for each candidate in the final
    best : the best of these rows
    baselines : RMSE of each baseline on the same validation pairs
    equal_seconds : training time at which finalists are compared, that of the fastest
    budget : budget and data for which the verdict holds
    sentences : the verdict
    changes : values of params.yaml that train the best candidate
    """

    name: str
    profile: str
    unit: str
    axis: str
    reference: float
    trials: list[dict[str, Any]]
    finalists: list[dict[str, Any]]
    best: dict[str, Any]
    baselines: dict[str, float]
    equal_seconds: float
    budget: str
    sentences: list[str]
    changes: dict[str, Any]


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
