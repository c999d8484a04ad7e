"""Run a sweep: `python sweeps/run.py NAME`, after `dvc repro`; NAME.yaml beside this file declares it."""

import sys
from pathlib import Path

from demsr.cli.sweeps import main

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        names = ", ".join(sorted(path.stem for path in Path(__file__).parent.glob("*.yaml")))
        sys.exit(f"usage: python sweeps/run.py NAME [OPTIONS]; NAME is one of {names}")
    name = sys.argv.pop(1)
    sys.argv[0] += f" {name}"
    main(Path(__file__).with_name(f"{name}.yaml"))
