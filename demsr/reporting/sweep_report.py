"""Report of a sweep and its files: verdict.json, verdict.md, trials.csv, sweep.png."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from demsr.errors import ParamsError
from demsr.reporting.sweeps import to_markdown
from demsr.runtime.files import read_json, write_csv, write_json, write_text

Scale = Literal["linear", "log", "categories"]
_VERDICT = "verdict.json"


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """Outcome of a sweep. `demsr.search.summary` builds it, `demsr.reporting.sweeps` renders it.

    Attributes
    ----------
    profile : profile that was searched
    unit : unit of the RMSE, m or scaled
    paths : searched parameters, subject and by first
    by : parameter that splits the verdict; None for none
    scale : scale of the subject: linear, log or categories
    values : values of subject and by in the trials, in order, by path
    reference : value of each searched parameter in the reference, by path
    trials : one row for each trial, finalists included; searched parameters by path
    finalists : one row for each candidate in the final
    best : the best of these rows
    baselines : RMSE of each baseline on the same validation pairs
    equal_seconds : training time at which finalists are compared, that of the fastest
    budget : budget and data for which the verdict holds
    sentences : the verdict
    changes : values of params.yaml that train the best candidate, by section
    """

    profile: str
    unit: str
    paths: list[str]
    by: str | None
    scale: Scale
    values: dict[str, list[Any]]
    reference: dict[str, Any]
    trials: list[dict[str, Any]]
    finalists: list[dict[str, Any]]
    best: dict[str, Any]
    baselines: dict[str, float]
    equal_seconds: float
    budget: str
    sentences: list[str]
    changes: dict[str, dict[str, Any]]

    @property
    def subject(self) -> str:
        """Parameter that the verdict is about."""
        return self.paths[0]


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
    except (FileNotFoundError, TypeError) as error:
        message = (
            f"{folder / _VERDICT}: no finished sweep of this version of demsr; "
            "run the command without --verdict and --use"
        )
        raise ParamsError(message) from error
