"""Stage `register`: put both models into the registry; the promotion rule decides who is champion."""

from dataclasses import asdict

from demsr.errors import reported
from demsr.lifecycle.register import register_models
from demsr.params import Params
from demsr.reporting.results import print_results
from demsr.runtime.files import read_json, write_json
from demsr.tracking.runs import dvc_experiment


def main() -> None:
    """Write results/register and print what came out of the pipeline."""
    params = Params.read()
    unregistered = None if params.registration.experiments else dvc_experiment()
    outcomes = register_models(**params.registration_options()) if unregistered is None else []
    write_json(params.paths.results / "register" / "outcomes.json", [asdict(outcome) for outcome in outcomes])
    evaluated = params.paths.results / "evaluate"
    print_results(read_json(evaluated / "scores.json"), outcomes, pictures=evaluated, unregistered=unregistered)


if __name__ == "__main__":
    with reported("register"):
        main()
