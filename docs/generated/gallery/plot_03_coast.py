"""
# A coast with land and sea

Land and sea floor of GEBCO have different sources, so the bundled model has a net for each, and the type identifiers of GEBCO (TID)
say which cells are land. Where the sea was measured, `--consistency` keeps its cells.
"""

# %%
# ## A drowned valley
#
# The Jacksboro fault again, 330 m lower: the valley becomes a sea. Its land is that of GEBCO, its floor the mean of each cell.

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from demsr.dem.geotiff import write_dem
from demsr.pairs.degradations.gebco import as_gebco
from demsr.sources import sample

folder = Path(tempfile.mkdtemp())
valley = sample.land()
valley = replace(valley, elevation_m=valley.elevation_m - 330).window(0, 0, 340, 400)
land = as_gebco(valley.without(valley.elevation_m < 0))
floor = valley.elevation_m.reshape(68, 5, 80, 5).mean(axis=(1, 3))
is_land = land.elevation_m > 0
write_dem(folder / "gebco.tif", replace(land, elevation_m=np.where(is_land, land.elevation_m, np.minimum(floor, -1))))

# %%
# GEBCO's type identifiers: 0 is land, 11 a cell measured by multibeam sonar.

import rasterio

with rasterio.open(folder / "gebco.tif") as file:
    profile = {**file.profile, "dtype": "uint8", "nodata": None}
with rasterio.open(folder / "gebco_tid.tif", "w", **profile) as file:
    file.write(np.where(is_land, 0, 11).astype(np.uint8), 1)

# %%
# ## Super-resolve
#
# The command is `demsr super-resolve gebco.tif fine.tif --tid gebco_tid.tif --consistency`.

import demsr

demsr.super_resolve_file(folder / "gebco.tif", folder / "fine.tif", tid=folder / "gebco_tid.tif", consistent=True)
before, after = demsr.read_dem(folder / "gebco.tif").elevation_m, demsr.read_dem(folder / "fine.tif").elevation_m

# %%
# The line is the shore, 0 m.

import matplotlib.pyplot as plt
from matplotlib.colors import LightSource

figure, axes = plt.subplots(1, 2, figsize=(11, 5.4), layout="constrained")
for axis, image, size_m in zip(axes, (before, after), (400, 80), strict=True):
    axis.imshow(LightSource().hillshade(image, vert_exag=2, dx=size_m, dy=size_m), cmap="gray")
    axis.contour(image, levels=[0], colors="tab:cyan", linewidths=1)
    axis.set_title(f"{image.shape[0]} x {image.shape[1]} cells")

# %%
# Measured cells keep their mean; on land, where a cell of GEBCO is no mean, they need not.

means = after.reshape(68, 5, 80, 5).mean(axis=(1, 3))
for name, cells in (("sea", ~is_land), ("land", is_land)):
    print(f"{name}: mean of 5 x 5 pixels - cell: {np.abs(means - before)[cells].max():.3f} m at most")
