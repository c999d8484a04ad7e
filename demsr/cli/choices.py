"""Choices of a profile in the terminal."""

from pathlib import Path

from rich.console import Console

from demsr.options import DOMAINS
from demsr.params import Params


def print_choices(params: Params, path: Path) -> None:
    """Print the net, the input and the held-out files that a profile has put into params.yaml."""
    net = f"{params.model.num_blocks} blocks of {params.model.features} features"
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{path} now holds the profile [bold]{params.base.profile}[/]: {net}")
    for domain in DOMAINS:
        section = getattr(params.pairs, domain)
        if section.split == "files":
            folder = getattr(params.fetch, domain).folder
            if params.fetch.source == "remote":
                regions = [region for region in params.fetch.remote.regions.values() if region.domain == domain]
                folder = f"{len(regions)} regions of {', '.join(sorted({region.product for region in regions}))}"
            held_out = f"validates: {', '.join(section.valid)}; tests: {', '.join(section.test)}"
            console.print(f"{domain}: {folder}; {held_out}", markup=False)
    if params.fetch.source == "remote":
        console.print(f"What it takes: [bold]demsr plan --profile {params.base.profile}[/]")
    console.print("Next: [bold]dvc repro[/]")
