"""Models with a net for each operator: a folder with model folders named `gebco`, `mean` and `blind`.

The net `gebco` is for the land of GEBCO; its sea floor has no such law and is left to the net `blind`.
"""

from pathlib import Path
from typing import get_args

from demsr.errors import ParamsError
from demsr.model.checkpoint import CONFIG, read_config, read_model
from demsr.model.coast import CoastNet
from demsr.model.srnet import DemSrNet
from demsr.options import Operator

BLIND: Operator = "blind"
GEBCO: Operator = "gebco"
OPERATOR_OF_DEGRADATION: dict[str, Operator] = {
    "block mean": "mean",
    "gebco": "gebco",
    "blind": "blind",
    "fitted": "blind",
    "real": "blind",
}
"""Operator that pairs of a degradation teach."""


def operators_of(folder: Path) -> list[Operator]:
    """Return the operators that a model has nets for; of a single net those of its training pairs, if recorded.

    Parameters
    ----------
    folder : model folder, or folder of model folders

    Raises
    ------
    CheckpointError : config.json is damaged
    """
    if not (folder / CONFIG).is_file():
        return [operator for operator in get_args(Operator) if (folder / operator / CONFIG).is_file()]
    degradations = read_config(folder).training.get("degradations", [])
    return sorted({OPERATOR_OF_DEGRADATION[one] for one in degradations if one in OPERATOR_OF_DEGRADATION})


def has_nets_for_operators(folder: Path) -> bool:
    """Whether a model has a net for each operator, instead of a single net."""
    return not (folder / CONFIG).is_file() and bool(operators_of(folder))


def read_for_operator(folder: Path, operator: Operator | None = None) -> DemSrNet | CoastNet:
    """Read the net for an operator.

    Parameters
    ----------
    folder : model folder, or folder of model folders
    operator : None takes the only net, or the one for an unknown operator

    Raises
    ------
    CheckpointError : a file is missing or damaged
    ParamsError : the model has no net for the operator
    """
    known = operators_of(folder)
    if operator is not None and operator not in known:
        trained = f"it has nets for {', '.join(known)}" if known else "its net names no operator"
        message = f"{folder}: no net for operator {operator}; {trained}, leave --operator out or give another model"
        raise ParamsError(message)
    if not has_nets_for_operators(folder):
        return read_model(folder)
    if operator == GEBCO:
        land, sea = (read_model(folder / one) for one in (GEBCO, BLIND))
        return CoastNet(land, sea, scale=land.scale)
    return read_model(folder / (operator or BLIND))
