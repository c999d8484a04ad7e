"""Print the estimated cost of super-resolving a region."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from demsr.dem.grid import Grid, describe_spacing

if TYPE_CHECKING:
    from demsr.inference.estimate import CostEstimate

_BYTE_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_TIME_UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"))


def print_cost_estimate(estimate: "CostEstimate", grid: Grid) -> None:
    """Print the size, memory and time that super-resolving a region takes.

    Parameters
    ----------
    estimate : cost by numbers
    grid : input grid of the region
    """
    plan = estimate.plan
    west, south, east, north = grid.lonlat_bounds()
    more = 100 * (plan.computed_lr_px / plan.lr_px - 1)
    measured = f"measured on a tile of {estimate.calibration_px} x {estimate.calibration_px}"
    largest, typical = _size(estimate.size_bytes), _size(estimate.size_bytes * estimate.compressed)
    rows = {
        "region": f"{west:g} to {east:g} east, {south:g} to {north:g} north",
        "input": f"{grid.rows:,} x {grid.cols:,} pixels",
        "output": f"{estimate.hr_px:,} pixels of {describe_spacing(grid.refine(estimate.scale))}",
        "disk": f"{largest} at most, about {typical} compressed; twice that while the file is written",
        "tiles": f"{len(plan.windows):,} of {plan.tile_px} x {plan.tile_px} input pixels",
        "halo": f"{plan.halo_px} pixels around each tile; {more:.0f} % more pixels are computed for it",
        "operations": f"{estimate.flop:.3g} FLOP",
        "memory": f"{_size(estimate.memory_bytes)}, {measured}",
        "time": f"{_duration(estimate.seconds)} on this {estimate.device}, {measured}",
        "speed": f"{estimate.lr_px_per_second:,.0f} input pixels per second",
    }
    table = Table(box=None, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    for label, text in rows.items():
        table.add_row(label, text)
    Console(highlight=False, markup=False).print(table)


def _size(count: float) -> str:
    size, unit = next((pair for pair in _BYTE_UNITS if count >= pair[0]), _BYTE_UNITS[-1])
    return f"{count / size:.3g} {unit}"


def _duration(seconds: float) -> str:
    for length, name in _TIME_UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {name}"
    return f"{seconds:.0f} seconds"
