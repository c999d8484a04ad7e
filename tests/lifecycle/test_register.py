import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow.pyfunc.scoring_server import predictions_to_json
from mlflow.utils.proto_json_utils import parse_tf_serving_input
from pair_files import make_pairs

from demsr.errors import TrackingError
from demsr.evaluation.promotion import PromotionRule
from demsr.inference.load import load_model
from demsr.lifecycle.register import RegistrationOutcome, register_trained
from demsr.model.checkpoint import save_model
from demsr.model.srnet import DemSrNet
from demsr.tracking.decisions import promote, promote_by_hand, roll_back
from demsr.tracking.registry import add_version, list_versions
from demsr.tracking.runs import tracked_run
from demsr.tracking.store import connect, experiment_id
from demsr.training.prepare import new_net

RULE = PromotionRule(min_gain_percent=1.0, max_loss_percent=0.5, resamples=200, seed=1)
NAME = "dem-srnet-pretrained"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemSrNet, DemSrNet]:
    """A test set, a net that is better than bicubic on it, and one that is better still."""
    from demsr.pairs.datamodule import PairDataModule, TrainPairs, ValidPairs
    from demsr.training.fit import fit

    folder = tmp_path_factory.mktemp("trained")
    pairs = make_pairs(folder / "test.h5", count=4)
    nets = []
    for epochs in (2, 25):
        net = new_net(seed=1, num_blocks=1, features=8)
        data = PairDataModule(
            TrainPairs(pairs, seed=1, augment=True), ValidPairs(pairs), batch_size=2, workers=0, seed=1
        )
        options = {"learning_rate": 5e-3, "learning_rate_decay": 0.97, "patience": 30, "devices": 1}
        fit(net, data, work_dir=folder / f"work{epochs}", max_epochs=epochs, **options)
        nets.append(net)
    return pairs.path, nets[0], nets[1]


def register(net: DemSrNet, test: Path, folder: Path, **more: object) -> RegistrationOutcome:
    training = {"stage": "pretrain", "profile": "test", "seed": 1, "params": {"model": {"num_blocks": 1}}, **more}
    save_model(net, folder / "pretrained", training=training)
    (folder / "curves.csv").write_text("epoch,train_loss,valid_rmse_m\n1,0.5,4.5\n2,0.25,3.5\n")
    scores = {"land_3arcsec": {"rmse_m": 3.5, "gain_percent": 12.0}}
    curves = folder / "curves.csv"
    return register_trained("pretrained", folder / "pretrained", test, RULE, curves=curves, scores=scores)


def test_a_better_model_takes_the_place_of_the_champion_and_a_worse_one_is_refused_visibly(store, trained):
    test, good, better = trained
    first = register(good, test, store)
    assert (first.version, first.promoted) == (1, True)
    second = register(better, test, store)
    assert (second.version, second.promoted) == (2, True)
    assert second.numbers["gain_over_champion_percent"] > 1
    third = register(good, test, store)
    assert (third.version, third.promoted) == (1, False)  # known already, and no longer good enough
    versions = {version.version: version for version in list_versions(connect())}
    assert versions[2].aliases == ("champion",)
    assert versions[1].aliases == ("challenger",)
    assert versions[1].tags["promotion"] == "refused"
    assert "% over the champion" in versions[1].tags["promotion_reason"]


def bad_net() -> DemSrNet:
    """A net that is worse than bicubic."""
    torch.manual_seed(0)
    net = DemSrNet(1, 8)
    torch.nn.init.normal_(net.last.weight)
    return net


def aliases() -> dict[int, tuple[str, ...]]:
    return {version.version: version.aliases for version in list_versions(connect())}


def test_after_the_loss_of_the_champion_an_earlier_one_is_champion_and_a_refused_model_stays_refused(store, trained):
    test, good, better = trained
    for net in (good, better, bad_net()):
        register(net, test, store)
    connect().delete_model_version(NAME, "2")  # its alias goes with it
    again = register(bad_net(), test, store)
    assert (again.version, again.promoted) == (3, False)
    assert "% over the champion" in again.reason
    assert aliases() == {1: ("champion",), 3: ("challenger",)}
    reason = connect().get_model_version(NAME, "1").tags["promotion_reason"]
    assert reason.startswith("the champion is gone; this is the best of 1 earlier champions, +")


def test_of_several_earlier_champions_the_one_with_the_best_score_returns(store, trained):
    test, good, better = trained
    register(better, test, store)
    register(good, test, store)
    register(bad_net(), test, store)
    versions = {version.version: version for version in list_versions(connect())}
    for number in (2, 3):  # as a person may decide
        promote(connect(), versions[number], "")
    connect().delete_registered_model_alias(NAME, "champion")
    outcome = register(good, test, store)
    assert (outcome.version, outcome.promoted) == (2, False)
    assert "champion" in aliases()[1]


