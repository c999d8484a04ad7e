"""What a person reads when the pipeline is through."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console

from demsr.reporting.tables import print_summary


class RegisteredModel(Protocol):
    """What is known of a model after registration."""

    name: str
    version: int
    promoted: bool
    reason: str


def print_closing(results: Path, outcomes: Sequence[RegisteredModel]) -> None:
    """Print the table of results, what was registered and why, and the way to the MLflow UI."""
    numbers = json.loads((results / "evaluate" / "metrics.json").read_text(encoding="utf-8"))
    print_summary(numbers)
    console = Console()
    for outcome in outcomes:
        standing = "champion" if outcome.promoted else "challenger"
        console.print(f"[bold]{outcome.name}[/] version {outcome.version} is {standing}: {outcome.reason}")
    console.print(f"Pictures are in {results / 'evaluate'}; all runs and both models: [bold]make ui[/]")
