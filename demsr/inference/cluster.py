"""Tiles on a Ray cluster: the same windows, a GPU each where there are any."""

import platform
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch

from demsr.dem.windows import Window
from demsr.errors import RasterError, WorkerError
from demsr.inference.super_resolver import SuperResolver
from demsr.inference.tiles import Source, SourceReader, opened, tile_of
from demsr.model.device import best_device
from demsr.model.srnet import DemSrNet
from demsr.runtime.ray_cluster import first_line

_IN_FLIGHT = 2  # windows that wait or run at a worker, so that none is idle while its tile travels
_MOST_LOSSES = 5  # workers that may be lost one after the other, without a tile in between


class RayWorkers:
    """Compute tiles on the workers of a Ray cluster.

    Parameters
    ----------
    raster : has to lie at the same path on every node
    resolver : is sent to the workers
    workers : how many; None takes one for each GPU, or for each CPU where there is none
    device : of the workers; "cpu" leaves GPUs alone
    """

    def __init__(
        self, raster: SourceReader, resolver: SuperResolver, *, workers: int | None = None, device: str = "auto"
    ) -> None:
        source = raster.source
        tid = None if source.tid is None else source.tid.resolve()
        self.source = replace(source, path=source.path.resolve(), tid=tid)  # workers have other current folders
        self.sha256 = [surface.sha256 for surface in raster.surfaces]
        self.resolver, self.workers, self.device = resolver, workers, device

    def compute(self, windows: list[Window]) -> Iterator[tuple[Window, bytes]]:
        """See `demsr.inference.tiles.Workers`; a worker that is lost is replaced, and its windows are done again.

        Raises
        ------
        WorkerError : workers are lost one after the other
        """
        import ray

        resources = ray.cluster_resources()
        gpus = 0 if self.device == "cpu" else int(resources.get("GPU", 0))
        cpus = int(resources.get("CPU", 1))
        start = self._starter(num_gpus=1 if gpus else 0)
        crew = [start() for _ in range(min(self.workers or gpus or cpus, len(windows)))]
        free = [place for place in range(len(crew)) for _ in range(_IN_FLIGHT)]
        waiting = list(reversed(windows))
        running: dict[Any, tuple[int, Any, Window]] = {}
        losses = 0
        try:
            while waiting or running:
                while waiting and free:
                    place, window = free.pop(), waiting.pop()
                    running[crew[place].tile.remote(window)] = (place, crew[place], window)
                (reference, *_), _ = ray.wait(list(running))
                place, worker, window = running.pop(reference)
                free.append(place)
                try:
                    tile = ray.get(reference)
                except ray.exceptions.RayActorError as error:
                    waiting.append(window)
                    if crew[place] is worker:
                        losses += 1
                        crew[place] = start()
                    if losses > _MOST_LOSSES:
                        message = f"{losses} workers were lost without a tile in between ({first_line(error)})"
                        raise WorkerError(message) from error
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                else:
                    losses = 0
                    yield window, tile
        finally:
            for worker in crew:
                ray.kill(worker)

    def _starter(self, *, num_gpus: int) -> Any:
        """Return a function that starts a worker."""
        import ray

        resolver = self.resolver
        net = ray.put(deepcopy(resolver.net).cpu())
        how = {
            "precision": resolver.precision,
            "consistent": resolver.consistent,
            "uncertain": resolver.uncertain,
            "halo_px": resolver.halo_px,
        }
        remote: Any = ray.remote(num_cpus=1, num_gpus=num_gpus)(_Worker)
        return lambda: remote.remote(self.source, self.sha256, net, how, self.device)


class _Worker:
    """A process that keeps a source open and computes its windows."""

    def __init__(self, source: Source, sha256: list[str], net: DemSrNet, how: dict[str, Any], device: str) -> None:
        torch.set_num_threads(1)
        self.resolver = SuperResolver(net.to(best_device(device)), **how)
        self.sha256, self.opening = sha256, opened(source)
        self.source: SourceReader | None = None

    def tile(self, window: Window) -> bytes:
        if self.source is None:  # here, since what fails in a constructor is told as a lost worker
            source = self.opening.__enter__()  # until the process ends
            if [surface.sha256 for surface in source.surfaces] != self.sha256:
                message = (
                    f"{source.source.path}: is another file on the node {platform.node()}; bring the same one there"
                )
                raise RasterError(message)
            self.source = source
        return tile_of(self.source, self.resolver, window)