def test_the_challenger_is_the_best_refused_model_not_the_last(store, trained):
    test, good, better = trained
    for net in (better, good, bad_net()):
        register(net, test, store)
    assert aliases() == {1: ("champion",), 2: ("challenger",), 3: ()}
    connect().delete_registered_model_alias(NAME, "challenger")
    register(bad_net(), test, store)
    assert aliases() == {1: ("champion",), 2: ("challenger",), 3: ()}


def test_a_champion_that_also_has_the_alias_challenger_is_no_rival_of_refused_models(store, trained):
    test, good, better = trained
    register(better, test, store)
    connect().set_registered_model_alias(NAME, "challenger", "1")
    register(good, test, store)
    assert aliases() == {1: ("champion",), 2: ("challenger",)}


def test_the_rule_does_not_undo_what_a_person_has_decided(store, trained):
    test, good, better = trained
    register(good, test, store)
    register(better, test, store)
    roll_back(NAME, reason="seams")
    outcome = register(better, test, store)
    assert (outcome.promoted, outcome.reason) == (False, "rolled back to version 1: seams")
    promote_by_hand(NAME, 2, reason="repaired")
    outcome = register(good, test, store)
    assert (outcome.promoted, outcome.reason) == (False, "version 2 was promoted by hand: repaired")
    assert aliases() == {1: (), 2: ("champion",)}


def test_registering_twice_changes_nothing(store, trained):
    test, good, _ = trained
    first = register(good, test, store)
    again = register(good, test, store)
    assert again == first
    (version,) = list_versions(connect())
    assert version.version == 1
    steps = [point.step for point in connect().get_metric_history(version.run_id, "valid_rmse_m")]
    assert steps == [1, 2]  # the store had no run of this training, so one was made from the files


def test_a_model_belongs_to_the_run_that_has_trained_it(store, trained):
    test, good, _ = trained
    sha256 = save_model(good, store / "copy", training={}).weights_sha256
    with tracked_run("training", stage="pretrain", profile="test", seed=1, params={}, inputs=[]) as run:
        run.log_weights_sha256(sha256)
    register(good, test, store)
    (version,) = list_versions(connect())
    assert version.run_id == run.id
    assert len(connect().search_runs([connect().get_run(run.id).info.experiment_id])) == 1


def test_a_model_worse_than_bicubic_is_no_champion(store, trained):
    test, _, _ = trained
    outcome = register(bad_net(), test, store)
    assert not outcome.promoted
    assert re.fullmatch(
        r"no champion to beat, -.* % RMSE gain over bicubic \(.*\); refused: a gain above 0 is needed", outcome.reason
    )
    assert list_versions(connect())[0].aliases == ("challenger",)


def test_a_registered_model_can_be_pulled_in_each_way(store, trained, monkeypatch):
    test, good, _ = trained
    register(good, test, store)
    lr = (40 * np.random.default_rng(1).normal(size=(2, 1, 6, 9)) - 3000).astype(np.float32)
    with torch.inference_mode():
        expected = good(torch.from_numpy(lr)).numpy()
    net = load_model(f"models:/{NAME}@champion", device="cpu")
    with torch.inference_mode():
        np.testing.assert_allclose(net(torch.from_numpy(lr)).numpy(), expected, atol=2e-3)
    served = mlflow.pyfunc.load_model(f"models:/{NAME}@champion", model_config={"device": "cpu"})
    np.testing.assert_allclose(served.predict(lr), expected, atol=2e-3)
    lr[0, 0, 2, 3] = np.nan
    assert np.isnan(served.predict(lr)).sum() == 25
    version = connect().get_model_version_by_alias(NAME, "champion")
    assert "gain over bicubic" in version.description
    assert served.metadata.signature.inputs.inputs[0].shape == (-1, 1, -1, -1)


def test_voids_are_null_in_the_json_of_a_served_model(store, trained):
    test, good, _ = trained
    register(good, test, store)
    served = mlflow.pyfunc.load_model(f"models:/{NAME}@champion", model_config={"device": "cpu"})
    question = {"inputs": [[[[100.0, 110.0, 90.0, 80.0], [100.0, None, 90.0, 80.0], [95.0, 100.0, 90.0, 85.0]]]]}
    answer = io.StringIO()
    lr = parse_tf_serving_input(question, served.metadata.get_input_schema())
    predictions_to_json(served.predict(lr), answer)

    def refuse_constant(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    ((image,),) = json.loads(answer.getvalue(), parse_constant=refuse_constant)["predictions"]
    void = np.array([[value is None for value in row] for row in image])
    expected = np.zeros((15, 20), bool)
    expected[5:10, 5:10] = True
    np.testing.assert_array_equal(void, expected)


def test_nothing_in_a_registered_model_is_pickled(store, trained):
    test, good, _ = trained
    register(good, test, store)
    files = [path for path in (store / "mlartifacts").rglob("*") if path.is_file()]
    assert any(path.name == "weights.safetensors" for path in files)
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".pt", ".pth", ".bin")]


def test_a_model_that_does_not_exist_is_named(store):
    with pytest.raises(TrackingError, match="models:/nothing@champion: no such model.*registered are: none"):
        load_model("models:/nothing@champion")


