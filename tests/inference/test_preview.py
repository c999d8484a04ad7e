from pathlib import Path

import numpy as np
import pytest
from synthetic import rough, write_raw

import demsr.inference.preview as module
from demsr.errors import ParamsError
from demsr.inference.preview import check_preview, save_preview
from demsr.inference.source import RasterSource, open_source


@pytest.mark.parametrize("name", ["picture.xyz", "picture", "folder.png"])
def test_only_a_png_file_can_be_a_preview(tmp_path, name):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ParamsError, match=rf"{name}: a preview must be a \.png file"):
        check_preview(tmp_path / name)


def test_preview_shows_the_roughest_part_before_and_after(tmp_path, monkeypatch):
    lr = np.full((96, 288), -3000, np.float32)
    lr[:, 96:192] = rough(96, 96, level=-3000, rms=100)
    hr = np.repeat(np.repeat(lr, 5, axis=0), 5, axis=1) + 1
    source = RasterSource(path=write_raw(tmp_path / "gebco_lr.tif", lr))
    drawn = []
    monkeypatch.setattr(module, "save_before_after", lambda path, part: drawn.append((path, part)))
    target = write_raw(tmp_path / "sr.tif", hr)
    with open_source(source) as opened:
        save_preview(tmp_path / "a.png", opened, target, scale=5)
    ((path, part),) = drawn
    assert path == Path(tmp_path / "a.png")
    np.testing.assert_array_equal(part.lr, lr[:, 96:192])
    np.testing.assert_array_equal(part.sr, hr[:, 5 * 96 : 5 * 192])
    means = part.bicubic.reshape(96, 5, 96, 5).mean(axis=(1, 3))
    assert np.abs(means - part.lr)[2:-2, 2:-2].mean() < 30  # of 100 m relief
