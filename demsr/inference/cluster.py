"""Compute tiles on a Ray cluster, one worker for each GPU or CPU."""

import platform
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch

from demsr.dem.windows import Window
from demsr.errors import RasterError, WorkerError
from demsr.inference.object_store import ObjectStore
from demsr.inference.source import RasterSource, SourceReader, open_source
from demsr.inference.super_resolver import SuperResolver
from demsr.inference.tiles import compute_tile
from demsr.model.device import best_device
from demsr.model.srnet import DemSrNet
from demsr.runtime.ray_cluster import first_line

_WINDOWS_PER_WORKER = 2  # submitted at the same time, so that no worker waits while its tile travels
_MOST_LOSSES = 5  # workers lost in a row, without a tile in between


class RayWorkers:
    """Compute tiles on the workers of a connected Ray cluster.

    Parameters
    ----------
    source : open raster; without `store`, every node must have the same file at the same path
    resolver : net to apply, sent to the workers
    workers : number of workers; None takes one for each GPU, or for each CPU where there is no GPU
    device : of the workers; "cpu" leaves GPUs unused
    store : object store by which raster and tiles travel; None for Ray's own, and a raster that all nodes have
    """

    def __init__(
        self,
        source: SourceReader,
        resolver: SuperResolver,
        *,
        workers: int | None = None,
        device: str = "auto",
        store: ObjectStore | None = None,
    ) -> None:
        described = source.source
        tid = None if described.tid is None else described.tid.resolve()
        self.source = replace(described, path=described.path.resolve(), tid=tid)  # workers have other current folders
        self.sha256 = [reader.sha256 for reader in source.readers]
        self.resolver, self.workers, self.device, self.store = resolver, workers, device, store
        if store is not None:
            store.share(source)

    def compute(self, windows: list[Window]) -> Iterator[tuple[Window, bytes]]:
        """Yield each window with its encoded tile, in any order; replace lost workers and repeat their windows.

        Parameters
        ----------
        windows : LR cells of the region

        Raises
        ------
        WorkerError : more than five workers were lost in a row
        """
        if self.store is None:
            yield from self._compute(windows)
            return
        left = set(windows)
        for window, tile in self.store.finished(windows):
            left.remove(window)
            yield window, tile
        yield from self._compute([window for window in windows if window in left])

    def _compute(self, windows: list[Window]) -> Iterator[tuple[Window, bytes]]:
        import ray

        start, count = self._starter()
        crew = [start() for _ in range(min(count, len(windows)))]
        free = [slot for slot in range(len(crew)) for _ in range(_WINDOWS_PER_WORKER)]
        waiting = list(reversed(windows))
        running: dict[Any, tuple[int, Any, Window]] = {}
        losses = 0
        try:
            while waiting or running:
                while waiting and free:
                    slot, window = free.pop(), waiting.pop()
                    running[crew[slot].tile.remote(window)] = (slot, crew[slot], window)
                (reference, *_), _ = ray.wait(list(running))
                slot, worker, window = running.pop(reference)
                free.append(slot)
                try:
                    tile = ray.get(reference)
                except ray.exceptions.RayActorError as error:
                    waiting.append(window)
                    if crew[slot] is worker:
                        losses += 1
                        crew[slot] = start()
                    if losses > _MOST_LOSSES:
                        message = f"{losses} Ray workers were lost in a row ({first_line(error)})"
                        raise WorkerError(message) from error
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                else:
                    losses = 0
                    yield window, self._content(tile)
        finally:
            for worker in crew:
                ray.kill(worker)

    def _content(self, tile: bytes | str) -> bytes:
        """Return a tile that a worker has sent, or that it has put into the object store under this name."""
        if isinstance(tile, bytes):
            return tile
        if self.store is None or (content := self.store.tile(tile)) is None:
            message = f"{self.store}, {tile}: the tile is damaged; run the same command again with --resume"
            raise RasterError(message)
        return content

    def _starter(self) -> tuple[Any, int]:
        """Return a function that starts a worker, and the number of workers."""
        import ray

        resources = ray.cluster_resources()
        gpus = 0 if self.device == "cpu" else int(resources.get("GPU", 0))
        resolver = self.resolver
        net = ray.put(deepcopy(resolver.net).cpu())
        options = {name: getattr(resolver, name) for name in ("precision", "consistent", "uncertain", "halo_px", "law")}
        remote: Any = ray.remote(num_cpus=1, num_gpus=1 if gpus else 0)(_Worker)
        count = self.workers or gpus or int(resources.get("CPU", 1))
        return lambda: remote.remote(self.source, self.sha256, net, options, self.device, self.store), count


class _Worker:
    """A process that keeps a raster open and computes its windows."""

    def __init__(
        self,
        source: RasterSource,
        sha256: list[str],
        net: DemSrNet,
        options: dict[str, Any],
        device: str,
        store: ObjectStore | None,
    ) -> None:
        torch.set_num_threads(1)
        self.resolver = SuperResolver(net.to(best_device(device)), **options)
        self.described, self.sha256, self.store = source, sha256, store
        self.source: SourceReader | None = None

    def tile(self, window: Window) -> bytes | str:
        if self.source is None:  # opened here, since Ray reports errors of a constructor as a lost worker
            described = self.described if self.store is None else self.store.here(self.described, self.sha256)
            self.opening = open_source(described)
            source = self.opening.__enter__()  # until the process ends
            if [reader.sha256 for reader in source.readers] != self.sha256:
                message = f"{source.source.path}: the node {platform.node()} has another file; copy the same one there"
                raise RasterError(message)
            self.source = source
        tile = compute_tile(self.source, self.resolver, window)
        return tile if self.store is None else self.store.add(window, tile)
