"""The command line. Heavy packages are imported inside the commands, so that `demsr --help` answers at once."""

from demsr.cli import rasters, training  # noqa: F401  they add their commands
from demsr.cli.app import app
from demsr.errors import reported


def main() -> None:
    """Run the command line; expected errors end as one line."""
    with reported("demsr"):
        app()
