"""
# Voids

A void in the input is a void in the output, cell by cell; nothing is invented there. Around it the net needs some value, and gets that
of a plane through the measured cells. [How it works](../../super-resolve.md#how-it-works) has the details.
"""

# %%
# ## A grid with gaps

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import demsr
from demsr.dem.geotiff import write_dem
from demsr.pairs.degradations.gebco import as_gebco
from demsr.sources import sample

folder = Path(tempfile.mkdtemp())
whole = as_gebco(sample.land())
gaps = np.zeros(whole.elevation_m.shape, bool)
gaps[20:32, 30:44] = True
gaps[:, 60:62] = True
rows, cols = np.indices(gaps.shape)
gaps |= np.hypot(rows - 52, cols - 20) < 6
write_dem(folder / "whole_gebco.tif", whole)
write_dem(folder / "gaps_gebco.tif", replace(whole, elevation_m=np.where(gaps, np.float32(np.nan), whole.elevation_m)))

# %%
# ## Both super-resolved

for name in ("whole", "gaps"):
    demsr.super_resolve_file(folder / f"{name}_gebco.tif", folder / f"{name}_fine.tif")
fine = {name: demsr.read_dem(folder / f"{name}_fine.tif").elevation_m for name in ("whole", "gaps")}
assert np.array_equal(np.isnan(fine["gaps"]), gaps.repeat(5, axis=0).repeat(5, axis=1))

# %%
# How far does a gap change its surroundings? Most within a few cells, and not at all beyond the reach of the net:

from scipy import ndimage

distance = ndimage.distance_transform_edt(~gaps).repeat(5, axis=0).repeat(5, axis=1)
change = np.abs(fine["gaps"] - fine["whole"])
for near, far in ((0, 1), (1, 2), (2, 4), (4, 8)):
    between = (distance > near) & (distance <= far)
    print(f"{near} to {far} cells from a gap: {np.sqrt(np.mean(change[between] ** 2)):.2f} m RMS")

# %%
import matplotlib.pyplot as plt
from matplotlib.colors import LightSource

figure, axes = plt.subplots(1, 2, figsize=(11, 5.4), layout="constrained")
axes[0].imshow(LightSource().hillshade(fine["gaps"], vert_exag=2, dx=80, dy=80), cmap="gray")
axes[0].set_title("super-resolved; voids are white")
axes[1].set_facecolor("white")
figure.colorbar(axes[1].imshow(change, cmap="magma", vmax=5), ax=axes[1], label="m")
axes[1].set_title("change by the gaps")
