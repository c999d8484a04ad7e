"""Stage `finetune`: train the tail on the sea floor, on features of the frozen trunk that are computed once."""

from demsr.errors import reported
from demsr.evaluation.calibration import calibrate
from demsr.model.checkpoint import describe, read_config
from demsr.model.device import best_device
from demsr.pairs.store import PairFile
from demsr.params import Params
from demsr.reporting.training import keep_training
from demsr.runtime.files import read_json
from demsr.tracking.runs import InputData, tracked_run
from demsr.training.fit import fit, remove_work_dir
from demsr.training.prepare import prepare_finetuning
from demsr.training.resume import work_key


def main() -> None:
    """Write models/finetuned and results/finetune."""
    params = Params.read()
    section, base, paths = params.finetune, params.base, params.paths
    train, valid = (PairFile(paths.pairs / "marine" / f"{split}.h5") for split in ("train", "valid"))
    start = paths.models / "pretrained"
    inputs = [InputData(train.path, "training"), InputData(valid.path, "validation")]
    pretrained_sha256 = read_config(start).weights_sha256
    chosen = {"finetune": section.model_dump(), "pretrained_sha256": pretrained_sha256}
    key = work_key({**chosen, "seed": base.seed}, [data.md5 for data in inputs])
    products = paths.results / "fetch" / "products.json"
    work_dir = paths.work / "finetune" / key
    net, data = prepare_finetuning(
        train,
        valid,
        start=start,
        cache=work_dir,
        seed=base.seed,
        batch_size=section.batch_size,
        workers=section.workers,
    )
    with tracked_run(
        f"finetune {base.profile}: {describe(net)}",
        stage="finetune",
        profile=base.profile,
        seed=base.seed,
        params={"model": net.config(), **chosen},
        inputs=inputs,
        work_key=key,
    ) as run:
        run.log_file(products)
        result = fit(
            net,
            data,
            work_dir=work_dir,
            title="finetune",
            on_epoch=run.log_epoch,
            tail_only=True,
            unit=train.unit,
            **section.model_dump(exclude={"batch_size", "workers"}),
        )
        training = {
            "stage": "finetune",
            "profile": base.profile,
            "seed": base.seed,
            "params": chosen,
            "data": read_json(products),
        }
        keep_training(
            run,
            net,
            result,
            model=paths.models / "finetuned",
            results=paths.results / "finetune",
            valid=valid,
            training=training,
            uncertainty=calibrate(net.to(best_device()), valid),
        )
    remove_work_dir(work_dir)


if __name__ == "__main__":
    with reported("finetune"):
        main()
