"""Register a trained model, and let the promotion rule decide whether it becomes champion."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from demsr.evaluation.promotion import NUMBERS, PromotionRule, Scores, decide_promotion, mean_gain
from demsr.evaluation.scoring import score
from demsr.lifecycle.model_card import MODEL_DESCRIPTIONS, trained_card
from demsr.model.baselines import Bicubic
from demsr.model.checkpoint import ModelConfig, describe, read_config, read_model
from demsr.model.device import best_device
from demsr.pairs.pair_file import PairFile
from demsr.runtime.files import read_json
from demsr.tracking.decisions import promote, refuse, set_challenger
from demsr.tracking.registry import (
    CHALLENGER,
    CHAMPION,
    DECISION_TAG,
    REASON_TAG,
    REPLACED,
    ROLLED_BACK,
    RegisteredVersion,
    add_version,
    download,
    find_version,
    holder,
    past_champions,
    refused_versions,
    registration,
)
from demsr.tracking.runs import WEIGHTS_TAG, InputData, find_run, tracked_run
from demsr.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAMES = {"pretrained": "dem-srnet-pretrained", "finetuned": "dem-srnet-finetuned"}
_TRAINED = (("pretrained", "pretrain", "land"), ("finetuned", "finetune", "marine"))  # model, stage, domain


@dataclass(frozen=True)
class RegistrationOutcome:
    """Registered version of one model and its promotion decision.

    Attributes
    ----------
    name, version : identity in the registry
    promoted : whether the version is champion
    reason : the decision in words
    numbers : the decision in numbers, gains in per cent
    """

    name: str
    version: int
    promoted: bool
    reason: str
    numbers: dict[str, float]


def register_models(
    *,
    models: Path,
    pairs: Path,
    results: Path,
    min_gain_percent: float,
    max_loss_percent: float,
    bootstrap_resamples: int,
    seed: int,
) -> list[RegistrationOutcome]:
    """Register the pretrained and the finetuned model, each compared with its champion on the test set of its domain.

    Parameters
    ----------
    models, pairs, results : folders of the pipeline
    min_gain_percent, max_loss_percent, bootstrap_resamples, seed : see `PromotionRule`
    """
    rule = PromotionRule(min_gain_percent, max_loss_percent, bootstrap_resamples, seed)
    summary = read_json(results / "evaluate" / "scores.json")
    outcomes = []
    for kind, stage, domain in _TRAINED:
        scores = {group: methods[kind] for group, methods in summary.items()}
        test, curves = pairs / domain / "test.h5", results / stage / "curves.csv"
        outcomes.append(register_trained(kind, models / kind, test, rule, curves=curves, scores=scores))
    return outcomes


def register_trained(
    kind: str,
    folder: Path,
    test: Path,
    rule: PromotionRule,
    *,
    curves: Path,
    scores: Mapping[str, Mapping[str, float]],
) -> RegistrationOutcome:
    """Register a model folder and decide on its promotion; registering it again changes nothing.

    Processes that register at the same time wait for each other.

    Parameters
    ----------
    kind : "pretrained" or "finetuned"
    folder : model folder with weights.safetensors and config.json
    test : pairs on which the model and the champion are scored
    rule : promotion rule
    curves : CSV file with the metrics by epoch; a run is made from it if the store has no run with these weights
    scores : metrics of the model by group of areas, for the model card
    """
    client = connect()
    with registration():
        config, name, test_set = read_config(folder), NAMES[kind], _TestSet(test)
        champion = _champion(client, name, test_set)
        version = find_version(client, name, config.weights_sha256)
        if version is not None and _is_settled(version, champion):
            return _recorded(version)
        old = None if champion is None else test_set.scores_of(champion)
        decision = decide_promotion(test_set.scores(folder), old, test_set.bicubic, rule)
        numbers = {metric: round(value, 3) for metric, value in decision.numbers.items()}
        if version is None:
            net = describe(read_model(folder))
            tags = {"profile": str(config.training["profile"]), "net": net, "test_md5": InputData(test, "testing").md5}
            version = add_version(
                client,
                name,
                folder,
                run_id=find_run(client, config.weights_sha256) or _run_from_files(kind, config, curves, test),
                description=trained_card(net, config.training, scores, decision.reason),
                model_description=MODEL_DESCRIPTIONS[name],
                metrics={f"{group}/{metric}": value for group, row in scores.items() for metric, value in row.items()},
                tags=tags | {metric: f"{value:.3f}" for metric, value in numbers.items()},
            )
        if decision.promote:
            promote(client, version, decision.reason)
        else:
            refuse(client, version, decision.reason)
            _choose_challenger(client, version, test_set)
        return RegistrationOutcome(name, version.version, decision.promote, decision.reason, numbers)


class _TestSet:
    """Scores of models on one test set; each model is scored once.

    Parameters
    ----------
    test : pairs
    """

    def __init__(self, test: Path) -> None:
        self.pairs = PairFile(test)
        self._by_weights: dict[str, Scores] = {}

    @cached_property
    def bicubic(self) -> Scores:
        """Scores of bicubic interpolation."""
        return score(Bicubic(scale=self.pairs.scale), self.pairs)

    def scores(self, folder: Path) -> Scores:
        """Return the scores of the model in a folder."""
        weights = read_config(folder).weights_sha256
        if weights not in self._by_weights:
            self._by_weights[weights] = score(read_model(folder).to(best_device()), self.pairs)
        return self._by_weights[weights]

    def scores_of(self, version: RegisteredVersion) -> Scores:
        """Return the scores of a registered version."""
        return self._by_weights.get(version.tags.get(WEIGHTS_TAG, "")) or self.scores(download(version.uri))

    def gain_percent(self, version: RegisteredVersion) -> float:
        """Return the mean RMSE gain of a registered version over bicubic."""
        return mean_gain(self.scores_of(version), self.bicubic)


def _champion(client: "MlflowClient", name: str, test_set: _TestSet) -> RegisteredVersion | None:
    """Return the champion; if it was deleted or lost, the best of the earlier champions, which becomes champion."""
    if found := holder(client, name, CHAMPION):
        return found
    earlier = past_champions(client, name)
    if not earlier:
        return None
    best = max(earlier, key=test_set.gain_percent)
    gain = f"{test_set.gain_percent(best):+.2f} % RMSE gain over bicubic"
    reason = f"the champion is gone; this is the best of {len(earlier)} earlier champions, {gain}"
    promote(client, best, reason)
    return holder(client, name, CHAMPION)


def _choose_challenger(client: "MlflowClient", refused: RegisteredVersion, test_set: _TestSet) -> None:
    """Make a refused version challenger if it is better than the challenger, or without one, than all refused ones."""
    challenger = holder(client, refused.name, CHALLENGER)
    if challenger is not None and CHAMPION not in challenger.aliases:
        rivals = [challenger]
    else:
        rivals = refused_versions(client, refused.name)
    set_challenger(client, max([*rivals, refused], key=test_set.gain_percent))


def _is_settled(version: RegisteredVersion, champion: RegisteredVersion | None) -> bool:
    """Whether a version is champion, or a person has put another in its place."""
    is_champion = champion is not None and champion.version == version.version
    return is_champion or version.tags.get(DECISION_TAG) in (REPLACED, ROLLED_BACK)


def _recorded(version: RegisteredVersion) -> RegistrationOutcome:
    """Return the decision that is recorded on a version."""
    numbers = {metric: float(value) for metric, value in version.tags.items() if metric in NUMBERS}
    reason = version.tags.get(REASON_TAG, "is champion")  # a person may have set the alias
    return RegistrationOutcome(version.name, version.version, CHAMPION in version.aliases, reason, numbers)


def _run_from_files(kind: str, config: ModelConfig, curves: Path, test: Path) -> str:
    """Make a run for a model whose training run is not in this store."""
    training = config.training
    stage, profile, seed = str(training["stage"]), str(training["profile"]), int(training["seed"])
    with curves.open(encoding="utf-8", newline="") as file:
        rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    options = {"stage": stage, "profile": profile, "seed": seed, "params": training["params"]}
    name, inputs = f"{kind} {profile}, restored from files", [InputData(test, "testing")]
    with tracked_run(name, **options, inputs=inputs) as run:
        for row in rows:
            run.log_epoch(row)
        run.log_weights_sha256(config.weights_sha256)
    return run.id
