"""The command line. Commands import heavy packages when they run, so that `demsr --help` starts fast."""

from demsr.cli import rasters, reports, training, models, runs, projects, profile, sweeps  # noqa: F401, I001  in the order of the help
from demsr.cli.app import app
from demsr.errors import reported


def main() -> None:
    """Run the command line; expected errors are printed as one line."""
    with reported("demsr"):
        app()
