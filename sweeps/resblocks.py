"""Search for depth and learning rate of the pretraining: `python sweeps/resblocks.py`, after `dvc repro`."""

from pathlib import Path

from demsr.cli.sweeps import main

if __name__ == "__main__":
    main(Path(__file__).with_suffix(".yaml"))
