"""Command `rio super-resolve`: a plugin of rasterio's command line."""

import click

from demsr.errors import reported


@click.command("super-resolve", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def super_resolve(words: tuple[str, ...]) -> None:
    """Super-resolve a raster of any size (demsr).

    Takes the arguments and options of `demsr super-resolve`, see --help.
    """
    from demsr.cli.app import app

    with reported("rio"):
        app(["super-resolve", *words], prog_name="rio")
