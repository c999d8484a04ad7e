"""Import a model of the reference implementation into a model folder and, optionally, into the registry.

An imported version gets no alias: only a comparison on a test set of this project makes a champion or challenger.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demsr.errors import CheckpointError
from demsr.lifecycle.model_card import imported_card
from demsr.model.checkpoint import CONFIG, WEIGHTS, ModelConfig, describe, save_model
from demsr.model.mindspore import import_mindspore
from demsr.runtime.files import sha256_of_file
from demsr.tracking.registry import RegisteredVersion, add_version, find_version, registration
from demsr.tracking.runs import tracked_run
from demsr.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME = "dem-srnet-imported"
REFERENCE_BLOCKS = 42  # default of DEMNet, which MindEarth's main.py always uses
_RUN: dict[str, Any] = {"stage": "import", "profile": "mindspore", "seed": 0}


@dataclass(frozen=True)
class ImportedModel:
    """Result of an import.

    Attributes
    ----------
    net : size of the net in words
    unit : of input and output, "m" or "scaled"
    version : number of the version in the registry, None if it was not registered
    """

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
) -> ImportedModel:
    """Convert a MindSpore checkpoint to a model folder; the same weights are registered once.

    Parameters
    ----------
    source : MindSpore checkpoint, .ckpt
    folder : model folder to write
    scaled_range_m : elevations that are 0 and 1 in the training data of the checkpoint; None keeps the net scaled
    num_blocks : number of ResBlocks that the checkpoint must have; None accepts any
    overwrite : replace `folder` if it is a model folder
    register : add a run and a version of `NAME` to MLflow

    Raises
    ------
    CheckpointError : the checkpoint cannot be used, the folder exists, or these weights are registered with another
        range
    """
    _check_target(folder, overwrite=overwrite)
    net = import_mindspore(source, num_blocks=num_blocks, scaled_range_m=scaled_range_m)
    limits = None if scaled_range_m is None else [float(limit) for limit in scaled_range_m]
    origin = {"source": source.name, "source_sha256": sha256_of_file(source), "scaled_range_m": limits}
    unit = "scaled" if scaled_range_m is None else "m"
    config = save_model(net, folder, training={**_RUN, "params": origin, "unit": unit})
    version = _register(folder, config, describe(net)).version if register else None
    return ImportedModel(describe(net), unit, version)


def _check_target(folder: Path, *, overwrite: bool) -> None:
    """Raise unless the folder does not exist, or is a model folder with nothing else in it that may be overwritten."""
    if not folder.exists():
        return
    if not overwrite:
        message = f"{folder}: exists already; choose another folder or add --overwrite"
        raise CheckpointError(message)
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != {CONFIG, WEIGHTS}:
        message = f"{folder}: not a model folder, which contains only {CONFIG} and {WEIGHTS}; choose another folder"
        raise CheckpointError(message)


def _register(folder: Path, config: ModelConfig, net: str) -> RegisteredVersion:
    client = connect()
    with registration():
        return _add_unless_known(client, folder, config, net)


def _add_unless_known(client: "MlflowClient", folder: Path, config: ModelConfig, net: str) -> RegisteredVersion:
    origin = config.training["params"]
    known = find_version(client, NAME, config.weights_sha256)
    if known is None:
        tags = {"profile": _RUN["profile"], "net": net, "unit": config.training["unit"], **origin}
        tags |= {"promotion_reason": "imported; not scored on a test set of this project"}
        with tracked_run(f"import {origin['source']}", **_RUN, params=origin, inputs=[]) as run:
            return add_version(
                client,
                NAME,
                folder,
                run_id=run.id,
                description=imported_card(net, origin),
                tags={name: str(value) for name, value in tags.items()},
            )
    found, needed = known.tags.get("scaled_range_m"), str(origin["scaled_range_m"])
    if found != needed:
        message = (
            f"models:/{NAME}/{known.version}: these weights are registered with the range {found}, not {needed}; "
            f"use {folder}, or delete that version in MLflow and register again"
        )
        raise CheckpointError(message)
    return known
