"""Put a trained model before the champion and into the registry. Used by the last stage and by `demsr models`."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demsr.evaluation.promotion import NUMBERS, PromotionDecision, PromotionRule, judge
from demsr.evaluation.scoring import score
from demsr.metrics.elevation import unit_of
from demsr.model.baselines import Bicubic
from demsr.model.checkpoint import ModelConfig, describe, read_config, read_model
from demsr.model.device import best_device
from demsr.pairs.store import PairFile
from demsr.params import Params
from demsr.tracking.registry import (
    CHAMPION,
    RegisteredVersion,
    add_version,
    champion,
    download,
    find_version,
    set_standing,
)
from demsr.tracking.runs import InputData, existing_run, tracked_run
from demsr.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAMES = {"pretrained": "dem-srnet-pretrained", "finetuned": "dem-srnet-finetuned"}


@dataclass(frozen=True)
class Outcome:
    """What became of one model."""

    name: str
    version: int
    promoted: bool
    reason: str
    numbers: dict[str, float]


def register_models(params: Params) -> list[Outcome]:
    """Register the models that the stages have left, each judged on the test set of its domain."""
    paths, section = params.paths, params.registration
    rule = PromotionRule(
        min_gain_percent=section.min_gain_percent,
        max_loss_percent=section.max_loss_percent,
        resamples=section.bootstrap_resamples,
        seed=params.base.seed,
    )
    numbers = json.loads((paths.results / "evaluate" / "metrics.json").read_text(encoding="utf-8"))
    return [
        register_trained(
            kind,
            paths.models / kind,
            paths.pairs / domain / "test.h5",
            rule,
            run_file=paths.results / stage / "run.json",
            results={group: methods[kind] for group, methods in numbers.items()},
        )
        for kind, stage, domain in (("pretrained", "pretrain", "land"), ("finetuned", "finetune", "marine"))
    ]


def register_trained(
    kind: str, folder: Path, test: Path, rule: PromotionRule, *, run_file: Path, results: Mapping[str, Any]
) -> Outcome:
    """Register a model folder and let the rule decide whether it becomes champion; doing it twice changes nothing.

    Parameters
    ----------
    kind : "pretrained" or "finetuned"
    test : pairs on which candidate and champion are both scored, now
    run_file : JSON with the id of the training run; where the store does not know it, a run is made from the files
    results : the model's row of the closing table, for the description
    """
    client = connect()
    config, name = read_config(folder), NAMES[kind]
    version = find_version(client, name, config.weights_sha256)
    if version is not None and CHAMPION in version.aliases:
        numbers = {metric: float(value) for metric, value in version.tags.items() if metric in NUMBERS}
        return Outcome(name, version.version, True, version.tags.get("promotion_reason", "is champion"), numbers)
    verdict = _verdict(client, name, folder, test, rule)
    version = version or _add(client, kind, folder, config, verdict, run_file=run_file, test=test, results=results)
    set_standing(client, version, promote=verdict.promote, reason=verdict.reason)
    numbers = {metric: round(value, 3) for metric, value in verdict.numbers.items()}  # as in the tags of the version
    return Outcome(name, version.version, verdict.promote, verdict.reason, numbers)


def _verdict(client: "MlflowClient", name: str, folder: Path, test: Path, rule: PromotionRule) -> PromotionDecision:
    pairs = PairFile(test)
    incumbent = None
    if champion(client, name):
        incumbent = score(read_model(download(f"models:/{name}@{CHAMPION}")).to(best_device()), pairs)
    return judge(
        score(read_model(folder).to(best_device()), pairs), incumbent, score(Bicubic(scale=pairs.scale), pairs), rule
    )


def _add(
    client: "MlflowClient",
    kind: str,
    folder: Path,
    config: ModelConfig,
    verdict: PromotionDecision,
    *,
    run_file: Path,
    test: Path,
    results: Mapping[str, Any],
) -> RegisteredVersion:
    training = config.training
    run_id = existing_run(client, _recorded_run(run_file)) or _run_from_files(kind, config, run_file, test)
    net = describe(read_model(folder))
    rows = "\n".join(_table_row(group, row) for group, row in results.items())
    description = (
        f"{net}; profile {training['profile']}, seed {training['seed']}.\n\n"
        f"| held-out areas | RMSE | gain over bicubic |\n|---|---|---|\n{rows}\n\n{verdict.reason}\n"
        f"{_trained_on(training.get('data', []))}"
    )
    metrics = {f"{group}/{metric}": value for group, row in results.items() for metric, value in row.items()}
    tags = {"profile": str(training["profile"]), "net": net, "test_md5": InputData(test, "testing").md5}
    numbers = {metric: f"{value:.3f}" for metric, value in verdict.numbers.items()}
    return add_version(
        client,
        NAMES[kind],
        folder,
        run_id=run_id,
        weights_sha256=config.weights_sha256,
        description=description,
        metrics=metrics,
        tags=tags | numbers,
    )


def _recorded_run(run_file: Path) -> str | None:
    if not run_file.is_file():
        return None
    run_id: str = json.loads(run_file.read_text(encoding="utf-8"))["run_id"]
    return run_id


def _run_from_files(kind: str, config: ModelConfig, run_file: Path, test: Path) -> str:
    """Make a run for a model whose training run this store has never seen or has lost."""
    training = config.training
    with run_file.with_name("curves.csv").open(encoding="utf-8", newline="") as file:
        curves = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    name = f"{kind} {training['profile']}, restored from files"
    with tracked_run(
        name,
        stage=str(training["stage"]),
        profile=str(training["profile"]),
        seed=int(training["seed"]),
        params=training["params"],
        inputs=[InputData(test, "testing")],
    ) as run:
        for row in curves:
            run.log_epoch(row)
    return run.id


def _trained_on(products: Sequence[Mapping[str, Any]]) -> str:
    """Return the part of a model's card that names its data, empty where a model does not carry it."""
    if not products:
        return ""
    rows = "\n".join(
        f"| {product['title']} {product.get('version', '')} | {product.get('vertical_datum', '')} "
        f"| {product.get('licence', '')} | {product.get('commercial', '')} | {product['files']:,} "
        f"| {product['sha256'][:12]} |"
        for product in products
    )
    citations = (
        f"- {product['citation']} {product.get('doi', '')}".rstrip() for product in products if "citation" in product
    )
    cited = "\n".join(dict.fromkeys(citations))
    head = "| data | datum | licence | commercial use | files | sha256 |\n|---|---|---|---|---|---|"
    return f"\n{head}\n{rows}\n" + (f"\nCite\n\n{cited}\n" if cited else "")


def _table_row(group: str, row: Mapping[str, float]) -> str:
    unit = unit_of(row)
    return f"| {group.replace('_', ' ')} | {row[f'rmse_{unit}']:.4g} {unit} | {row['gain_percent']:+.1f} % |"
