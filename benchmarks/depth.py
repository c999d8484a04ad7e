"""Compare depths on land, each with several seeds, and write the table.

It takes an hour or more on two CPU cores; `--resume` continues after a kill. `--section gpu` takes the paper's width.

    python benchmarks/depth.py --data ../shared/data/land
"""

import argparse
import contextlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from demsr.cli.sweep_config import read_plan
from demsr.errors import reported
from demsr.profiles import merge_profile, write_profile
from demsr.reporting.sweeps import to_markdown
from demsr.runtime.files import write_text
from demsr.search.nodes import TrialResources
from demsr.search.sweep import run_sweep
from demsr.search.sweep_plan import SweepPlan
from demsr.sources.held_out import local_changes

ROOT = Path(__file__).resolve().parent.parent
VALID = ("srtm3_N42E001_pyrenees", "srtm3_N49E011_franconian_jura", "srtm3_S29W072_atacama_coast")
TEST = ("N43E007", "srtm3_N53E027_belarus_plain", "srtm3_oetztal_alps")


def make_pairs(folder: Path, data: Path) -> None:
    """Make a project with pairs of the land rasters in `data`, unless it exists; its marine pairs are not used."""
    if (folder / "data/pairs/land/train.h5").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    params = folder / "params.yaml"
    with contextlib.chdir(folder):
        changes = local_changes(
            merge_profile("local", params),
            {"land": data, "marine": data},
            declared={},
            lr=None,
            files={"land": ["*.tif", "*.zip"], "marine": ["*.tif"]},
            exclude=[],
            valid=[*VALID],
            test=[*TEST],
        )
        write_profile("local", params, changes)
    for stage in ("fetch", "harmonise", "pairs"):
        subprocess.run([sys.executable, str(ROOT / "pipelines" / f"{stage}.py")], cwd=folder, check=True)


def protocol(plan: SweepPlan, section: str) -> str:
    """Return the protocol of the measurement in Markdown."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    recipe = ", ".join(f"{name} {value}" for name, value in plan.setup.training.items() if name != "learning_rate")
    command = f"python benchmarks/depth.py --data FOLDER --section {section}"
    options = ", ".join(f"{name} {value}" for name, value in plan.setup.net.items() if name != "num_blocks")
    return (
        f"Written by `{command}` on {device} ({platform.machine()}).\n"
        f"Validation files, excluded from training: {', '.join(VALID)}. Excluded from both: {', '.join(TEST)}.\n"
        f"Net: {options}.\n"
        f"Training: {recipe}.\n"
    )


def main() -> None:
    """Make pairs, run the sweep, write docs/depth-SECTION.md and its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with land rasters")
    parser.add_argument("--section", default="cpu", help="section of benchmarks/depth.yaml")
    parser.add_argument("--work", type=Path, default=ROOT / "work/depth")
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    data, folder = arguments.data.resolve(), arguments.work.resolve()
    make_pairs(folder, data)
    with contextlib.chdir(folder):
        name = f"depth-{arguments.section}"
        plan = read_plan(ROOT / "benchmarks/depth.yaml", name=name, section=arguments.section)
        report = run_sweep(plan, TrialResources(), resume=arguments.resume)
        figure = (plan.results / "sweep.png").resolve()
    shutil.copy(figure, ROOT / "docs/pictures" / f"{name}.png")
    picture = f"![Error and cost against depth](pictures/{name}.png)"
    text = f"# How deep?\n\n{protocol(plan, arguments.section)}\n{picture}\n\n{to_markdown(report)}"
    write_text(ROOT / "docs" / f"{name}.md", text)


if __name__ == "__main__":
    with reported("depth"):
        main()
