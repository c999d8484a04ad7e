import os
import signal

import numpy as np
import psutil
import pytest
from synthetic import rough, write_raw

from demsr.dem.windows import tiles
from demsr.errors import RasterError
from demsr.inference.cluster import RayWorkers
from demsr.inference.source import RasterSource, open_source
from demsr.inference.super_resolver import SuperResolver
from demsr.inference.tiles import LocalWorkers
from demsr.model.srnet import DemSrNet
from demsr.runtime.ray_cluster import ray_connection

pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[cluster]'` installs it")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray, about files and sockets of its own
def test_two_workers_of_which_one_is_killed_give_the_tiles_of_one_process(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    scene = write_raw(tmp_path / "gebco_scene.tif", np.round(rough(48, 40, level=-3000)).astype(np.int16))
    source = RasterSource(path=scene)
    resolver = SuperResolver(DemSrNet(1, 8).eval(), precision="float32")
    windows = tiles(48, 40, 8)
    with open_source(source) as raster, ray_connection("local"):
        expected = dict(LocalWorkers(raster, resolver).compute(windows))
        found = []
        for window, tile in RayWorkers(raster, resolver, workers=2, device="cpu").compute(windows):
            if not found:
                children = psutil.Process().children(recursive=True)
                worker = next(child for child in children if "_Worker" in " ".join(child.cmdline()))
                os.kill(worker.pid, signal.SIGKILL)
            found.append((window, tile))
        other = RayWorkers(raster, resolver, workers=1)
        other.sha256 = ["another"]
        with pytest.raises(RasterError, match="gebco_scene.tif: the node .* has another file"):
            list(other.compute(windows))
    assert sorted(window for window, _ in found) == windows  # each once
    assert dict(found) == expected
