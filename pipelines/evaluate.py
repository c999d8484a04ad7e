"""Stage `evaluate`: score the baselines and both models on the held-out areas of both domains."""

from demsr.errors import reported
from demsr.evaluation.coverage import coverage
from demsr.evaluation.examples import comparisons
from demsr.evaluation.methods import baselines
from demsr.evaluation.scoring import score
from demsr.evaluation.summary import deciding_numbers, summarise, write_area_scores
from demsr.model.checkpoint import read_model
from demsr.model.device import best_device
from demsr.options import DOMAINS
from demsr.pairs.pair_file import PairFile
from demsr.params import Params
from demsr.reporting.figures import save_comparison
from demsr.runtime.files import write_json
from demsr.runtime.progress import tracked
from demsr.tracking.runs import InputData, flattened, tracked_run

_IN_FIGURE = {"land": "pretrained", "marine": "finetuned"}


def main() -> None:
    """Write results/evaluate."""
    params = Params.read()
    section, base, results = params.evaluate, params.base, params.paths.results / "evaluate"
    models = {kind: read_model(params.paths.models / kind).to(best_device()) for kind in _IN_FIGURE.values()}
    tests = {domain: PairFile(params.paths.pairs / domain / "test.h5") for domain in DOMAINS}
    scores, covered = {}, {}
    with tracked_run(
        f"evaluate {base.profile}",
        stage="evaluate",
        profile=base.profile,
        seed=base.seed,
        params={"evaluate": section.model_dump()},
        inputs=[InputData(test.path, "testing") for test in tests.values()],
    ) as run:
        for domain, test in tests.items():
            train = PairFile(params.paths.pairs / domain / "train.h5")
            methods = baselines(train, linear_filter_size=section.linear_filter_size, batch_size=section.batch_size)
            for name, method in tracked((methods | models).items(), f"evaluate {domain}", total=len(methods | models)):
                found = score(method, test, batch_size=section.batch_size)
                scores.setdefault(name, {}).update({f"{domain}, {area}": one for area, one in found.items()})
            kind, figure = _IN_FIGURE[domain], results / f"{domain}.png"
            covered[domain] = coverage(models[kind], test)
            save_comparison(figure, comparisons(test, models[kind], rows=section.figure_rows, method=kind))
            run.log_file(figure)
        summary = summarise(scores)
        write_json(results / "metrics.json", deciding_numbers(summary, list(models)))
        write_json(results / "scores.json", summary)
        write_area_scores(results / "areas.csv", scores)
        write_json(results / "coverage.json", covered)
        run.log_file(results / "areas.csv")
        run.log_file(results / "coverage.json")
        run.log_numbers({group: flattened(methods) for group, methods in summary.items()})


if __name__ == "__main__":
    with reported("evaluate"):
        main()
