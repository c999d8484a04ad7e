"""Command line of the scripts in sweeps/, which differ in the search space only."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from demsr.errors import ParamsError, WorkerError, reported

if TYPE_CHECKING:
    from demsr.search.trial import Stage

_PARAMS = Path("params.yaml")
_PROFILE = "Profile of search space, net and training; by default that of params.yaml."
_GPUS = "GPUs of each trial, also fractions such as 0.5; one if there are any."
_ACCEPT_CHANGES = "Resume although pairs, space or code have changed."
_HALVING = "Stop the worst trials early, as the space says."


def sweep_command(name: str, stage: "Stage", *, space: Path, about: str) -> None:
    """Run the command line of a sweep.

    Parameters
    ----------
    name : name of the sweep, of its MLflow experiment and of its folder of results
    stage : training stage of the pipeline
    space : YAML file with a section for each profile
    about : first line of the help
    """

    def command(
        profile: Annotated[str | None, typer.Option(help=_PROFILE)] = None,
        trials: Annotated[int | None, typer.Option(help="Number of trials, without the finalists.", min=1)] = None,
        max_concurrent: Annotated[int | None, typer.Option(help="Limit of simultaneous trials.", min=1)] = None,
        cpus_per_trial: Annotated[int, typer.Option(help="CPUs, and threads, of each trial.", min=1)] = 1,
        gpus_per_trial: Annotated[float | None, typer.Option(help=_GPUS, min=0, max=1)] = None,
        address: Annotated[str, typer.Option(help="host:port of a Ray cluster, or local.")] = "local",
        resume: Annotated[bool, typer.Option("--resume", help="Resume a sweep that was killed.")] = False,
        anew: Annotated[bool, typer.Option("--anew", help="Discard an unfinished sweep.")] = False,
        accept_changes: Annotated[bool, typer.Option("--accept-changes", help=_ACCEPT_CHANGES)] = False,
        halving: Annotated[bool, typer.Option("--halving/--no-halving", help=_HALVING)] = True,
        verdict: Annotated[bool, typer.Option("--verdict", help="Print the last verdict again.")] = False,
        use: Annotated[bool, typer.Option("--use", help="Write the best of the last sweep into params.yaml.")] = False,
    ) -> None:
        if verdict or use:
            _reuse(name, verdict=verdict, use=use)
            return
        try:
            from demsr.cli.sweep_config import read_plan
            from demsr.reporting.sweeps import print_report
            from demsr.search.nodes import TrialResources
            from demsr.search.sweep import run_sweep
        except ImportError as error:
            message = f"{error.name} is not installed; `pip install 'demsr[sweep]'` installs it"
            raise WorkerError(message) from error
        overrides = {} if halving else {"halving": None}
        plan = read_plan(name, stage, space, profile=profile, overrides=overrides, workers=cpus_per_trial - 1)
        resources = TrialResources(
            max_concurrent=max_concurrent, cpus_per_trial=cpus_per_trial, gpus_per_trial=gpus_per_trial
        )
        how = {"resume": resume, "anew": anew, "accept_changes": accept_changes}
        print_report(run_sweep(plan, resources, address=address, trials=trials, **how), plan.results)

    command.__doc__ = about
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    with reported(f"sweeps/{name}.py"):
        app()


def _reuse(name: str, *, verdict: bool, use: bool) -> None:
    """Print the last report, or write its best candidate into params.yaml if that has the profile of the sweep."""
    from demsr.params import Params
    from demsr.profiles import write_changes
    from demsr.reporting.sweeps import print_report
    from demsr.search.report_files import read_report

    params = Params.read(_PARAMS)
    results = params.paths.results / "sweeps" / name
    report = read_report(results)
    if verdict:
        print_report(report, results)
    if not use:
        return
    if report.profile != params.base.profile:
        message = (
            f"{_PARAMS}: has the profile {params.base.profile}, the sweep searched {report.profile}; "
            f"run `demsr profile {report.profile}` first"
        )
        raise ParamsError(message)
    write_changes(_PARAMS, report.changes)
    sections = report.changes.items()
    values = ", ".join(f"{name}.{key} {value:.6g}" for name, keys in sections for key, value in keys.items())
    typer.echo(f"{_PARAMS} now has {values}; next: dvc repro")
