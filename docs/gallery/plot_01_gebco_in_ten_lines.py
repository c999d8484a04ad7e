"""
# GEBCO in ten lines

From a file of GEBCO to 3 arc-seconds, and a look at both. GEBCO itself is too large to come with the package, so the
lines below first make its cells from real land, the Jacksboro fault in Tennessee, as GEBCO makes them from SRTM.
"""

# %%
# ## A file of GEBCO
#
# With a file of your own, begin below. The name says `gebco`, so `demsr` takes the net for GEBCO.

import tempfile
from pathlib import Path

from demsr.dem.geotiff import write_dem
from demsr.pairs.degradations.gebco import as_gebco
from demsr.sources import sample

folder = Path(tempfile.mkdtemp())
truth = sample.land()
write_dem(folder / "gebco.tif", as_gebco(truth))

# %%
# ## Ten lines

import matplotlib.pyplot as plt
from matplotlib.colors import LightSource

import demsr

demsr.super_resolve_file(folder / "gebco.tif", folder / "fine.tif", placement="srtm")
before, after = demsr.read_dem(folder / "gebco.tif").elevation_m, demsr.read_dem(folder / "fine.tif").elevation_m
figure, axes = plt.subplots(1, 2, figsize=(11, 6), layout="constrained")
for axis, image, size_m in zip(axes, (before, after), (400, 80), strict=True):
    axis.imshow(LightSource().hillshade(image, vert_exag=2, dx=size_m, dy=size_m), cmap="gray")
    axis.set_title(f"{image.shape[0]} x {image.shape[1]} cells")

# %%
# ## How good is it?
#
# Here the truth is known. `placement="srtm"` has put the pixels where those of the SRTM are, so they can be compared one by one. The
# net has not seen this place.

import numpy as np

from demsr.model.baselines import Bicubic
import torch

rows, cols = after.shape
with torch.inference_mode():
    bicubic = Bicubic()(torch.from_numpy(before.copy())[None, None])[0, 0].numpy()
for name, image in (("bicubic", bicubic), ("super-resolved", after)):
    error = image - truth.elevation_m[:rows, :cols]
    print(f"{name}: RMSE {np.sqrt(np.mean(error**2)):.1f} m")

# %%
# `demsr report fine.tif --against srtm.tif` writes a page with this comparison, maps, profiles and spectra.
