import uuid

import numpy as np
import pytest
from synthetic import rough, write_raw

from demsr.dem.windows import Window
from demsr.errors import RasterError
from demsr.inference.object_store import ObjectStore
from demsr.inference.source import RasterSource, open_source

FIRST, SECOND = Window(0, 0, 8, 8), Window(0, 8, 8, 5)


@pytest.fixture
def store() -> ObjectStore:
    return ObjectStore(f"memory://bucket/{uuid.uuid4().hex}")


def test_tiles_are_found_by_their_window_unless_they_are_damaged(store):
    assert list(store.finished([FIRST])) == []
    names = [store.add(FIRST, b"first"), store.add(SECOND, b"second")]
    assert [store.tile(name) for name in names] == [b"first", b"second"]
    assert dict(store.finished([FIRST, SECOND])) == {FIRST: b"first", SECOND: b"second"}
    with store._files() as (files, root):
        files.pipe_file(f"{root}/{names[0]}", b"FIRST")
    assert store.tile(names[0]) is None
    assert dict(store.finished([FIRST, SECOND])) == {SECOND: b"second"}
    store.clear()
    with pytest.raises(RasterError, match="memory://bucket/.*; check the address, and the credentials of this node"):
        store.tile(names[1])


def test_a_node_without_the_raster_gets_it_with_its_identifiers_and_sidecar_files(store, tmp_path, monkeypatch):
    monkeypatch.setenv("DEMSR_CACHE", str(tmp_path / "cache"))
    scene = write_raw(tmp_path / "gebco_scene.tif", np.round(rough(16, 16, level=-3000)).astype(np.int16))
    tid = write_raw(tmp_path / "gebco_tid.tif", np.full((16, 16), 11, np.int16))
    source = RasterSource(path=scene, tid=tid)
    with open_source(source) as reader:
        store.share(reader)
        sha256 = [one.sha256 for one in reader.readers]
    assert store.here(source, sha256) == source
    tid.unlink()
    scene.unlink()
    there = store.here(source, sha256)
    assert there.path.name == "gebco_scene.tif"
    with open_source(there) as reader:
        assert [one.sha256 for one in reader.readers] == sha256
    store.clear()
    assert store.here(source, sha256) == there  # from the cache
