"""Stage `pretrain`: train the whole net on land."""

from demsr.errors import reported
from demsr.evaluation.calibration import calibrate
from demsr.evaluation.examples import comparisons
from demsr.params import Params
from demsr.reporting.figures import save_comparison
from demsr.training.stage import TrainingStage, run_training


def main() -> None:
    """Write models/pretrained and results/pretrain."""
    params = Params.read()
    paths = params.paths
    stage = TrainingStage(
        "pretrain",
        profile=params.base.profile,
        seed=params.base.seed,
        options=params.pretrain.model_dump(),
        pairs=paths.pairs / "land",
        products=paths.results / "fetch" / "products.json",
        model=paths.models / "pretrained",
        results=paths.results / "pretrain",
        work=paths.work / "pretrain",
        **params.train.model_dump(),
        net_options=params.net_options(),
    )
    run_training(stage, calibrate=calibrate, examples=comparisons, draw=save_comparison)


if __name__ == "__main__":
    with reported("pretrain"):
        main()
