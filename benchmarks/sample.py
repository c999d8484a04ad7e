"""Compare the results of `dvc repro` on the sample with those of the last release.

python benchmarks/sample.py
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demsr.params import Params

ROOT = Path(__file__).resolve().parent.parent
METRICS = "results/evaluate/metrics.json"
Numbers = Mapping[str, Mapping[str, Mapping[str, float]]]  # by group, model and name


def losses(old: Numbers, new: Numbers) -> dict[tuple[str, str], float]:
    """Return by how many points the gain of a model over bicubic has fallen; negative where it has risen.

    Parameters
    ----------
    old, new : content of results/evaluate/metrics.json; a group or model that `new` lacks has lost all
    """
    return {
        (group, model): row["gain_percent"] - new.get(group, {}).get(model, {}).get("gain_percent", float("-inf"))
        for group, models in old.items()
        for model, row in models.items()
    }


def main() -> None:
    """Print the comparison; exit with 1 if a gain has fallen by more than the promotion rule counts as a gain."""
    release = _git("describe", "--tags", "--abbrev=0", "--match", "v*")
    old, new = json.loads(_git("show", f"{release}:{METRICS}")), json.loads((ROOT / METRICS).read_text())
    limit = Params.read(ROOT / "params.yaml").registration.min_gain_percent
    lost = losses(old, new)
    table = Table("group", "model", f"gain of {release} (%)", "change (points)", box=None)
    for (group, model), loss in lost.items():
        table.add_row(group, model, f"{old[group][model]['gain_percent']:.2f}", f"{-loss:+.2f}")
    Console(highlight=False).print(table)
    if max(lost.values()) > limit:
        sys.exit(f"a gain is more than {limit} points below that of {release}")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        why = f"git {' '.join(words)}: {done.stderr.strip()}"
        sys.exit(f"{why}; the comparison needs the tag of a release, with its {METRICS}")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
