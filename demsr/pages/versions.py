"""Report of two models: what differs between their trainings, and where one is better."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from demsr.lifecycle.compare import ModelComparison, compare_models, example_patches
from demsr.options import Domain
from demsr.pages.markup import paragraph, picture, section, table
from demsr.pages.page import Written, check_page, page, write_page
from demsr.pages.training import Training, curves, page_of, read_training
from demsr.reporting.figures import save_comparison
from demsr.tracking.runs import flattened

_NONE = "none"


def report_versions(
    first: str,
    second: str,
    html: Path | None = None,
    *,
    tests: Mapping[Domain, Path],
    resamples: int,
    seed: int,
    rows: int,
    overwrite: bool = False,
) -> Written:
    """Write a page about two models.

    Parameters
    ----------
    first, second : registered versions such as models:/NAME/2, or model folders
    html : page to write; None for a name after those of the models, in the current folder
    tests : file of test pairs by domain
    resamples, seed : of the block bootstrap, see `demsr.evaluation.promotion.PromotionRule`
    rows : patches of each domain in the picture
    overwrite : replace an existing page

    Raises
    ------
    TrackingError, CheckpointError : a model does not exist
    PairsError : a file of pairs does not exist or is damaged
    RasterError : the page cannot be written
    """
    html = check_page(html or page_of(first, second), overwrite=overwrite)
    trainings = [read_training(name) for name in (first, second)]
    domains = compare_models(first, second, tests, resamples=resamples, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder, "patches.png")
        save_comparison(drawn, example_patches(first, second, tests, rows=rows))
        patches = drawn.read_bytes()
    body = (
        paragraph(_verdict(domains))
        + _differences(*trainings)
        + "".join(_areas(first, second, domain) for domain in domains)
        + curves({training.name: training.run for training in trainings if training.run})
        + section("Patches", picture(patches, f"test patches with the predictions of {first} and {second} in turn"))
    )
    size = write_page(html, page(f"{first} and {second}", body))
    return Written(html, size, _verdict(domains))


def _verdict(domains: Sequence[ModelComparison]) -> str:
    return "; ".join(
        f"{one.domain}: the second model has a gain of {one.gain_percent:+.2f} % over the first "
        f"(95 % interval {one.low:+.2f} to {one.high:+.2f}) in {one.group.replace('_', ' ')}"
        for one in domains
    )


def _differences(first: Training, second: Training) -> str:
    """Return the table of all properties of net, training and data that are not the same."""
    facts = [_facts(training) for training in (first, second)]
    names = sorted(facts[0].keys() | facts[1].keys())
    rows = [
        [name, *(one.get(name, _NONE) for one in facts)] for name in names if facts[0].get(name) != facts[1].get(name)
    ]
    if not rows:
        return section("What differs", paragraph("Nothing that the models record."))
    same = len(names) - len(rows)
    return section(
        "What differs",
        table(["property", first.name, second.name], rows, caption=f"{same} other properties are the same"),
    )


def _facts(training: Training) -> dict[str, str]:
    config = training.config
    if config is None:
        return {}
    recorded: dict[str, Any] = {key: value for key, value in config.training.items() if key != "data"}
    facts = {f"net: {name}": str(value) for name, value in config.net.model_dump().items()}
    facts |= {f"training: {name.removeprefix('params.')}": str(value) for name, value in flattened(recorded).items()}
    facts |= {
        f"data: {one['title']}": f"{one.get('version', '')} {one['sha256'][:12]}".strip()
        for one in config.training.get("data", [])
    }
    return facts | {"SHA-256 of the weights": config.weights_sha256[:12]}


def _areas(first: str, second: str, domain: ModelComparison) -> str:
    areas = sorted(domain.areas, key=lambda area: area.gain_percent)
    rows = [
        [one.area, one.group.replace("_", " "), f"{one.first:.4g}", f"{one.second:.4g}", f"{one.gain_percent:+.2f}"]
        for one in areas
    ]
    units = ", ".join(sorted({one.unit for one in areas}))
    head = ["area", "group", f"RMSE of {first}", f"RMSE of {second}", "gain of the second (%)"]
    title = f"Where they differ: {domain.domain}"
    return section(title, table(head, rows, caption=f"RMSE on the test pairs ({units}), by area, worst gain first"))