def test_a_champion_that_cannot_be_reached_is_not_replaced(store, trained, monkeypatch):
    test, good, better = trained
    register(good, test, store)

    def time_out(**_):
        raise OSError("timed out")

    monkeypatch.setattr("mlflow.artifacts.list_artifacts", time_out)
    with pytest.raises(OSError, match="timed out"):
        register(better, test, store)
    assert [version.version for version in list_versions(connect())] == [1]


def test_lost_artifacts_are_registered_again(store, trained):
    test, good, _ = trained
    register(good, test, store)
    shutil.rmtree(store / "mlartifacts")
    with pytest.raises(TrackingError, match="demsr models --restore"):
        load_model(f"models:/{NAME}@champion")
    again = register(good, test, store)
    assert (again.version, again.promoted) == (2, True)
    assert load_model(f"models:/{NAME}@champion", device="cpu").num_blocks == 1


def test_the_card_of_a_model_names_its_data_with_licence_checksum_and_citation(store, trained):
    test, good, _ = trained
    sheet = {
        "version": "001",
        "vertical_datum": "EGM96",
        "licence": "open",
        "commercial": "allowed",
        "citation": "NASADEM.",
        "doi": "10.5067/X",
    }
    data = [
        {"product": "nasadem", "title": "NASADEM Merged DEM", "files": 1200, "bytes": 1, "sha256": "ab" * 32, **sheet},
        {"product": "local", "title": "Rasters of the user", "files": 2, "bytes": 1, "sha256": "cd" * 32},
    ]
    register(good, test, store, data=data)
    (version,) = connect().search_model_versions(f"name='{NAME}'")
    assert "| NASADEM Merged DEM 001 | EGM96 | open | allowed | 1,200 | abababababab |" in version.description
    assert "| Rasters of the user  |  |  |  | 2 | cdcdcdcdcdcd |" in version.description
    assert version.description.rstrip().endswith("- NASADEM. 10.5067/X")


REGISTER = """
import os, sys
from pathlib import Path
from demsr.evaluation.promotion import PromotionRule
from demsr.lifecycle.register import register_trained

folder, test = Path(sys.argv[1]), Path(sys.argv[2])
rule = PromotionRule(min_gain_percent=1.0, max_loss_percent=0.5, resamples=200, seed=1)
scores = {"land_3arcsec": {"rmse_m": 3.5, "gain_percent": 12.0}}
children = []
for _ in range(3):
    if child := os.fork():
        children.append(child)
        continue
    try:
        register_trained("pretrained", folder / "pretrained", test, rule, curves=folder / "curves.csv", scores=scores)
    except BaseException as error:
        print(type(error), error, flush=True)
        os._exit(1)
    os._exit(0)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def write_model(net: DemSrNet, folder: Path) -> None:
    training = {"stage": "pretrain", "profile": "test", "seed": 1, "params": {"model": {"num_blocks": 1}}}
    save_model(net, folder / "pretrained", training=training)
    (folder / "curves.csv").write_text("epoch,train_loss,valid_rmse_m\n1,0.5,4.5\n2,0.25,3.5\n")


def test_three_processes_register_the_same_weights_once(store, trained):
    test, good, _ = trained
    write_model(good, store)
    command = [sys.executable, "-c", REGISTER, str(store), str(test)]
    done = subprocess.run(command, cwd=store, capture_output=True, text=True, check=True)
    assert done.stdout == "[0, 0, 0]\n"
    (version,) = list_versions(connect())
    assert (version.version, version.aliases) == (1, ("champion",))
    (run,) = connect().search_runs([experiment_id(connect())])
    assert run.info.status == "FINISHED"


def test_the_second_of_two_machines_takes_the_version_of_the_first(store, trained, monkeypatch):
    test, good, _ = trained
    register(good, test, store)
    with monkeypatch.context() as patched:  # the other machine added its version after the look
        patched.setattr("demsr.tracking.registry.find_version", lambda *_: None)
        run_id = connect().search_runs([experiment_id(connect())])[0].info.run_id
        added = add_version(connect(), NAME, store / "pretrained", run_id=run_id, description="", tags={})
    assert added.version == 1
    assert [version.version for version in list_versions(connect())] == [1]


def test_files_that_are_links_are_registered_as_files(store, trained):
    test, good, _ = trained
    write_model(good, store)
    (store / "cache").mkdir()
    for number, path in enumerate(sorted((store / "pretrained").iterdir())):
        path.rename(store / "cache" / str(number))
        path.symlink_to(store / "cache" / str(number))
    scores = {"land_3arcsec": {"rmse_m": 3.5, "gain_percent": 12.0}}
    outcome = register_trained(
        "pretrained", store / "pretrained", test, RULE, curves=store / "curves.csv", scores=scores
    )
    assert outcome.promoted
    shutil.rmtree(store / "cache")
    lr = torch.rand(1, 1, 8, 9)
    with torch.no_grad():
        torch.testing.assert_close(load_model(f"models:/{NAME}@champion", device="cpu")(lr), good.cpu().eval()(lr))
    assert not [path for path in (store / "mlartifacts").rglob("*") if path.is_symlink()]
