"""Report of a training: curves, pictures, errors beside the baselines, model card and data."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demsr.errors import TrackingError
from demsr.inference.load import model_folder
from demsr.model.checkpoint import CONFIG, ModelConfig, read_config
from demsr.pages.charts import Line, line_chart
from demsr.pages.markup import paragraph, picture, properties, section, table
from demsr.pages.page import Written, check_page, page, write_page
from demsr.runtime.files import read_json
from demsr.runtime.project import project_root
from demsr.tracking.runs import find_run
from demsr.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_CURVES = {
    "train_loss": "loss of the training",
    "valid_rmse_m": "validation RMSE (m)",
    "learning_rate": "learning rate",
}
_BASELINE_NAMES = {
    "bicubic": "bicubic",
    "back_projected_bicubic": "back-projected bicubic",
    "linear_7x7": "linear 7 x 7",
}
_OWN = "this model"
_HIDDEN_TAGS = ("mlflow.user", "mlflow.runName", "demsr.lock", "mlflow.log-model.history")


@dataclass(frozen=True)
class StoredRun:
    """A run in the store.

    Attributes
    ----------
    id, name, status, started : of the run
    tags, params : of the run
    inputs : path and MD5 of the files that the run read
    curves : epochs and values, by name of the metric
    pictures : PNG files by name
    """

    id: str
    name: str
    status: str
    started: datetime
    tags: Mapping[str, str]
    params: Mapping[str, str]
    inputs: Sequence[tuple[str, str]]
    curves: Mapping[str, tuple[Sequence[int], Sequence[float]]]
    pictures: Mapping[str, bytes]


@dataclass(frozen=True)
class Training:
    """What the store and the model folder know of a training.

    Attributes
    ----------
    name : as the user has named it
    config : content of the model folder, None for a run that was named by its id
    run : that has produced the weights, None if the store has none
    """

    name: str
    config: ModelConfig | None
    run: StoredRun | None


def report_training(name: str, html: Path | None = None, *, overwrite: bool = False) -> Written:
    """Write a page about a training.

    Parameters
    ----------
    name : id of a run, registered version such as models:/NAME/2, or model folder
    html : page to write; None for a name after that of the training, in the current folder
    overwrite : replace an existing page

    Raises
    ------
    TrackingError, CheckpointError : there is no such run or model
    RasterError : the page cannot be written
    """
    html = check_page(html or page_of(name), overwrite=overwrite)
    training = read_training(name)
    size = write_page(html, page(f"{training.name}: training", training_body(training)))
    return Written(html, size, (training.run.name if training.run else "") or "the store has no run with these weights")


def page_of(*names: str) -> Path:
    """Return a page in the current folder, named after trainings.

    Parameters
    ----------
    names : as given by the user
    """
    stems = [name[:8] if _RUN_ID.fullmatch(name) else name.removeprefix("models:/") for name in names]
    return Path("-and-".join(re.sub(r"[^\w.-]+", "-", stem).strip("-.") for stem in stems) + ".html")


def read_training(name: str) -> Training:
    """Collect what is known of a training.

    Parameters
    ----------
    name : id of a run, registered version, or model folder

    Raises
    ------
    TrackingError, CheckpointError : there is no such run or model
    """
    if _RUN_ID.fullmatch(name):
        return Training(name, None, _read_run(connect(create=False), name))
    config = read_config(model_folder(name))
    client = connect(create=False)
    run_id = find_run(client, config.weights_sha256)
    return Training(name, config, None if run_id is None else _read_run(client, run_id))


def training_body(training: Training) -> str:
    """Return the sections about a training.

    Parameters
    ----------
    training : from `read_training`
    """
    run = training.run
    return "".join(
        [
            _head(run),
            "" if run is None else curves({_OWN: run}),
            "" if run is None else _pictures(run.pictures),
            _baselines(training.config),
            _card(training.config),
            _data(training),
            section("Parameters", properties(dict(sorted(run.params.items())))) if run and run.params else "",
            section("Run", properties(_shown_tags(run.tags))) if run else "",
        ]
    )


def curves(runs: Mapping[str, StoredRun]) -> str:
    """Return the section with a chart of each metric by epoch; empty if there are no curves.

    Parameters
    ----------
    runs : by their names in the legend; two at most
    """
    styles = dict(zip(runs, ("s-result", "s-bicubic"), strict=False))
    charts = []
    for metric, title in _CURVES.items():
        lines = [
            Line(name, np.array(run.curves[metric][0], float), np.array(run.curves[metric][1]), styles[name])
            for name, run in runs.items()
            if metric in run.curves
        ]
        if lines:
            charts.append(line_chart(title, lines, x="epoch", y="", log_y=metric == "learning_rate"))
    return section("Curves", '<div class="charts">', *charts, "</div>\n") if charts else ""


def _read_run(client: "MlflowClient", run_id: str) -> StoredRun:
    try:
        run = client.get_run(run_id)
    except Exception as error:
        message = f"{run_id}: no such run in the store; `make ui` shows the runs and their ids"
        raise TrackingError(message) from error
    histories = {metric: client.get_metric_history(run_id, metric) for metric in _CURVES if metric in run.data.metrics}
    with tempfile.TemporaryDirectory() as folder:
        names = [file.path for file in client.list_artifacts(run_id) if file.path.endswith(".png")]
        pictures = {name: Path(client.download_artifacts(run_id, name, folder)).read_bytes() for name in names}
    used = run.inputs.dataset_inputs if run.inputs else []
    return StoredRun(
        id=run_id,
        name=run.info.run_name or "",
        status=run.info.status.lower(),
        started=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        tags=run.data.tags,
        params=run.data.params,
        inputs=[(one.dataset.name, one.dataset.digest) for one in used],
        curves={
            metric: ([point.step for point in points], [point.value for point in points])
            for metric, points in histories.items()
            if len(points) > 1
        },
        pictures=pictures,
    )


def _head(run: StoredRun | None) -> str:
    if run is None:
        return paragraph("The store has no run with these weights: no curves, parameters and pictures.")
    return paragraph(f"Run {run.name} of {run.started:%Y-%m-%d %H:%M} UTC, {run.status}; id {run.id}.")


def _pictures(pictures: Mapping[str, bytes]) -> str:
    if not pictures:
        return ""
    figures = (
        picture(png, f"{name}: patches of the validation with truth and prediction") for name, png in pictures.items()
    )
    return section("Pictures", *figures)


def _baselines(config: ModelConfig | None) -> str:
    """Return the table of the stage `evaluate`, if it has scored these weights."""
    summary = project_root() / "results/evaluate/scores.json"
    kind = next((kind for kind in ("pretrained", "finetuned") if _is_model_of_project(config, kind)), None)
    if kind is None or not summary.is_file():
        return section(
            "Errors beside the baselines",
            paragraph(
                "Not known: `dvc repro` scores the two models of the project in its stage evaluate, and this is none."
            ),
        )
    parts = []
    for group, methods in read_json(summary).items():
        unit = "m" if "rmse_m" in methods[kind] else "scaled"
        keys = (f"rmse_{unit}", "gain_percent", f"bias_{unit}", f"mae_{unit}", f"nmad_{unit}", f"le90_{unit}")
        names = {**_BASELINE_NAMES, kind: _OWN}
        rows = [
            [name, *(_number(methods[key].get(one)) for one in keys)] for key, name in names.items() if key in methods
        ]
        head = [
            "method",
            f"RMSE ({unit})",
            "gain over bicubic (%)",
            f"bias ({unit})",
            f"MAE ({unit})",
            f"NMAD ({unit})",
            f"LE90 ({unit})",
        ]
        parts.append(table(head, rows, caption=f"held-out areas, {group.replace('_', ' ')}"))
    return section("Errors beside the baselines", *parts)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if abs(value) >= 0.001 else "0"


def _is_model_of_project(config: ModelConfig | None, kind: str) -> bool:
    folder = project_root() / "models" / kind
    return (
        config is not None
        and (folder / CONFIG).is_file()
        and read_config(folder).weights_sha256 == config.weights_sha256
    )


def _card(config: ModelConfig | None) -> str:
    if config is None:
        return ""
    training = config.training
    facts = {
        "use": "not for navigation: detail that is added is likely, not measured",
        "net": ", ".join(f"{name} {value}" for name, value in config.net.model_dump().items()),
        "LR of its pairs": ", ".join(training.get("degradations", [])) or "not recorded",
        "stage, profile and seed": ", ".join(
            str(training.get(name, "not recorded")) for name in ("stage", "profile", "seed")
        ),
        "uncertainty": "calibrated" if config.uncertainty else "not calibrated",
        "SHA-256 of the model": config.model_sha256 or "not recorded",
    }
    return section("Model card", properties(facts))


def _data(training: Training) -> str:
    products = [] if training.config is None else training.config.training.get("data", [])
    head = ["product", "datum", "licence", "commercial use", "files", "SHA-256"]
    keys = ("vertical_datum", "licence", "commercial", "files", "sha256")
    rows = [
        [f"{one['title']} {one.get('version', '')}", *(str(one.get(key, ""))[:60] for key in keys)] for one in products
    ]
    files = [[name, digest] for name, digest in (training.run.inputs if training.run else [])]
    parts = [table(head, rows, caption="products that shaped the weights")] if rows else []
    parts += [table(["file", "MD5"], files, caption="files that the run read")] if files else []
    return section("Data", *parts) if parts else ""


def _shown_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in sorted(tags.items()) if name not in _HIDDEN_TAGS}
