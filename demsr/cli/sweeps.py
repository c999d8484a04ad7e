"""The commands in sweeps/: one search each, with the same options."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from demsr.errors import ParamsError, WorkerError, reported

if TYPE_CHECKING:
    from demsr.search.trial import Stage

_PARAMS = Path("params.yaml")


def sweep_command(name: str, stage: "Stage", *, space: Path, about: str) -> None:
    """Run the command line of a sweep.

    Parameters
    ----------
    name : of the sweep, its MLflow experiment and its folder of results
    space : YAML file with a section for each profile
    about : first line of the help
    """

    def command(
        profile: Annotated[
            str | None, typer.Option(help="Section of the space; also net and training, if not params.yaml's own.")
        ] = None,
        trials: Annotated[int | None, typer.Option(help="Searched trials; finalists come on top.", min=1)] = None,
        max_concurrent: Annotated[int | None, typer.Option(help="Trials at a time.", min=1)] = None,
        cpus_per_trial: Annotated[int, typer.Option(help="CPUs, and so threads, of each trial.", min=1)] = 1,
        gpus_per_trial: Annotated[
            float | None,
            typer.Option(help="GPU of each trial, also fractions such as 0.5; one if there are any.", min=0, max=1),
        ] = None,
        address: Annotated[str, typer.Option(help="host:port of a Ray cluster, or local.")] = "local",
        resume: Annotated[bool, typer.Option("--resume", help="Go on where a sweep was killed.")] = False,
        anew: Annotated[bool, typer.Option("--anew", help="Throw an unfinished sweep away.")] = False,
        accept_changes: Annotated[
            bool, typer.Option("--accept-changes", help="Resume although pairs, space or code have changed.")
        ] = False,
        halving: Annotated[
            bool, typer.Option("--halving/--no-halving", help="Stop the worst trials early, as the space says.")
        ] = True,
        verdict: Annotated[bool, typer.Option("--verdict", help="Print the last verdict again.")] = False,
        use: Annotated[bool, typer.Option("--use", help="Put the best of the last sweep into params.yaml.")] = False,
    ) -> None:
        from demsr.params import Params
        from demsr.reporting.sweeps import print_report, read_report

        usage = f"python sweeps/{name}.py --use"
        if verdict or use:
            results = Params.read(_PARAMS).paths.results / "sweeps" / name
            report = read_report(results)
            if verdict:
                print_report(report, results, use=usage)
            if use:
                _use(report.changes, profile=report.profile)
            return
        plan, report = _swept(
            name,
            stage,
            space,
            profile=profile,
            address=address,
            resume=resume,
            anew=anew,
            accept_changes=accept_changes,
            trials=trials,
            workers=cpus_per_trial - 1,
            changes={} if halving else {"halving": None},
            share={
                "max_concurrent": max_concurrent,
                "cpus_per_trial": cpus_per_trial,
                "gpus_per_trial": gpus_per_trial,
            },
        )
        print_report(report, plan.results, use=usage)

    command.__doc__ = about
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    with reported(f"sweeps/{name}.py"):
        app()


def _swept(
    name: str,
    stage: "Stage",
    space: Path,
    *,
    profile: str | None,
    changes: dict[str, Any],
    share: dict[str, Any],
    workers: int,
    **how: Any,
) -> Any:
    """Run a sweep; what it needs is imported here, so that --help answers at once."""
    try:
        from demsr.search.nodes import TrialResources
        from demsr.search.sweep import run_sweep
        from demsr.search.sweep_plan import read_plan
    except ImportError as error:
        message = f"{error.name} is not installed; `pip install 'demsr[sweep]'` installs it"
        raise WorkerError(message) from error
    plan = read_plan(name, stage, space, profile=profile, changes=changes, workers=workers)
    return plan, run_sweep(plan, share=TrialResources(**share), **how)


def _use(changes: dict[str, Any], *, profile: str) -> None:
    """Put the winner into params.yaml, if that is of the profile that was searched."""
    from demsr.params import Params
    from demsr.profiles import write_changes
    from demsr.tracking.runs import flattened

    present = Params.read(_PARAMS).base.profile
    if present != profile:
        message = (
            f"{_PARAMS}: holds the profile {present}, the sweep was of {profile}; run `demsr profile {profile}` first"
        )
        raise ParamsError(message)
    write_changes(_PARAMS, changes)
    values = ", ".join(f"{key} {value:.6g}" for key, value in flattened(changes).items())
    typer.echo(f"{_PARAMS} now holds {values}; next: dvc repro")
