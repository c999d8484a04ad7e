"""Compare depths on land, every one with several seeds, and write the table.

Takes an hour or more on two CPU cores; `--resume` goes on after a kill. `--section gpu` has the width of the paper.

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

from demsr.errors import reported
from demsr.profiles import merged, write_profile
from demsr.runtime.files import write_text
from demsr.search.nodes import TrialResources
from demsr.search.sweep import run_sweep
from demsr.search.sweep_plan import SweepPlan, read_plan
from demsr.sources.held_out import local_changes

ROOT = Path(__file__).resolve().parent.parent
VALID = ("srtm3_N42E001_pyrenees", "srtm3_N49E011_franconian_jura", "srtm3_S29W072_atacama_coast")
TEST = ("N43E007", "srtm3_N53E027_belarus_plain", "srtm3_oetztal_alps")


def make_pairs(folder: Path, data: Path) -> None:
    """Make a project with pairs of these files, unless it is there; its sea floor is not used."""
    if (folder / "data/pairs/land/train.h5").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    params = folder / "params.yaml"
    with contextlib.chdir(folder):
        changes = local_changes(
            merged("local", params),
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
    """Say how it is measured."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    recipe = ", ".join(f"{name} {value}" for name, value in plan.training.fit.items() if name != "learning_rate")
    command = f"python benchmarks/depth.py --data FOLDER --section {section}"
    return (
        f"Written by `{command}` on {device} ({platform.machine()}).\n"
        f"Validation files, never trained on: {', '.join(VALID)}. Held out of both: {', '.join(TEST)}.\n"
        f"Net: {', '.join(f'{name} {value}' for name, value in plan.training.net.items() if name != 'num_blocks')}.\n"
        f"Training: {recipe}.\n"
    )


def main() -> None:
    """Make pairs, run the sweep, write docs/depth-SECTION.md and its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with land rasters")
    parser.add_argument("--section", default="cpu", help="of benchmarks/depth.yaml")
    parser.add_argument("--work", type=Path, default=ROOT / "work/depth")
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    data, folder = arguments.data.resolve(), arguments.work.resolve()
    make_pairs(folder, data)
    with contextlib.chdir(folder):
        name = f"depth-{arguments.section}"
        space = ROOT / "benchmarks/depth.yaml"
        plan = read_plan(name, "pretrain", space, section=arguments.section)
        report = run_sweep(plan, share=TrialResources(), resume=arguments.resume)
        drawn = (plan.results / "sweep.png").resolve()
    shutil.copy(drawn, ROOT / "docs/pictures" / f"{name}.png")
    text = (
        f"# How deep?\n\n{protocol(plan, arguments.section)}\n![Error and cost against depth](pictures/{name}.png)\n\n"
    )
    write_text(ROOT / "docs" / f"{name}.md", text + report.markdown())


if __name__ == "__main__":
    with reported("depth"):
        main()
