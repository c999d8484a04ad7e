"""
# Train on your region

Rasters of your region go into a folder for land and one for the sea floor; `demsr profile local` writes `params.yaml` for them, and
`dvc repro` runs the stages. Here they are run one by one, with a net and a training as small as this page can wait for.
"""

# %%
# ## A project with rasters
#
# In a clone, everything but the rasters is there. Both rasters are the sample of the package.

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import demsr
from demsr.dem.geotiff import write_dem
from demsr.sources import sample

clone, project = Path(demsr.__file__).parents[1], Path(tempfile.mkdtemp())
for name in ("params.yaml", "dvc.yaml"):
    shutil.copy(clone / name, project)
os.environ["DVC_ROOT"] = str(project)
for folder, raster in (("land", sample.land()), ("marine", sample.sea_floor(seed=1))):
    (project / folder).mkdir()
    write_dem(project / folder / "my_region.tif", raster)

# %%
# ## Parameters
#
# `demsr profile local --land land --marine marine`, and a small net:

from demsr.profiles import write_changes, write_profile

own = {domain: {"folder": domain, "include": ["*.tif"]} for domain in ("land", "marine")}
quadrants = {"split": "quadrants", "degradations": ["block mean"], "stride_hr": 20}
write_profile("sample", project / "params.yaml", {"fetch": {"source": "local", **own}})
write_changes(project / "params.yaml", {"pairs": {"land": quadrants}, "model": {"num_blocks": 2, "features": 12}})
write_changes(
    project / "params.yaml", {"base": {"processes": 1}, "pretrain": {"max_epochs": 12, "learning_rate": 0.005}}
)

# %%
# ## The stages
#
# `dvc repro pretrain` runs them, each if something has changed. Training is on two quadrants of the land; validation and test are on the
# others.

for stage in ("fetch", "harmonise", "pairs", "pretrain"):
    subprocess.run([sys.executable, clone / f"pipelines/{stage}.py"], cwd=project, check=True)

# %%
# `demsr report models/pretrained` writes a page about the run: curves, patches, card. `make ui` shows it in MLflow.

import csv

import matplotlib.pyplot as plt

with (project / "results/pretrain/curves.csv").open() as file:
    rows = list(csv.DictReader(file))
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for axis, name in zip(axes, ("train_loss", "valid_rmse_m"), strict=True):
    axis.plot([int(row["epoch"]) for row in rows], [float(row[name]) for row in rows], marker="o")
    axis.set(xlabel="epoch", ylabel=name)

# %%
figure, axis = plt.subplots(figsize=(11, 6.5), layout="constrained")
axis.imshow(plt.imread(project / "results/pretrain/validation.png"))
axis.set_axis_off()

# %%
# ## Use it

write_dem(project / "coarse.tif", sample.land())  # any raster; its spacing of 3 arc-seconds becomes 0.6
demsr.super_resolve_file(project / "coarse.tif", project / "fine.tif", model=project / "models/pretrained")
print(demsr.read_dem(project / "fine.tif").grid.pixel_size_arcsec())
