import hashlib

import pytest

from demsr.dem.windows import Window
from demsr.errors import RasterError
from demsr.inference.tile_store import TileStore, tile_store

FIRST, SECOND = Window(0, 0, 8, 8), Window(0, 8, 8, 5)
SAME = {"model": "a", "tile_px": 8}


@pytest.fixture
def target(tmp_path):
    """A product whose run ended after its first tile."""
    with pytest.raises(InterruptedError), tile_store(tmp_path / "sr.tif", SAME, resume=False, overwrite=False) as store:
        store.add(FIRST, b"tile")
        raise InterruptedError
    return tmp_path / "sr.tif"


def found(target, identity=SAME, *, resume=False, overwrite=False):
    """Return the windows that a further run finds finished, and end that run."""
    with tile_store(target, identity, resume=resume, overwrite=overwrite) as store:
        return list(store.finished([FIRST, SECOND]))


def test_stored_tile_is_named_by_window_and_content(tmp_path):
    path = TileStore(tmp_path).add(SECOND, b"tile")
    assert path.name == f"000000-000008-8x5-{hashlib.sha256(b'tile').hexdigest()}.tif"
    assert path.read_bytes() == b"tile"


def test_damaged_and_foreign_tiles_are_removed(tmp_path):
    store = TileStore(tmp_path)
    whole, damaged = store.add(FIRST, b"one"), store.add(SECOND, b"two")
    damaged.write_bytes(b"tw")
    foreign = store.add(Window(90, 0, 8, 8), b"three")
    assert store.finished([FIRST, SECOND]) == {FIRST: whole}
    assert not damaged.exists()
    assert not foreign.exists()


def test_resumed_run_finds_the_tiles_and_a_finished_one_leaves_none(target, tmp_path):
    assert found(target, resume=True) == [FIRST]
    assert list(tmp_path.iterdir()) == []


def test_tiles_are_kept_or_discarded_only_if_asked(target):
    with pytest.raises(RasterError, match=r"sr\.tif: an interrupted run left tiles; add --resume .* or --overwrite"):
        found(target)
    assert found(target, overwrite=True) == []


def test_tiles_of_another_model_are_not_taken(target):
    with pytest.raises(RasterError, match=r"the interrupted run differs \(model was a, is b\); .*--overwrite"):
        found(target, SAME | {"model": "b"}, resume=True)
    assert found(target, SAME | {"model": "b"}, resume=True, overwrite=True) == []


def test_two_runs_of_one_product_at_once_are_refused(tmp_path):
    with tile_store(tmp_path / "sr.tif", SAME, resume=False, overwrite=False) as store:
        store.add(FIRST, b"tile")
        with pytest.raises(RasterError, match="another process is writing it"):
            found(tmp_path / "sr.tif", resume=True)
        assert list(store.finished([FIRST])) == [FIRST]


@pytest.mark.parametrize("content", [b"", b'{"model": "a"', b"\xff", b"[]", b"null"])
def test_damaged_manifest_is_named_with_the_way_out(target, content):
    manifest = target.with_name(".sr.tif.tiles") / "manifest.json"
    manifest.write_bytes(content)
    for _ in range(2):
        with pytest.raises(RasterError, match=r"manifest\.json: damaged.*add --overwrite"):
            found(target, resume=True)
    assert found(target, resume=True, overwrite=True) == []
    assert not manifest.exists()
