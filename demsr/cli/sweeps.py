"""The command that runs a sweep, and its start from the scripts in sweeps/."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from demsr.cli.app import app
from demsr.errors import MissingExtraError, ParamsError, reported

_PARAMS = Path("params.yaml")
_FILE = "YAML file that declares the sweep, such as sweeps/resblocks.yaml."
_PROFILE = "Section of the file, and profile of net and training; by default that of params.yaml."
_GPUS = "GPUs of each trial, also fractions such as 0.5; one if there are any."
_ACCEPT_CHANGES = "Resume although pairs, space or code have changed."
_HALVING = "Stop the worst trials early, as the file says."
_RETRY_FAILED = "Resume, and try failed trials again."


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_FILE)],
    profile: Annotated[str | None, typer.Option(help=_PROFILE)] = None,
    trials: Annotated[int | None, typer.Option(help="Number of trials, without the finalists.", min=1)] = None,
    max_concurrent: Annotated[int | None, typer.Option(help="Limit of simultaneous trials.", min=1)] = None,
    cpus_per_trial: Annotated[int, typer.Option(help="CPUs, and threads, of each trial.", min=1)] = 1,
    gpus_per_trial: Annotated[float | None, typer.Option(help=_GPUS, min=0, max=1)] = None,
    address: Annotated[str, typer.Option(help="host:port of a Ray cluster, or local.", envvar="RAY_ADDRESS")] = "local",
    resume: Annotated[bool, typer.Option("--resume", help="Resume a sweep that was killed.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help=_RETRY_FAILED)] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Discard an unfinished sweep.")] = False,
    accept_changes: Annotated[bool, typer.Option("--accept-changes", help=_ACCEPT_CHANGES)] = False,
    halving: Annotated[bool, typer.Option("--halving/--no-halving", help=_HALVING)] = True,
    verdict: Annotated[bool, typer.Option("--verdict", help="Print the last verdict again.")] = False,
    use: Annotated[bool, typer.Option("--use", help="Write the best of the last sweep into params.yaml.")] = False,
) -> None:
    """Search parameters of a training, on the pairs of `dvc repro`, and judge those of params.yaml."""
    if verdict or use:
        _reuse(file, verdict=verdict, use=use)
        return
    from demsr.runtime.ray_cluster import prepare_ray

    prepare_ray(address)
    try:
        from demsr.cli.sweep_config import read_plan
        from demsr.reporting.sweeps import print_report
        from demsr.search.nodes import TrialResources
        from demsr.search.sweep import run_sweep
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; run `pip install 'demsr[sweep]'`"
        raise MissingExtraError(message) from error
    overrides = {} if halving else {"halving": None}
    plan = read_plan(file, profile=profile, overrides=overrides, workers=cpus_per_trial - 1)
    resources = TrialResources(
        max_concurrent=max_concurrent, cpus_per_trial=cpus_per_trial, gpus_per_trial=gpus_per_trial
    )
    how = {"resume": resume, "anew": anew, "accept_changes": accept_changes, "retry_failed": retry_failed}
    print_report(run_sweep(plan, resources, address=address, trials=trials, **how), plan.results, file)


def main(file: Path) -> None:
    """Run `demsr sweep` with a file and the arguments of this process.

    Parameters
    ----------
    file : YAML file that declares the sweep
    """
    if file.is_relative_to(Path.cwd()):
        file = file.relative_to(Path.cwd())
    command = typer.main.get_group(app).commands["sweep"]
    command.params = [parameter for parameter in command.params if parameter.name != "file"]  # of the help, too
    if command.callback is not None:
        command.callback = partial(command.callback, file=file)
    with reported(f"sweep {file.stem}"):
        command.main(prog_name=f"python {sys.argv[0]}")


def _reuse(file: Path, *, verdict: bool, use: bool) -> None:
    """Print the last report, or write its best candidate into params.yaml if that has the profile of the sweep."""
    from demsr.params import Params
    from demsr.profiles import write_changes
    from demsr.reporting.sweep_report import read_report
    from demsr.reporting.sweeps import print_report, text_of

    params = Params.read(_PARAMS)
    results = params.paths.results / "sweeps" / file.stem
    report = read_report(results)
    if verdict:
        print_report(report, results, file)
    if not use:
        return
    if report.profile != params.base.profile:
        message = (
            f"{_PARAMS}: has the profile {params.base.profile}, the sweep searched {report.profile}; "
            f"run `demsr profile {report.profile}` first"
        )
        raise ParamsError(message)
    write_changes(_PARAMS, report.changes)
    changes = ((section, *item) for section, values in report.changes.items() for item in values.items())
    values = ", ".join(f"{section}.{name} {text_of(value, 6)}" for section, name, value in changes)
    typer.echo(f"{_PARAMS} now has {values}; next: dvc repro")
