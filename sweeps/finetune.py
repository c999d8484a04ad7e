"""Search for the learning rate of the fine-tuning: `python sweeps/finetune.py`, after `dvc repro`."""

from pathlib import Path

from demsr.cli.sweeps import sweep_command

if __name__ == "__main__":
    sweep_command(
        "finetune",
        "finetune",
        space=Path(__file__).with_suffix(".yaml"),
        about="Search for the learning rate of the fine-tuning, and judge that of params.yaml.",
    )
