"""Cluster nodes of a search: capacity in trials, and a check that all have the driver's code and data."""

from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from demsr.errors import WorkerError
from demsr.runtime.ray_cluster import first_line
from demsr.search.trial import TrialSetup, check_node


@dataclass(frozen=True, kw_only=True)
class TrialResources:
    """Resources of each trial.

    Attributes
    ----------
    max_concurrent : limit of simultaneous trials; None for the capacity of the nodes
    cpus_per_trial : CPUs, and threads, of a trial
    gpus_per_trial : a fraction shares a GPU without dividing its memory; None for one GPU if there are any
    """

    max_concurrent: int | None = None
    cpus_per_trial: float = 1
    gpus_per_trial: float | None = None


def check_nodes(setup: TrialSetup) -> None:
    """Check once that every node has the code, pairs and pretrained model of the driver.

    Parameters
    ----------
    setup : settings with the checksums of the driver

    Raises
    ------
    WorkerError : code or data of a node differ from the driver's, or demsr cannot be imported there
    """
    check_node(setup, hash_pairs=False)
    remote: Any = ray.remote
    remote_check = remote(num_cpus=0)(check_node)
    driver = ray.get_runtime_context().get_node_id()
    for node in (node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != driver):
        strategy = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        try:
            ray.get(remote_check.options(scheduling_strategy=strategy).remote(setup, hash_pairs=True))
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, WorkerError):
                raise error.cause from error
            reason = first_line(error.cause or error)
            message = f"Ray node {node}: training is not possible ({reason}); install demsr[sweep] there"
            raise WorkerError(message) from error


def trial_capacity(resources: TrialResources) -> tuple[float, int]:
    """Compute how many trials the nodes can run at a time.

    Parameters
    ----------
    resources : resources of each trial

    Returns
    -------
    gpus : GPUs of each trial
    capacity : number of simultaneous trials

    Raises
    ------
    WorkerError : no node has the resources of one trial
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus, gpus = resources.cpus_per_trial, resources.gpus_per_trial
    if gpus is None:
        gpus = min(1.0, max(node.get("GPU", 0.0) for node in nodes))
    capacity = 0
    for node in nodes:
        by_cpu = int(node.get("CPU", 0.0) / cpus)
        capacity += min(by_cpu, int(node.get("GPU", 0.0)) * int(1 / gpus + 1e-9)) if gpus else by_cpu
    if capacity < 1:
        available = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        message = (
            f"a trial needs {cpus:g} CPUs and {gpus:g} GPUs on one node, the nodes have {available}; "
            "lower --cpus-per-trial or --gpus-per-trial"
        )
        raise WorkerError(message)
    return gpus, capacity
