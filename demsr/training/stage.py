"""A training stage of the pipeline, from files of pairs to a model folder and its tracked run."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from demsr.errors import CheckpointError
from demsr.model.checkpoint import describe, read_config, read_model
from demsr.model.device import best_device
from demsr.model.srnet import DemSrNet
from demsr.model.uncertainty import Uncertainty
from demsr.options import TrainingBackend
from demsr.pairs.datamodule import PairDataModule
from demsr.pairs.pair_file import PairFile
from demsr.runtime.dvc_files import DvcFiles
from demsr.runtime.files import read_json
from demsr.tracking.runs import InputData, tracked_run
from demsr.training.artifacts import save_training
from demsr.training.fit import FitResult, fit
from demsr.training.prepare import prepare_finetuning, prepare_pretraining
from demsr.training.resume import work_key

_LOADER_OPTIONS = ("batch_size", "workers")
_PICTURE_ROWS = 3


@dataclass(frozen=True)
class TrainingStage:
    """Inputs, options and output folders of a training stage.

    Attributes
    ----------
    name : "pretrain" or "finetune"
    profile : name of the parameter set, for people
    seed : base seed of weights and batches
    options : batch_size, workers and keyword arguments of `demsr.training.fit.fit`
    pairs : folder of train.h5 and valid.h5
    products : JSON file with the provenance of the data
    model, results, work : folders of the model, of metrics and curves, and of checkpoints
    net_options : keyword arguments of `DemSrNet`, to train a new net
    start : folder of the pretrained model, to fine-tune its tail instead
    backend : where it runs
    checkpoints : folder or address of the checkpoints of the backend "ray"; None for `work`
    """

    name: str
    profile: str
    seed: int
    options: Mapping[str, Any]
    pairs: Path
    products: Path
    model: Path
    results: Path
    work: Path
    net_options: Mapping[str, Any] | None = None
    start: Path | None = None
    backend: TrainingBackend = "local"
    checkpoints: str | None = None

    @property
    def params(self) -> dict[str, Any]:
        """Parameters that identify the training, seed and data apart."""
        if self.start is None:
            return {"model": self.net_options, self.name: self.options}
        return {self.name: self.options, "pretrained_sha256": read_config(self.start).weights_sha256}

    def net_and_data(self, train: PairFile, valid: PairFile, *, cache: Path) -> tuple[DemSrNet, PairDataModule]:
        """Return the net to train and its batches; features of a frozen net are cached in the folder `cache`."""
        loader = {name: self.options[name] for name in _LOADER_OPTIONS}
        if self.start is None:
            return prepare_pretraining(train, valid, net_options=self.net_options or {}, seed=self.seed, **loader)
        return prepare_finetuning(train, valid, start=self.start, cache=cache, seed=self.seed, **loader)

    def data_rows(self) -> list[dict[str, Any]]:
        """Return the provenance of all data that shaped the weights: a new net has seen no marine data."""
        rows = read_json(self.products)
        return rows if self.start else [row for row in rows if row["kinds"] != ["marine"]]


def run_training(
    stage: TrainingStage,
    *,
    calibrate: Callable[[DemSrNet, PairFile], Uncertainty | None],
    examples: Callable[..., list[Any]],
    draw: Callable[[Path, list[Any]], None],
) -> None:
    """Train or continue, save the artifacts, and track all of it in one run.

    Parameters
    ----------
    stage : what to train, on what, and where to write
    calibrate : finds the uncertainty of the trained net on the validation pairs
    examples : chooses patches for the picture, see `demsr.evaluation.examples.comparisons`
    draw : writes the picture of these patches

    Raises
    ------
    CheckpointError : another process trains this model
    """
    with _only_training_of(stage.model):
        train, valid = (PairFile(stage.pairs / f"{split}.h5") for split in ("train", "valid"))
        inputs = [InputData(train.path, "training"), InputData(valid.path, "validation")]
        params = stage.params
        identity: dict[str, Any] = {"profile": stage.profile, "seed": stage.seed}
        key = work_key({**params, "seed": stage.seed}, [data.md5 for data in inputs])
        work_dir = stage.work / key
        net, train_net = _prepared(stage, train, valid, work_dir, md5=[data.md5 for data in inputs])
        name, logged = f"{stage.name} {stage.profile}: {describe(net)}", {"model": net.config(), **params}
        with tracked_run(name, stage=stage.name, params=logged, inputs=inputs, work_key=key, **identity) as run:
            run.log_file(stage.products)
            run.log_tags({"train.backend": stage.backend})
            options = {name: value for name, value in stage.options.items() if name not in _LOADER_OPTIONS}
            options |= {"tail_only": stage.start is not None, "unit": train.unit}
            result = train_net(title=stage.name, on_epoch=run.log_epoch, **options)
            degradations = sorted({area.degradation for area in train.areas})
            training = {
                "stage": stage.name,
                **identity,
                "params": params,
                "data": stage.data_rows(),
                "unit": valid.unit,
            }
            training["degradations"] = degradations
            uncertainty = calibrate(net.to(best_device()), valid)
            folders = {"model": stage.model, "results": stage.results}
            save_training(run, net, result, training=training, uncertainty=uncertainty, **folders)
            rows = examples(valid, net, rows=_PICTURE_ROWS, method=stage.model.name)
            draw(stage.results / "validation.png", rows)
            run.log_file(stage.results / "validation.png")
        shutil.rmtree(work_dir, ignore_errors=True)
        if stage.backend == "ray" and stage.checkpoints:
            from demsr.training.ray_train import remove_checkpoints

            remove_checkpoints(key, stage.checkpoints)


def _prepared(
    stage: TrainingStage, train: PairFile, valid: PairFile, work_dir: Path, *, md5: Sequence[str]
) -> tuple[DemSrNet, Callable[..., FitResult]]:
    """Return the net to train, and the function that trains it where the stage says."""
    if stage.backend == "local":
        net, data = stage.net_and_data(train, valid, cache=work_dir)
        return net, partial(fit, net, data, work_dir=work_dir)
    from demsr.training.ray_train import fit_on_ray

    files = [DvcFiles.of([train.path, valid.path], md5)]
    if stage.start is None:
        net, _ = stage.net_and_data(train, valid, cache=work_dir)
    else:  # its features are computed on the nodes
        net = read_model(stage.start)
        files.append(DvcFiles.of([path for path in sorted(stage.start.iterdir()) if path.is_file()]))
    prepare = partial(_net_and_data_on_node, stage, files)
    return net, partial(fit_on_ray, net, prepare, name=work_dir.name, storage=stage.checkpoints or str(stage.work))


def _net_and_data_on_node(stage: TrainingStage, files: list[DvcFiles], cache: Path) -> tuple[DemSrNet, PairDataModule]:
    """Return the net and its batches on a node that may lack the files; its workers share the cache."""
    pairs, *start = (one.here() for one in files)
    train, valid = (PairFile(pairs / name) for name in files[0].md5)
    with FileLock(cache / "lock"):
        return replace(stage, start=start[0] if start else None).net_and_data(train, valid, cache=cache)


@contextmanager
def _only_training_of(model: Path) -> Iterator[None]:
    """Hold the lock of a model folder; only the first process of a distributed training takes it."""
    if int(os.environ.get("LOCAL_RANK", "0")) > 0:
        yield
        return
    model.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(model.with_name(f".{model.name}.lock"), timeout=0):
            yield
    except Timeout as error:
        message = f"{model}: another process is training this model; wait until it ends, then run this again"
        raise CheckpointError(message) from error
