"""Command `models`: the registry of models."""

from pathlib import Path
from typing import Annotated

import typer

from demsr.cli.app import app
from demsr.cli.training import PARAMS
from demsr.errors import ParamsError

models = typer.Typer(invoke_without_command=True)
app.add_typer(models, name="models")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Registered model, such as dem-srnet-finetuned.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; recorded on the versions.")]


@models.callback()
def list_models(
    context: typer.Context,
    restore: Annotated[
        bool,
        typer.Option("--restore", help="Register the models in models/ in a store that is new or was lost."),
    ] = False,
    links: Annotated[
        str | None, typer.Option(metavar="URL", help="Print links into the MLflow UI that is served at this address.")
    ] = None,
) -> None:
    """List, compare, promote and roll back registered models."""
    if command := context.invoked_subcommand:
        if restore or links is not None:
            message = f"models: --restore and --links go with the listing; give them without {command}"
            raise ParamsError(message)
        return
    from demsr.reporting.models import print_links, print_models
    from demsr.tracking.registry import list_versions
    from demsr.tracking.store import connect, ui_links

    if restore:
        from demsr.lifecycle.register import register_models
        from demsr.params import Params

        register_models(**Params.read(PARAMS).registration_options())
    print_models(list_versions(connect(create=links is not None)))
    if links is not None:
        print_links(ui_links(links))


@models.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Model, such as models:/dem-srnet-finetuned/1.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Model to compare with it.")],
    picture: Annotated[Path | None, typer.Option(help="Draw patches with both predictions, .png.")] = None,
) -> None:
    """Score two models on the test pairs of this project."""
    from demsr.lifecycle.compare import compare_models, example_patches
    from demsr.options import DOMAINS
    from demsr.params import Params
    from demsr.reporting.models import print_comparison

    params = Params.read(PARAMS)
    tests = {domain: params.paths.pairs / domain / "test.h5" for domain in DOMAINS}
    options = {"resamples": params.registration.bootstrap_resamples, "seed": params.base.seed}
    print_comparison(first, second, compare_models(first, second, tests, **options))
    if picture is not None:
        from demsr.reporting.figures import save_comparison

        save_comparison(picture, example_patches(first, second, tests, rows=params.evaluate.figure_rows))


@models.command()
def promote(
    name: Name,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="Number of the version.")],
    reason: Reason = "no reason given",
) -> None:
    """Make a version champion, whatever its scores."""
    from demsr.tracking.decisions import promote_by_hand

    replaced = promote_by_hand(name, version, reason=reason)
    before = "there was none" if replaced is None else f"it was version {replaced.version}"
    typer.echo(f"models:/{name}@champion is version {version}; {before}")


@models.command()
def rollback(name: Name, reason: Reason = "no reason given") -> None:
    """Make the previous champion champion again."""
    from demsr.tracking.decisions import roll_back

    champion, withdrawn = roll_back(name, reason=reason)
    before = "there was none" if withdrawn is None else f"it was version {withdrawn.version}"
    typer.echo(f"models:/{name}@champion is version {champion.version}; {before}")
