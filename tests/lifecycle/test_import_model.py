import hashlib
import json

import mlflow
import numpy as np
import pytest
import torch
from mindspore_files import demnet, write

from demsr.errors import CheckpointError
from demsr.inference.load import load_model
from demsr.lifecycle.import_model import NAME, ImportedModel, import_model
from demsr.model.checkpoint import CONFIG, WEIGHTS, read_config
from demsr.model.mindspore import import_mindspore
from demsr.tracking.registry import list_versions
from demsr.tracking.store import connect

RANGE_M = (-11_000.0, 9000.0)


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "net.ckpt", demnet())


def test_the_folder_loads_as_the_net_of_the_checkpoint_and_names_it(source, tmp_path):
    imported = import_model(source, tmp_path / "model", scaled_range_m=RANGE_M, num_blocks=2)
    assert imported == ImportedModel("2 blocks x 3 features, 540 parameters", "m", None)
    lr_m = torch.linspace(-8000, 4000, 30).reshape(1, 1, 5, 6)
    with torch.inference_mode():
        expected = import_mindspore(source, scaled_range_m=RANGE_M)(lr_m)
        assert torch.equal(load_model(tmp_path / "model", device="cpu")(lr_m), expected)
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    params = {"source": "net.ckpt", "source_sha256": sha256, "scaled_range_m": [-11_000, 9000]}
    training = {"stage": "import", "profile": "mindspore", "seed": 0, "params": params, "unit": "m"}
    assert read_config(tmp_path / "model").training == training


def test_without_a_range_the_unit_is_said_to_be_scaled(source, tmp_path):
    assert import_model(source, tmp_path / "model", num_blocks=2).unit == "scaled"
    training = read_config(tmp_path / "model").training
    assert (training["unit"], training["params"]["scaled_range_m"]) == ("scaled", None)


def test_by_default_a_net_must_be_as_deep_as_the_reference(source, tmp_path):
    with pytest.raises(CheckpointError, match=r"net.ckpt: the net has 2 blocks, required are 42; give a complete"):
        import_model(source, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_model_is_replaced_only_if_asked(source, tmp_path):
    import_model(source, tmp_path / "model", num_blocks=2)
    with pytest.raises(CheckpointError, match="model: exists already; choose another folder or add --overwrite"):
        import_model(source, tmp_path / "model", num_blocks=2, scaled_range_m=RANGE_M)
    assert read_config(tmp_path / "model").training["unit"] == "scaled"
    import_model(source, tmp_path / "model", num_blocks=2, scaled_range_m=RANGE_M, overwrite=True)
    assert read_config(tmp_path / "model").training["unit"] == "m"


def test_nothing_but_a_model_is_ever_replaced(source, tmp_path):
    import_model(source, tmp_path / "model", num_blocks=2)
    (tmp_path / "model" / "thesis.txt").write_text("mine")
    for occupied in (tmp_path / "model", source):
        with pytest.raises(CheckpointError, match=f"not a model folder, which contains only {CONFIG} and {WEIGHTS}"):
            import_model(source, occupied, num_blocks=2, overwrite=True)
    assert (tmp_path / "model" / "thesis.txt").read_text() == "mine"


def test_a_registered_import_is_there_once_and_has_no_alias(source, store):
    options = {"num_blocks": 2, "scaled_range_m": RANGE_M, "register": True}
    first = import_model(source, store / "model", **options)
    again = import_model(source, store / "model", **options, overwrite=True)
    assert first == again == ImportedModel("2 blocks x 3 features, 540 parameters", "m", 1)
    (version,) = list_versions(connect())
    assert (version.name, version.aliases) == (NAME, ())
    assert version.tags["promotion_reason"] == "imported; not scored on a test set of this project"
    assert (version.tags["unit"], version.tags["scaled_range_m"]) == ("m", "[-11000.0, 9000.0]")
    run = connect().get_run(version.run_id)
    assert (run.info.run_name, run.info.status) == ("import net.ckpt", "FINISHED")
    assert run.data.params["source_sha256"] == version.tags["source_sha256"]
    assert "-11000 to 9000 m were 0..1" in connect().get_model_version(NAME, "1").description
    assert len(connect().search_runs(["1"])) == 1


def test_a_registered_import_can_be_pulled_in_each_way(source, store):
    import_model(source, store / "model", num_blocks=2, scaled_range_m=RANGE_M, register=True)
    lr_m = np.linspace(-8000, 4000, 30, dtype=np.float32).reshape(1, 1, 5, 6)
    with torch.inference_mode():
        expected = load_model(store / "model", device="cpu")(torch.from_numpy(lr_m)).numpy()
        found = load_model(f"models:/{NAME}/1", device="cpu")(torch.from_numpy(lr_m)).numpy()
    np.testing.assert_array_equal(found, expected)
    served = mlflow.pyfunc.load_model(f"models:/{NAME}/1", model_config={"device": "cpu"})
    np.testing.assert_allclose(served.predict(lr_m), expected, rtol=1e-5)


def test_the_same_weights_with_another_range_are_not_taken_for_the_registered_ones(source, store):
    import_model(source, store / "scaled", num_blocks=2, register=True)
    with pytest.raises(
        CheckpointError, match=rf"models:/{NAME}/1: these weights are registered with the range None, not \[-11000"
    ):
        import_model(source, store / "metres", num_blocks=2, scaled_range_m=RANGE_M, register=True)
    assert json.loads((store / "metres" / CONFIG).read_text())["training"]["unit"] == "m"
    assert [version.version for version in list_versions(connect())] == [1]
