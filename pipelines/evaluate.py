"""Stage `evaluate`: score baselines and both models on held-out areas of both domains."""

from rich.progress import track

from demsr.errors import reported
from demsr.evaluation.calibration import coverage
from demsr.evaluation.methods import baselines
from demsr.evaluation.scoring import score
from demsr.model.checkpoint import read_model
from demsr.model.predict import best_device
from demsr.options import DOMAINS
from demsr.pairs.pair_file import PairFile
from demsr.params import Params
from demsr.reporting.figures import save_comparison
from demsr.reporting.tables import summary, write_areas
from demsr.reporting.training import comparisons
from demsr.runtime.files import write_json
from demsr.tracking.runs import InputData, flattened, tracked_run


def main() -> None:
    """Write results/evaluate."""
    params = Params.read()
    section, base, results = params.evaluate, params.base, params.paths.results / "evaluate"
    models = {kind: read_model(params.paths.models / kind).to(best_device()) for kind in ("pretrained", "finetuned")}
    tests = {domain: PairFile(params.paths.pairs / domain / "test.h5") for domain in DOMAINS}
    figures = {"land": "pretrained", "marine": "finetuned"}
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
            methods |= models
            for name, method in track(methods.items(), description=f"evaluate {domain}"):
                found = score(method, test, batch_size=section.batch_size)
                scores.setdefault(name, {}).update({f"{domain}, {area}": one for area, one in found.items()})
            covered[domain] = coverage(models[figures[domain]], test)
            picture = results / f"{domain}.png"
            rows = comparisons(test, models[figures[domain]], rows=section.figure_rows, method=figures[domain])
            save_comparison(picture, rows)
            run.log_file(picture)
        numbers = summary(scores)
        write_json(results / "metrics.json", numbers)
        write_areas(results / "areas.csv", scores)
        write_json(results / "coverage.json", covered)
        run.log_file(results / "areas.csv")
        run.log_file(results / "coverage.json")
        run.log_metrics(
            {
                f"{group}/{name}": value
                for group, methods in numbers.items()
                for name, value in flattened(methods).items()
            }
        )


if __name__ == "__main__":
    with reported("evaluate"):
        main()
