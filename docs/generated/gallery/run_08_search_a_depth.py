"""
# Search a depth

How many residual blocks are enough for your pairs? A sweep is one YAML file; Ray Tune runs its trials, Optuna suggests the next, and
the finalists are trained again with several seeds. [Sweeps](../../sweeps.md) explains the keys.
"""

# %%
# ## A project with pairs
#
# In a clone, `dvc repro` makes the pairs. Here they are those of the sample, few of them.

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import demsr
from demsr.profiles import write_changes

clone, project = Path(demsr.__file__).parents[1], Path(tempfile.mkdtemp())
for name in ("params.yaml", "dvc.yaml"):
    shutil.copy(clone / name, project)
os.environ["DVC_ROOT"] = str(project)
few = {"base": {"processes": 1}, "pairs": {"land": {"stride_hr": 30}, "marine": {"stride_hr": 160}}}
write_changes(project / "params.yaml", few)
for stage in ("fetch", "harmonise", "pairs"):
    subprocess.run([sys.executable, clone / f"pipelines/{stage}.py"], cwd=project, check=True)

# %%
# ## The sweep

(project / "depth.yaml").write_text("""
stage: pretrain
subject: model.num_blocks
sample:
  search:
    model.num_blocks: {int: [1, 4]}
    pretrain.learning_rate: {log: [1.0e-3, 1.0e-2]}
  fixed: {model.features: 8}
  reference: {model.num_blocks: 2}
  enqueue: [{model.num_blocks: 1}, {model.num_blocks: 4}]
  trials: 5
  epochs: 6
  seed: 1
  finalists: {best: 1, seeds: [1, 2]}
""")
done = subprocess.run(["demsr", "sweep", "depth.yaml"], cwd=project, check=True, capture_output=True, text=True)
print(done.stdout)

# %%
# Such a search is too short for a verdict, and the verdict says so. The picture has every trial:

import matplotlib.pyplot as plt

picture = next((project / "results").rglob("*.png"))
figure, axis = plt.subplots(figsize=(11, 6), layout="constrained")
axis.imshow(plt.imread(picture))
axis.set_axis_off()
