"""Stage `pretrain`: train the whole net on land."""

from demsr.errors import reported
from demsr.evaluation.calibration import calibrate
from demsr.model.checkpoint import describe
from demsr.model.device import best_device
from demsr.pairs.store import PairFile
from demsr.params import Params
from demsr.reporting.training import keep_training
from demsr.runtime.files import read_json
from demsr.tracking.runs import InputData, tracked_run
from demsr.training.fit import fit, remove_work_dir
from demsr.training.prepare import prepare_pretraining
from demsr.training.resume import work_key


def main() -> None:
    """Write models/pretrained and results/pretrain."""
    params = Params.read()
    section, base, paths = params.pretrain, params.base, params.paths
    train, valid = (PairFile(paths.pairs / "land" / f"{split}.h5") for split in ("train", "valid"))
    inputs = [InputData(train.path, "training"), InputData(valid.path, "validation")]
    chosen = {"model": params.model.model_dump(), "pretrain": section.model_dump()}
    key = work_key({**chosen, "seed": base.seed}, [data.md5 for data in inputs])
    net, data = prepare_pretraining(
        train,
        valid,
        net_options=params.net_options(),
        seed=base.seed,
        batch_size=section.batch_size,
        workers=section.workers,
    )
    products = paths.results / "fetch" / "products.json"
    work_dir = paths.work / "pretrain" / key
    with tracked_run(
        f"pretrain {base.profile}: {describe(net)}",
        stage="pretrain",
        profile=base.profile,
        seed=base.seed,
        params=chosen,
        inputs=inputs,
        work_key=key,
    ) as run:
        run.log_file(products)
        result = fit(
            net,
            data,
            work_dir=work_dir,
            title="pretrain",
            on_epoch=run.log_epoch,
            unit=train.unit,
            **section.model_dump(exclude={"batch_size", "workers"}),
        )
        training = {
            "stage": "pretrain",
            "profile": base.profile,
            "seed": base.seed,
            "params": chosen,
            "data": [row for row in read_json(products) if row["kinds"] != ["marine"]],
        }
        keep_training(
            run,
            net,
            result,
            model=paths.models / "pretrained",
            results=paths.results / "pretrain",
            valid=valid,
            training=training,
            uncertainty=calibrate(net.to(best_device()), valid),
        )
    remove_work_dir(work_dir)


if __name__ == "__main__":
    with reported("pretrain"):
        main()
