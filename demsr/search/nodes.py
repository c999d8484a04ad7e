"""The machines of a search: how many trials fit on them, and whether all of them have what the driver has."""

from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from demsr.errors import WorkerError
from demsr.runtime.ray_cluster import first_line
from demsr.search.trial import Training, check_node


@dataclass(frozen=True, kw_only=True)
class TrialResources:
    """What a trial gets of the machines.

    Attributes
    ----------
    max_concurrent : trials at a time; None for as many as there is room for
    gpus_per_trial : fractions share a GPU without dividing its memory; None for one where there are any
    """

    max_concurrent: int | None = None
    cpus_per_trial: float = 1
    gpus_per_trial: float | None = None


def check_nodes(training: Training) -> None:
    """Compare code, pairs and pretrained model on each node, once.

    Raises
    ------
    WorkerError : one has something else than the driver
    """
    here = ray.get_runtime_context().get_node_id()
    others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    remote: Any = ray.remote
    check = remote(num_cpus=0)(check_node)
    check_node(training, whole=False)
    for node in others:
        there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        try:
            ray.get(check.options(scheduling_strategy=there).remote(training, whole=True))
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, WorkerError):
                raise error.cause from error
            message = (
                f"the Ray node {node} cannot train ({first_line(error.cause or error)}); install demsr[sweep] there"
            )
            raise WorkerError(message) from error


def room_for(share: TrialResources) -> tuple[float, int]:
    """Return GPUs for each trial, and how many trials fit on the nodes at a time."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    most_gpus = max(node.get("GPU", 0.0) for node in nodes)
    gpus = share.gpus_per_trial if share.gpus_per_trial is not None else min(1.0, most_gpus)
    room = sum(_room_on(node, share.cpus_per_trial, gpus) for node in nodes)
    if room < 1:
        found = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        message = (
            f"a trial needs {share.cpus_per_trial:g} CPUs and {gpus:g} GPUs on one node, the nodes have {found}; "
            "lower --cpus-per-trial or --gpus-per-trial"
        )
        raise WorkerError(message)
    return gpus, room


def _room_on(node: dict[str, float], cpus: float, gpus: float) -> int:
    by_cpu = int(node.get("CPU", 0.0) / cpus)
    return min(by_cpu, int(node.get("GPU", 0.0)) * int(1 / gpus + 1e-9)) if gpus else by_cpu
