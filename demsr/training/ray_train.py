"""The training loop on the nodes of a Ray cluster, by Ray Train: a lost worker costs the epoch that it was in."""

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import psutil
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from safetensors.torch import load, save
from torch import distributed

from demsr.errors import DemsrError, MissingExtraError, WorkerError
from demsr.model.srnet import DemSrNet
from demsr.pairs.datamodule import PairDataModule
from demsr.runtime.progress import Progress
from demsr.runtime.ray_cluster import first_line, prepare_ray, ray_connection
from demsr.training.fit import FitResult, fit
from demsr.training.progress import EpochRow, OnEpoch

Prepare = Callable[[Path], tuple[DemSrNet, PairDataModule]]

_RETRIES = 5  # of a training with a lost worker or node
_KEPT_CHECKPOINTS = 2
_STEP_TIMEOUT = timedelta(minutes=30)  # of an exchange of gradients, as in Ray Train
_POLL_S = 0.5
_QUIET = {"RAY_TRAIN_ENABLE_STATE_TRACKING": "0", "RAY_TRAIN_METRICS_ENABLED": "0"}


def fit_on_ray(
    net: DemSrNet,
    prepare: Prepare,
    *,
    name: str,
    storage: str,
    max_epochs: int,
    devices: int | Literal["auto"] = "auto",
    title: str = "training",
    on_epoch: OnEpoch | None = None,
    **options: Any,
) -> FitResult:
    """Train as `demsr.training.fit.fit` does, on the workers of the Ray cluster that RAY_ADDRESS names.

    After each epoch the checkpoints go to the storage. If a worker is lost, all of them start again from there, with
    the last finished epoch; so does a later call with the same name.

    Parameters
    ----------
    net : receives the trained weights
    prepare : returns the same net and its batches in a worker, given a folder that the workers of a node share
    name : identity of the training; names the folder in the storage
    storage : folder, or address such as s3://bucket/folder, that all nodes reach
    max_epochs : epochs at most
    devices : number of workers, with a GPU each if the cluster has any; "auto" takes all GPUs, else one worker
    title : label of the progress
    on_epoch : called in this process with the row of each finished epoch
    options : further arguments of `fit`

    Returns
    -------
    result : epochs, curves and cost

    Raises
    ------
    WorkerError : there is no cluster, it has too few CPUs or GPUs, or workers were lost too often
    MissingExtraError : Ray Train is not installed
    CheckpointError : as of `fit`
    """
    address = os.environ.get("RAY_ADDRESS") or "local"
    prepare_ray(address)
    os.environ |= _QUIET
    try:
        import ray.train.torch
        from ray.util.queue import Queue
    except ModuleNotFoundError as error:
        message = f"train.backend ray: {error.name} is not installed; run `pip install 'demsr[sweep]'`"
        raise MissingExtraError(message) from error
    with ray_connection(address):
        workers, gpus = _workers(devices, ray.cluster_resources(), address)
        rows = Queue(actor_options={"num_cpus": 0})
        loop = {"prepare": prepare, "rows": rows, "options": {**options, "max_epochs": max_epochs, "title": title}}
        trainer = _trainer(loop, name=name, storage=storage, workers=workers, gpus=gpus)
        with Progress(title, total=max_epochs, unit="epochs") as progress:

            def show(row: EpochRow) -> None:
                progress.update(row["epoch"], pairs_per_second=round(row["samples_per_second"]))
                if on_epoch is not None:
                    on_epoch(row)

            result, weights = _outcome(trainer.fit, rows, show)
    net.load_state_dict(load(weights))
    net.eval()
    return result


def remove_checkpoints(name: str, storage: str) -> None:
    """Remove the checkpoints of a finished training.

    Parameters
    ----------
    name, storage : as of `fit_on_ray`
    """
    from pyarrow.fs import FileSystem

    filesystem, folder = FileSystem.from_uri(storage if "://" in storage else Path(storage).resolve().as_uri())
    filesystem.delete_dir(f"{folder}/{name}")


def _workers(devices: int | Literal["auto"], resources: dict[str, float], address: str) -> tuple[int, bool]:
    """Return the number of workers, and whether each has a GPU."""
    gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    workers = devices if devices != "auto" else max(gpus, 1)
    if workers > (gpus or cpus):
        found = f"{gpus} GPUs" if gpus else f"{cpus} CPUs and no GPU"
        message = f"ray at {address}: has {found}, the training needs {workers}; add nodes or lower `devices`"
        raise WorkerError(message)
    return workers, gpus > 0


