"""
# Fit the degradation of your own pair

A net learns to undo what made the coarse grid. Given a coarse grid and a finer one of the same ground, `demsr fit-degradation` finds
what that was, so that pairs for a training can be made in the same way from fine data alone.
"""

# %%
# ## A pair
#
# Two coarse grids of one ground: the first is made as GEBCO makes its land, the second by a provider of whom we know nothing (in truth:
# a Gaussian of 300 m, sampled 3 arc-seconds east of the middle of the cell).

from dataclasses import replace

import numpy as np

from demsr.pairs.degradations.gebco import as_gebco, gaussian_blur
from demsr.sources import sample

fine = sample.land().window(0, 0, 340, 400)
gebco = as_gebco(fine)
blurred = gaussian_blur(fine.elevation_m.astype(float), fine.grid, sigma_m=300)
cells = {"rows": 68, "cols": 80, "pixel_width": 15 / 3600, "pixel_height": 15 / 3600}
other = replace(fine, elevation_m=blurred[2::5, 3::5].astype(np.float32), grid=replace(fine.grid, **cells))

# %%
# ## How were the cells sampled?
#
# `demsr fit-degradation coarse.tif fine.tif` prints the same; so does `demsr inspect` of both files.

from demsr.pairs.fit_gaussian import fit_gaussian
from demsr.reporting.inspection import print_sampling

found = {"gebco": fit_gaussian(gebco, fine), "other": fit_gaussian(other, fine)}
for name, one in found.items():
    print_sampling(name, one)

# %%
# ## Pairs like them
#
# For a grid that follows the law of GEBCO, `pairs.land.degradations: [gebco]` in `params.yaml` makes the pairs. For another, `demsr
# fit-degradation coarse.tif fine.tif --write` fits a blur and the share of cells that were sounded, writes both into `params.yaml`, and
# `[fitted]` makes the pairs.

# %%
import matplotlib.pyplot as plt
from matplotlib.colors import LightSource

figure, axes = plt.subplots(1, 3, figsize=(14, 4.6), layout="constrained")
for axis, image, size_m in zip(axes, (fine, gebco, other), (80, 400, 400), strict=True):
    axis.imshow(LightSource().hillshade(image.elevation_m, vert_exag=2, dx=size_m, dy=size_m), cmap="gray")
for axis, title in zip(axes, ("3 arc-seconds", "as GEBCO", f"Gaussian of {found['other'].sigma_m:.0f} m"), strict=True):
    axis.set_title(title)
