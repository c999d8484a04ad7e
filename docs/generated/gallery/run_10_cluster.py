"""
# A cluster

`--ray HOST:PORT` computes the tiles of a large raster on a Ray cluster, one worker for each GPU. `--ray local` starts a cluster on this
machine, which is what this page does. The result is the same.
"""

# %%
# ## A raster of several tiles

import tempfile
from pathlib import Path

import demsr
from demsr.dem.geotiff import write_dem
from demsr.pairs.degradations.gebco import as_gebco
from demsr.sources import sample

folder = Path(tempfile.mkdtemp())
write_dem(folder / "gebco.tif", as_gebco(sample.land()))

# %%
# ## In one process, and on a cluster
#
# `demsr super-resolve gebco.tif fine.tif --tile 40 --ray local --workers 2`

demsr.super_resolve_file(folder / "gebco.tif", folder / "one.tif", tile_px=40)
demsr.super_resolve_file(folder / "gebco.tif", folder / "cluster.tif", tile_px=40, ray="local", workers=2)

# %%
import numpy as np

one, cluster = (demsr.read_dem(folder / f"{name}.tif").elevation_m for name in ("one", "cluster"))
print(f"largest difference: {np.abs(one - cluster).max():.4f} m")

# %%
import matplotlib.pyplot as plt
from matplotlib.colors import LightSource

figure, axis = plt.subplots(figsize=(8, 6.6), layout="constrained")
axis.imshow(LightSource().hillshade(cluster, vert_exag=2, dx=80, dy=80), cmap="gray")
for edge in (200, 400):
    axis.axvline(edge, color="tab:cyan", linewidth=0.8)
    axis.axhline(edge, color="tab:cyan", linewidth=0.8) if edge < cluster.shape[0] else None
axis.set_title("computed in tiles, without seams")
