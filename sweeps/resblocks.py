"""Search for depth and learning rate of the pretraining: `python sweeps/resblocks.py`, after `dvc repro`."""

from pathlib import Path

from demsr.cli.sweeps import sweep_command

if __name__ == "__main__":
    sweep_command(
        "resblocks",
        "pretrain",
        space=Path(__file__).with_suffix(".yaml"),
        about="Search for the depth and learning rate of the pretraining, and judge the reference depth.",
    )
