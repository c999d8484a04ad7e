"""What the command line says about parameters and registered models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.table import Table

from demsr.options import DOMAINS
from demsr.params import Params

if TYPE_CHECKING:
    from demsr.pairs.coregister import Coregistration
    from demsr.pairs.degradations.fitted import FittedDegradation


class Version(Protocol):
    """A version in the registry."""

    @property
    def name(self) -> str:
        """Name of the registered model."""

    @property
    def version(self) -> int:
        """Number of the version."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Names such as champion."""

    @property
    def tags(self) -> Mapping[str, str]:
        """What was recorded with it."""


def print_choices(params: Params, path: Path) -> None:
    """Say what a profile has put into params.yaml."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{path} now holds the profile [bold]{params.base.profile}[/]: {_net(params)}")
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


def print_degradation(model: "FittedDegradation", found: "Coregistration") -> None:
    """Say how a real LR grid differs from block means, after HR was laid on it."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    east_m, north_m = found.shift_m
    console.print(f"co-registration {found.verdict}; HR moved {east_m:.0f} m east, {north_m:.0f} m north")
    console.print(
        f"fitted: blur_lr_px: {model.blur_lr_px:.3g}, sounding_share: {model.sounding_share:.3g}, "
        f"rounding_m: {model.rounding_m:g}"
    )


def print_models(versions: Sequence[Version]) -> None:
    """Print the registered models, newest first."""
    table = Table(box=None)
    for column in ("model", "version", "alias"):
        table.add_column(column, no_wrap=True)
    for column in ("net", "profile", "standing"):
        table.add_column(column)
    for version in versions:
        tags = version.tags
        cells = (tags.get("net", ""), tags.get("profile", ""), tags.get("promotion_reason", ""))
        table.add_row(version.name, str(version.version), ", ".join(version.aliases), *cells)
    console = Console()
    console.print(table if versions else "No model is registered yet; run `dvc repro`.")


def _net(params: Params) -> str:
    return f"{params.model.num_blocks} blocks of {params.model.features} features"
