import pytest
import typer
from typer.testing import CliRunner

from demsr.cli.options import checked_box, takes_declared
from demsr.dem.read.declared import Declared
from demsr.errors import ParamsError


def declared_by(*words: str) -> Declared:
    """Return what a command receives for these words of the command line."""
    app, received = typer.Typer(), []

    @app.command()
    @takes_declared
    def command(name: str, *, declared: Declared) -> None:
        received.append((name, declared))

    done = CliRunner().invoke(app, ["a.tif", *words])
    assert done.exit_code == 0, done.output
    ((name, declared),) = received
    assert name == "a.tif"
    return declared


def test_options_of_a_command_become_one_declaration():
    words = (
        "--crs EPSG:32610 --vertical-datum MLLW --unit ft --positive down --nodata -9 --registration point --layer b"
    )
    assert declared_by(*words.split()) == Declared(
        crs="EPSG:32610",
        vertical_datum="MLLW",
        unit="ft",
        positive="down",
        nodata=-9,
        registration="point",
        layer="b",
    )


def test_no_option_declares_nothing():
    assert declared_by() == Declared()


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (None, None),
        ((6, 44, 14, 48), (6, 44, 14, 48)),
        ((170, -20, -170, 0), (170, -20, 190, 0)),
        ((170, -20, 190, 0), (170, -20, 190, 0)),
    ],
)
def test_east_is_beyond_west_also_across_the_antimeridian(box, expected):
    assert checked_box(box) == expected


@pytest.mark.parametrize("box", [(10, 51, 11, 49), (10, 49, 10, 50), (10, 49, 11, 91), (600, 0, 601, 1)])
def test_empty_box_or_one_outside_the_globe_is_refused(box):
    with pytest.raises(ParamsError, match="--bbox is .*; give west, south, east and north in degrees"):
        checked_box(box)
