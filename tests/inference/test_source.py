import numpy as np
import pytest
from rasterio.transform import Affine
from synthetic import NORTH_UP, rough, write_raw

from demsr.dem.windows import Window
from demsr.errors import GridError
from demsr.inference.source import RasterSource, open_source


@pytest.fixture
def scene(tmp_path):
    return write_raw(tmp_path / "gebco_scene.tif", np.round(rough(30, 20, level=-3000)).astype(np.int16))


def test_identifiers_come_with_the_window(scene, tmp_path):
    identifiers = np.full((30, 20), 40, np.int16)
    identifiers[:, 12:] = 11
    tid = write_raw(tmp_path / "tid.tif", identifiers)
    with open_source(RasterSource(path=scene, tid=tid)) as source:
        elevation, inner, found = source.around(Window(10, 10, 5, 5), 3)
    assert elevation.shape == found.shape == (11, 11)
    assert inner == Window(3, 3, 5, 5)
    assert (found[:, :5] == 40).all()  # columns 7 to 11
    assert (found[:, 5:] == 11).all()


@pytest.mark.parametrize(("shift", "message"), [(0.4, "offset by 0.4 cell"), (0.0, "not type identifiers")])
def test_wrong_identifier_grids_are_refused(scene, tmp_path, shift, message):
    moved = Affine(NORTH_UP.a, 0, NORTH_UP.c + shift * NORTH_UP.a, 0, NORTH_UP.e, NORTH_UP.f)
    values = np.full((30, 20), 11 if shift else 500, np.int16)
    tid = write_raw(tmp_path / "tid.tif", values, transform=moved)
    with pytest.raises(GridError, match=message), open_source(RasterSource(path=scene, tid=tid)):
        pass
