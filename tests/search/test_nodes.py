import pytest

pytest.importorskip("ray", reason="ray is not installed; `pip install 'demsr[sweep]'` installs it")

import ray

from demsr.errors import WorkerError
from demsr.search.nodes import TrialResources, trial_capacity


@pytest.fixture
def nodes(monkeypatch):
    """Two live nodes, one with GPUs, and a dead one."""
    live = [{"Alive": True, "Resources": {"CPU": 5.0, "GPU": 2.0}}, {"Alive": True, "Resources": {"CPU": 3.0}}]
    monkeypatch.setattr(ray, "nodes", lambda: [*live, {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}])


@pytest.mark.parametrize(
    ("cpus", "gpus", "expected"),
    [(2, 0, (0, 3)), (1, None, (1.0, 2)), (1, 0.5, (0.5, 4)), (1, 0.3, (0.3, 5)), (3, 0.5, (0.5, 1))],
)
def test_capacity_is_limited_by_cpus_and_gpus_of_each_live_node(nodes, cpus, gpus, expected):
    assert trial_capacity(TrialResources(cpus_per_trial=cpus, gpus_per_trial=gpus)) == expected


def test_a_trial_that_fits_on_no_node_is_refused(nodes):
    message = "a trial needs 6 CPUs and 0 GPUs on one node, the nodes have 5 CPUs and 2 GPUs, 3 CPUs and 0 GPUs"
    with pytest.raises(WorkerError, match=message):
        trial_capacity(TrialResources(cpus_per_trial=6, gpus_per_trial=0))
