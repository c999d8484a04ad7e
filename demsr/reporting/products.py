"""Print what super-resolving a region costs."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from demsr.dem.grid import Grid, describe_spacing

if TYPE_CHECKING:
    from demsr.inference.estimate import CostEstimate


def print_cost(cost: "CostEstimate", grid: Grid) -> None:
    """Print an estimate as a table.

    Parameters
    ----------
    cost : the estimate
    grid : of the region, LR
    """
    plan = cost.plan
    west, south, east, north = grid.lonlat_bounds()
    overhead = 100 * (plan.computed_lr_px / plan.lr_px - 1)
    measured = f"measured on a tile of {cost.calibration_px} x {cost.calibration_px} pixels"
    rows = {
        "region": f"{west:g} to {east:g} east, {south:g} to {north:g} north",
        "input": f"{grid.rows:,} x {grid.cols:,} pixels",
        "output": f"{cost.hr_px:,} pixels of {describe_spacing(grid.refine(cost.scale))}",
        "disk": f"at most {_size(cost.size_bytes)}; {_size(cost.size_bytes * cost.compressed)} at the compression of "
        "synthetic terrain; twice that while the product is written",
        "tiles": f"{len(plan.windows):,} of {plan.tile_px} x {plan.tile_px} input pixels",
        "halo": f"{plan.halo_px} pixels around each tile; {overhead:.0f} % more pixels are computed",
        "operations": f"{cost.flop:.3g} FLOP",
        "memory": f"{_size(cost.memory_bytes)}, {measured}",
        "time": f"{_duration(cost.seconds)} on this {cost.device}, {measured}",
        "speed": f"{cost.lr_px_per_second:,.0f} input pixels per second",
    }
    table = Table(box=None, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for label, text in rows.items():
        table.add_row(label, text)
    Console(highlight=False, markup=False).print(table)


def _size(count: float) -> str:
    unit = max((1e3, 1e6, 1e9, 1e12), key=lambda size: (count >= size) * size)
    return f"{count / unit:.3g} {({1e3: 'kB', 1e6: 'MB', 1e9: 'GB', 1e12: 'TB'})[unit]}"


def _duration(seconds: float) -> str:
    for length, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {name}"
    return f"{seconds:.0f} seconds"
