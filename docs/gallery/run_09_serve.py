"""
# Serve a model

Every registered model can be served by MLflow: metres in, metres out, over HTTP. The client needs neither `demsr` nor PyTorch.
"""

# %%
# ## A model
#
# After `dvc repro` the registry has models, and their name is enough: `mlflow models serve -m models:/dem-srnet-finetuned@champion`. Here it
# is the net of the package for GEBCO, saved as such a version is.

import socket
import subprocess
import tempfile
import time
from pathlib import Path

import mlflow.pyfunc

import demsr
from demsr.tracking import registry

folder = Path(tempfile.mkdtemp())
net = Path(demsr.__file__).with_name("weights") / "gebco"
code = Path(registry.__file__).with_name("pyfunc_model.py")
mlflow.pyfunc.save_model(
    folder / "served", python_model=str(code), artifacts={"net": str(net)}, pip_requirements=["demsr"]
)

# %%
# ## The server

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
command = [
    "mlflow",
    "models",
    "serve",
    "-m",
    str(folder / "served"),
    "--port",
    str(port),
    "--env-manager",
    "local",
    "--workers",
    "1",
]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

# %%
# ## The client

import requests

address = f"http://127.0.0.1:{port}"
for _ in range(240):
    try:
        if requests.get(f"{address}/ping", timeout=5).ok:
            break
    except requests.ConnectionError:
        time.sleep(0.5)

from demsr.pairs.degradations.gebco import as_gebco
from demsr.sources import sample

before = as_gebco(sample.land()).elevation_m
asked = {"inputs": before[None, None].tolist()}
answer = requests.post(f"{address}/invocations", json=asked, timeout=60).json()
server.terminate()
server.wait()

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LightSource

after = np.array(answer["predictions"], float)[0, 0]
figure, axes = plt.subplots(1, 2, figsize=(11, 6), layout="constrained")
for axis, image, size_m, title in zip(axes, (before, after), (400, 80), ("asked", "answered"), strict=True):
    axis.imshow(LightSource().hillshade(image, vert_exag=2, dx=size_m, dy=size_m), cmap="gray")
    axis.set_title(f"{title}: {image.shape[0]} x {image.shape[1]}")
