"""
# Uncertainty, for a hydrographer

`--uncertainty` adds the standard error of each pixel. It tells where **not** to trust the detail. It knows nothing of objects that the
input does not show: a result is never a survey, and **not for navigation**.
"""

# %%
# ## A sea floor with its standard error
#
# The sea floor is synthetic, and its 15 arc-second grid is a mosaic of soundings, interpolation and noise, drawn at random.

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import demsr
from demsr.dem.geotiff import write_dem
from demsr.pairs.degradations.blind import Blind
from demsr.runtime.seeding import generator
from demsr.sources import sample

folder = Path(tempfile.mkdtemp())
truth = sample.sea_floor(seed=3).window(0, 0, 500, 500)
lr = Blind().degrade(truth.elevation_m, scale=5, random=generator(3, "gallery"))
size = {"rows": 100, "cols": 100, "pixel_width": 15 / 3600, "pixel_height": 15 / 3600}
write_dem(folder / "grid.tif", replace(truth, elevation_m=lr, grid=replace(truth.grid, **size)))
demsr.super_resolve_file(folder / "grid.tif", folder / "fine.tif", uncertain=True)

# %%
import rasterio

with rasterio.open(folder / "fine.tif") as file:
    fine, sigma = file.read()

# %%
# ## Compared with an order of survey
#
# IHO's standard S-44 allows in order 2 a vertical uncertainty of sqrt(1² + (0.023 d)²) metres at depth d, with 95 % confidence. Where
# 1.96 standard errors are larger, the grid does not replace such a survey, by far:

allowed = np.hypot(1.0, 0.023 * fine)
doubtful = 1.96 * sigma > allowed
print(
    f"depths from {-fine.max():.0f} to {-fine.min():.0f} m, standard errors from {sigma.min():.1f} to {sigma.max():.1f} m"
)
print(f"{doubtful.mean():.0%} of the pixels are less certain than order 2 of S-44")

# %%
# The truth is known here, so the statement can be checked: 95 % of the errors should lie within 1.96 standard errors. A synthetic
# sea floor is no evidence about real ones; [Uncertainty](../../uncertainty.md) has the coverage on held-out regions.

error = np.abs(fine - truth.elevation_m)
print(f"{np.mean(error < 1.96 * sigma):.0%} of the errors are within 1.96 standard errors")

# %%
import matplotlib.pyplot as plt
from matplotlib.colors import LightSource

figure, axes = plt.subplots(1, 3, figsize=(14, 4.6), layout="constrained")
axes[0].imshow(LightSource().hillshade(fine, vert_exag=2, dx=80, dy=80), cmap="gray")
axes[0].set_title("super-resolved")
figure.colorbar(axes[1].imshow(sigma, cmap="viridis"), ax=axes[1], label="m")
axes[1].set_title("standard error")
axes[2].imshow(doubtful, cmap="Reds", vmax=1.4)
axes[2].set_title("red: less certain than order 2 of S-44")
