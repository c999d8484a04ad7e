from dataclasses import replace

import pytest
from product_files import holed, tiled
from synthetic import grid

from demsr.errors import DatumError
from demsr.output.formats import write_product


def test_unknown_datum_is_refused(tmp_path):
    tiles, made = tiled(tmp_path / "tiles", holed(), grid(70, 90))
    with pytest.raises(DatumError, match="a survey: vertical datum is 'sea'"):
        write_product(tmp_path / "a.tif", tiles, replace(made, vertical_datum="sea"))