def _trainer(loop: dict[str, Any], *, name: str, storage: str, workers: int, gpus: bool) -> Any:
    import ray.train.torch
    from ray.train.backend import Backend
    from ray.train.torch import TorchConfig

    train: Any = ray.train  # with the annotations of an older interface

    class SharedGpus(Backend):
        share_cuda_visible_devices = True  # workers of a node exchange gradients without the CPU

    class Processes(TorchConfig):
        """Processes alone; they join the group of `_process_group`, since that of Ray listens on all addresses."""

        @property
        def backend_cls(self) -> type[Backend]:
            return SharedGpus

    return train.torch.TorchTrainer(
        _train,
        train_loop_config=loop,
        torch_config=Processes(),
        scaling_config=train.ScalingConfig(num_workers=workers, use_gpu=gpus),
        run_config=train.RunConfig(
            name=name,
            storage_path=storage if "://" in storage else str(Path(storage).resolve()),
            failure_config=train.FailureConfig(max_failures=_RETRIES),
            checkpoint_config=train.CheckpointConfig(num_to_keep=_KEPT_CHECKPOINTS),
            logging_config=train.LoggingConfig(log_level="ERROR"),
        ),
    )


def _outcome(run: Callable[[], Any], rows: Any, on_epoch: OnEpoch) -> tuple[FitResult, bytes]:
    """Run a trainer in a thread, so that this one passes on the rows of its epochs as they come."""
    from ray.train import TrainingFailedError

    ended: list[Any] = []

    def run_and_keep() -> None:
        try:
            ended.append(run())
        except BaseException as error:
            ended.append(error)

    threading.Thread(target=run_and_keep, daemon=True).start()
    while not ended or not rows.empty():
        for row in rows.get_nowait_batch(rows.qsize()):
            if isinstance(row, Exception):  # which would come again with each retry
                raise row
            on_epoch(row)
        time.sleep(0 if ended else _POLL_S)
    (end,) = ended
    if isinstance(end, TrainingFailedError):
        reason = first_line(next(iter(getattr(end, "worker_failures", {}).values()), end))
        message = f"Ray Train failed {_RETRIES + 1} times ({reason}); run this again to continue from the last epoch"
        raise WorkerError(message) from end
    if isinstance(end, BaseException):
        raise end
    outcome: tuple[FitResult, bytes] = end.return_value
    return outcome


def _train(loop: dict[str, Any]) -> tuple[FitResult, bytes] | None:
    """Train in a worker; the first one returns the result and the weights."""
    from ray import train
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

    context, rows = train.get_context(), loop["rows"]
    shared = Path(tempfile.gettempdir()) / f"demsr-{context.get_experiment_name()}"
    shared.mkdir(exist_ok=True)
    try:
        net, data = loop["prepare"](shared)
    except Exception as error:
        rows.put(error)
        raise
    with _process_group(), tempfile.TemporaryDirectory(prefix="demsr-") as temporary:
        folder = Path(temporary)
        if (checkpoint := train.get_checkpoint()) is not None:
            checkpoint.to_directory(folder)
        processes: dict[str, Any] = {"strategy": RayDDPStrategy(), "plugins": [RayLightningEnvironment()]}
        callbacks = [_Report(folder)]
        try:
            result = fit(
                net, data, work_dir=folder, on_epoch=rows.put, callbacks=callbacks, **processes, **loop["options"]
            )
        except SystemExit:  # of all workers but the first
            result = None
        except DemsrError as error:
            rows.put(error)
            raise
    if context.get_local_rank() == 0:
        shutil.rmtree(shared, ignore_errors=True)
    weights = {name: value.contiguous() for name, value in net.state_dict().items()}  # safetensors has no other layout
    return None if result is None else (result, save(weights))


class _Report(Checkpoint):
    """Send the checkpoints of each epoch to the storage; Lightning calls this after those that write them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        from ray import train

        checkpoint = train.Checkpoint.from_directory(self.folder) if trainer.is_global_zero else None
        train.report({"epoch": trainer.current_epoch + 1}, checkpoint=checkpoint)


@contextmanager
def _process_group() -> Iterator[None]:
    """Join the workers to one group, which listens on the addresses of the nodes in the cluster and on no other."""
    import ray
    from ray import train
    from ray.train.collective import broadcast_from_rank_zero

    context, address = train.get_context(), ray.util.get_node_ip_address()
    rank, size = context.get_world_rank(), context.get_world_size()
    listening = socket.create_server((address, 0)) if rank == 0 else None
    host, port = broadcast_from_rank_zero(listening.getsockname()[:2] if listening else None)
    descriptor = listening.detach() if listening else None
    store = distributed.TCPStore(  # type: ignore[attr-defined]
        host, port, size, is_master=rank == 0, master_listen_fd=descriptor, timeout=_STEP_TIMEOUT
    )
    os.environ["LOCAL_RANK"] = str(context.get_local_rank())  # tells Lightning that the processes are there
    os.environ.setdefault("GLOO_SOCKET_IFNAME", _interface(address))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_STEP_TIMEOUT)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _interface(address: str) -> str:
    """Return the name of the network interface that has an address."""
    interfaces = psutil.net_if_addrs().items()
    return next(str(name) for name, found in interfaces if any(one.address == address for one in found))
