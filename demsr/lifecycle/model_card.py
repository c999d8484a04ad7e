"""Model cards: the Markdown descriptions of models and versions in the registry."""

from collections.abc import Mapping, Sequence
from typing import Any

from demsr.metrics.elevation import unit_of
from demsr.runtime.escape import as_code, as_markdown

MODEL_DESCRIPTIONS = {
    "dem-srnet-pretrained": (
        "DEM-SRNet trained on land: 15 arc-second elevation to 3 arc-second. Metres in, metres out."
    ),
    "dem-srnet-finetuned": (
        "DEM-SRNet trained on land, its tail then on the sea floor: 15 arc-second elevation to 3 arc-second. "
        "Metres in, metres out. Not for navigation."
    ),
}
_SCORES_HEAD = "| held-out areas | RMSE | gain over bicubic |\n|---|---|---|\n"
_DATA_HEAD = "| data | datum | licence | commercial use | files | sha256 |\n|---|---|---|---|---|---|\n"


def trained_card(net: str, training: Mapping[str, Any], scores: Mapping[str, Mapping[str, float]], reason: str) -> str:
    """Describe a trained version: net, scores, promotion decision and training data.

    Parameters
    ----------
    net : size of the net in words
    training : record of the training in the model folder
    scores : metrics by group of held-out areas
    reason : promotion decision in words
    """
    rows = "".join(_score_row(group, row) for group, row in scores.items())
    made = as_markdown(", ".join(training.get("degradations", [])) or "not recorded")
    profile = as_markdown(training["profile"])
    head = f"{net}; profile {profile}, seed {training['seed']}. LR of its pairs: {made}.\n\n"
    return f"{head}{_SCORES_HEAD}{rows}\n{as_markdown(reason)}\n{_data_section(training.get('data', []))}"


def imported_card(net: str, origin: Mapping[str, Any]) -> str:
    """Describe a version that was imported from MindSpore.

    Parameters
    ----------
    net : size of the net in words
    origin : name of the checkpoint as `source`, and `scaled_range_m`
    """
    limits = origin["scaled_range_m"]
    values = "values scaled to 0..1 as its training data were"
    if limits is not None:
        values = f"metres; {limits[0]:g} to {limits[1]:g} m were 0..1 in its training data"
    return (
        f"{net}; the reference implementation of DEM-SRNet, from its MindSpore checkpoint "
        f"{as_code(origin['source'])}.\n\n"
        f"Input and output: {values}. Not scored on a test set of this project.\n"
    )


def exported_card(name: str, net: str, training: Mapping[str, Any]) -> str:
    """Describe a model in the metadata of an exported file.

    Parameters
    ----------
    name : of the model, see `demsr.load_model`
    net : size of the net in words
    training : record of the training in the model folder
    """
    made = as_markdown(", ".join(training.get("degradations", [])) or "not recorded")
    return (
        f"DEM-SRNet {as_code(name)}: {net}. LR of its pairs: {made}.\n\n"
        "Input and output: elevation without voids, float32, cells of equal size; the output has 5 x 5 pixels for each "
        "of the input. Not for navigation.\n"
        f"{_data_section(training.get('data', []))}"
    )


def _score_row(group: str, row: Mapping[str, float]) -> str:
    unit = unit_of(row)
    return f"| {group.replace('_', ' ')} | {row[f'rmse_{unit}']:.4g} {unit} | {row['gain_percent']:+.1f} % |\n"


def _data_section(products: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of the training data and their citations; empty if the model folder does not record them."""
    if not products:
        return ""
    products = [{key: as_markdown(value) for key, value in product.items()} for product in products]
    rows = "".join(
        f"| {product['title']} {product.get('version', '')} | {product.get('vertical_datum', '')} "
        f"| {product.get('licence', '')} | {product.get('commercial', '')} | {int(product['files']):,} "
        f"| {product['sha256'][:12]} |\n"
        for product in products
    )
    cited = [product for product in products if "citation" in product]
    lines = dict.fromkeys(f"- {product['citation']} {product.get('doi', '')}".rstrip() for product in cited)
    return f"\n{_DATA_HEAD}{rows}" + ("\nCite\n\n" + "\n".join(lines) + "\n" if lines else "")
