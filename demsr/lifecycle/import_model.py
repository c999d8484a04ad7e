"""Bring a model of the reference implementation over: into a model folder and, if wished, into the registry.

The registry gets it without an alias: champion and challenger are what a test set here has decided.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demsr.errors import CheckpointError
from demsr.model.checkpoint import CONFIG, WEIGHTS, ModelConfig, describe, save_model
from demsr.model.mindspore import import_mindspore
from demsr.runtime.files import sha256_of_file
from demsr.tracking.registry import RegisteredVersion, add_version, find_version
from demsr.tracking.runs import tracked_run
from demsr.tracking.store import connect

NAME = "dem-srnet-imported"
REFERENCE_BLOCKS = 42  # what MindEarth's main.py always builds, from the default of DEMNet


@dataclass(frozen=True)
class Imported:
    """What became of a checkpoint; it is registered as models:/NAME/version unless that is None."""

    net: str
    unit: str
    version: int | None


def import_model(
    source: Path,
    folder: Path,
    *,
    scaled_range_m: tuple[float, float] | None = None,
    num_blocks: int | None = REFERENCE_BLOCKS,
    overwrite: bool = False,
    register: bool = False,
) -> Imported:
    """Write the model folder of a MindSpore checkpoint; the same weights are registered once.

    Parameters
    ----------
    scaled_range_m, num_blocks : as in `import_mindspore`
    overwrite : replace `folder` if it is a model folder
    register : make a run and a version of `NAME` in MLflow too

    Raises
    ------
    CheckpointError : the checkpoint cannot be used, the folder exists, or these weights are registered with another
        range
    """
    _refuse_to_replace(folder, overwrite=overwrite)
    net = import_mindspore(source, num_blocks=num_blocks, scaled_range_m=scaled_range_m)
    origin = {"source": source.name, "source_sha256": sha256_of_file(source), "scaled_range_m": _listed(scaled_range_m)}
    unit = "scaled" if scaled_range_m is None else "m"
    training = {"stage": "import", "profile": "mindspore", "seed": 0, "params": origin, "unit": unit}
    config = save_model(net, folder, training=training)
    version = _register(folder, config, describe(net)).version if register else None
    return Imported(describe(net), unit, version)


def _listed(scaled_range_m: tuple[float, float] | None) -> list[float] | None:
    return None if scaled_range_m is None else [float(limit) for limit in scaled_range_m]


def _refuse_to_replace(folder: Path, *, overwrite: bool) -> None:
    """Raise unless the folder is free, or may be overwritten and has nothing that is not of a model."""
    if not folder.exists():
        return
    if not overwrite:
        message = f"{folder}: exists already; choose another folder or add --overwrite"
        raise CheckpointError(message)
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != {CONFIG, WEIGHTS}:
        message = f"{folder}: is not a model folder, which has {CONFIG} and {WEIGHTS} alone; choose another folder"
        raise CheckpointError(message)


def _register(folder: Path, config: ModelConfig, net: str) -> RegisteredVersion:
    client, training = connect(), config.training
    origin: dict[str, Any] = training["params"]
    known = find_version(client, NAME, config.weights_sha256)
    if known is None:
        name = f"import {origin['source']}"
        with tracked_run(name, stage="import", profile="mindspore", seed=0, params=origin, inputs=[]) as run:
            return add_version(
                client,
                NAME,
                folder,
                run_id=run.id,
                weights_sha256=config.weights_sha256,
                description=_description(net, origin),
                metrics={},
                tags=_tags(net, training),
            )
    found, needed = known.tags.get("scaled_range_m"), str(origin["scaled_range_m"])
    if found != needed:
        message = (
            f"models:/{NAME}/{known.version}: has these weights with the range {found}, not {needed}; "
            f"use {folder}, or delete that version in MLflow and register again"
        )
        raise CheckpointError(message)
    return known


def _tags(net: str, training: dict[str, Any]) -> dict[str, str]:
    origin = {name: str(value) for name, value in training["params"].items()}
    standing = {"promotion_reason": "imported; no test set here has judged it"}
    return {"profile": training["profile"], "net": net, "unit": training["unit"], **origin, **standing}


def _description(net: str, origin: dict[str, Any]) -> str:
    limits = origin["scaled_range_m"]
    values = "values scaled to 0..1 as its training data were"
    if limits is not None:
        values = f"metres; {limits[0]:g} to {limits[1]:g} m were 0..1 in its training data"
    return (
        f"{net}; the reference implementation of DEM-SRNet, from its MindSpore checkpoint `{origin['source']}`.\n\n"
        f"Takes and gives {values}. No test set here has judged it.\n"
    )
