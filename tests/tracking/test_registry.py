import pytest
import torch

from demsr.errors import TrackingError
from demsr.model.checkpoint import save_model
from demsr.model.srnet import DemSrNet
from demsr.tracking.decisions import promote
from demsr.tracking.registry import add_version, download, find_version, holder, list_versions
from demsr.tracking.runs import tracked_run
from demsr.tracking.store import connect

NAME = "dem-srnet-test"


def add(folder, seed: int):
    """Register a net that the seed alone determines."""
    torch.manual_seed(seed)
    save_model(DemSrNet(1, 4), folder / f"net{seed}", training={})
    options = {"stage": "pretrain", "profile": "test", "seed": 1, "params": {}, "inputs": []}
    with tracked_run("train", **options) as run:
        return add_version(
            connect(), NAME, folder / f"net{seed}", run_id=run.id, description="a net", tags={"net": str(seed)}
        )


def test_the_same_weights_are_registered_once_and_the_alias_moves_to_the_promoted_version(store):
    first, again, second = add(store, 1), add(store, 1), add(store, 2)
    assert (first.version, again.version, second.version) == (1, 1, 2)
    client = connect()
    assert holder(client, NAME, "champion") is None
    promote(client, first, "first")
    assert holder(client, NAME, "champion").version == 1
    promote(client, second, "better")
    assert {version.version: version.aliases for version in list_versions(client)} == {2: ("champion",), 1: ()}
    assert holder(client, NAME, "champion").version == 2
    assert find_version(client, NAME, second.tags["weights_sha256"]).version == 2
    assert find_version(client, NAME, "0" * 64) is None
    folder = download(f"models:/{NAME}@champion")
    assert (folder / "weights.safetensors").read_bytes() == (store / "net2" / "weights.safetensors").read_bytes()


def test_a_download_names_the_models_that_exist(store):
    add(store, 1)
    with pytest.raises(TrackingError, match=f"models:/other@champion: no such model.*registered are: {NAME};"):
        download("models:/other@champion")
