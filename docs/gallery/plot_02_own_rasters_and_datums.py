"""
# Your own rasters, and their datums

A raster rarely says everything about its numbers. `demsr inspect` lists what a file states and what had to be assumed, and
declarations replace wrong assumptions. [Your own rasters](../../data.md) has all rules.
"""

# %%
# ## A survey in feet below chart datum
#
# The file states no unit, no datum, and that nothing is void; its depths count downwards, and 0 marks gaps.

import tempfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

from demsr.sources import sample

folder = Path(tempfile.mkdtemp())
floor = sample.sea_floor(seed=1).window(0, 0, 300, 300)
feet = np.rint(-(floor.elevation_m + 2300) / 0.3048).astype(np.float32)
feet[100:140, 60:120] = 0
place = Affine(3 / 3600, 0, floor.grid.west, 0, -3 / 3600, floor.grid.north)
options = {"driver": "GTiff", "dtype": "float32", "count": 1, "crs": "EPSG:4326", "transform": place}
with rasterio.open(folder / "survey.tif", "w", height=300, width=300, **options) as file:
    file.write(feet, 1)

# %%
# ## What `demsr inspect survey.tif` says

from demsr.dem.read.declared import Declared
from demsr.reporting.inspection import print_inspection
from demsr.sources.inspection import inspect_raster

print_inspection(inspect_raster(folder / "survey.tif"))

# %%
# ## Declared properties
#
# On the command line: `demsr inspect survey.tif --unit ft --positive down --nodata 0 --vertical-datum MLLW`.

declared = Declared(unit="ft", positive="down", nodata=0, vertical_datum="MLLW")
print_inspection(inspect_raster(folder / "survey.tif", declared))

# %%
# Metres above MLLW, positive up, and the gap is void:

import matplotlib.pyplot as plt

from demsr.dem.read.raster import read_dem

dem = read_dem(folder / "survey.tif", declared=declared)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
for axis, image, title in zip(axes, (feet, dem.elevation_m), ("as stored", "elevation (m) above MLLW"), strict=True):
    figure.colorbar(axis.imshow(image, cmap="viridis"), ax=axis)
    axis.set_title(title)

# %%
# ## Another datum
#
# `demsr convert survey.tif egm.tif --to EGM2008` uses the geoid grids of PROJ. There are none for tidal datums, and `demsr` says so
# instead of returning the numbers unchanged:

from demsr import DemsrError
from demsr.dem.geoid import convert_datum

try:
    convert_datum(dem, "EGM2008")
except DemsrError as error:
    print(error)
