"""Stage `finetune`: train the tail on the sea floor, on cached features of the frozen layers."""

from demsr.errors import reported
from demsr.evaluation.calibration import calibrate
from demsr.evaluation.examples import comparisons
from demsr.params import Params
from demsr.reporting.figures import save_comparison
from demsr.training.stage import TrainingStage, run_training


def main() -> None:
    """Write models/finetuned and results/finetune."""
    params = Params.read()
    paths = params.paths
    stage = TrainingStage(
        "finetune",
        profile=params.base.profile,
        seed=params.base.seed,
        options=params.finetune.model_dump(),
        pairs=paths.pairs / "marine",
        products=paths.results / "fetch" / "products.json",
        model=paths.models / "finetuned",
        results=paths.results / "finetune",
        work=paths.work / "finetune",
        **params.train.model_dump(),
        start=paths.models / "pretrained",
    )
    run_training(stage, calibrate=calibrate, examples=comparisons, draw=save_comparison)


if __name__ == "__main__":
    with reported("finetune"):
        main()
