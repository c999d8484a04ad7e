"""Plan of a sweep: search space, trial setup, files, and the cost of its nets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from demsr.model.checkpoint import parameter_count, read_model
from demsr.model.cost import flop_per_lr_px
from demsr.search.space import Candidate, Space
from demsr.search.trial import TrialSetup
from demsr.tracking.runs import InputData
from demsr.tracking.store import EXPERIMENT
from demsr.training.prepare import new_net
from demsr.training.task import valid_rmse_name

_BUDGET = {"max_epochs", "steps_per_epoch", "patience", "validate_every_epochs"}  # set by the space


@dataclass(frozen=True)
class NetCost:
    """Size of a net and the operations of its forward pass for one LR pixel."""

    parameters: int
    flop_per_lr_px: float


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """Plan of a sweep.

    Attributes
    ----------
    name : "resblocks" or "finetune"; names folders and the MLflow experiment
    profile : profile of the net and the training
    space : search space and budget
    setup : settings common to all trials
    inputs : pair files of training and validation
    reference : the candidate to be judged
    folder : folder of the trial log and the checkpoints
    results : folder of the report
    baselines : arguments of `demsr.evaluation.methods.baselines`: linear_filter_size, batch_size
    """

    name: str
    profile: str
    space: Space
    setup: TrialSetup
    inputs: tuple[InputData, InputData]
    reference: Candidate
    folder: Path
    results: Path
    baselines: Mapping[str, int]
    _costs: dict[float, NetCost] = field(default_factory=dict, init=False, repr=False)

    @property
    def metric(self) -> str:
        """Name of the validation RMSE."""
        return valid_rmse_name(self.setup.unit)

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment."""
        return f"{EXPERIMENT}-{self.name}"

    @property
    def axis(self) -> str:
        """Name of the hyperparameter that finalists differ in: num_blocks, or learning_rate."""
        return "num_blocks" if self.space.num_blocks else "learning_rate"

    @cached_property
    def invariants(self) -> dict[str, Any]:
        """Values that must not change when a sweep resumes; more trials and other finalists are allowed."""
        setup = self.setup
        recipe = {name: value for name, value in setup.fit.items() if name not in _BUDGET | {"learning_rate"}}
        net = {name: value for name, value in setup.net.items() if name != "num_blocks"}
        return {
            "space": self.space.model_dump(mode="json", exclude={"trials", "finalists"}),
            "training": {"stage": setup.stage, "net": net, "batch_size": setup.batch_size, **recipe},
            "pairs": list(setup.md5),
            "pretrained model": setup.start_sha256,
            "code": setup.code,
        }

    def resumed(self, *, identity: str, reference: Candidate, trials: int) -> "SweepPlan":
        """Return the plan of a sweep that has started.

        Parameters
        ----------
        identity : name of its folder of checkpoints
        reference : reference of its first start
        trials : number of searched trials
        """
        setup = replace(self.setup, work=self.folder / identity)
        return replace(self, setup=setup, reference=reference, space=self.space.model_copy(update={"trials": trials}))

    def label(self, candidate: Candidate) -> str:
        """Return the name of a candidate in sentences and tables.

        Parameters
        ----------
        candidate : hyperparameters
        """
        rate = f"learning rate {candidate['learning_rate']:.3g}"
        return f"{candidate['num_blocks']:.0f} ResBlocks ({rate})" if "num_blocks" in candidate else rate

    def params_changes(self, candidate: Candidate) -> dict[str, Any]:
        """Return the values of params.yaml that train a candidate.

        Parameters
        ----------
        candidate : hyperparameters

        Returns
        -------
        nested values by section
        """
        changes: dict[str, Any] = {self.setup.stage: {"learning_rate": candidate["learning_rate"]}}
        if "num_blocks" in candidate:
            changes["model"] = {"num_blocks": int(candidate["num_blocks"]), "features": self.setup.net["features"]}
        return changes

    def net_cost(self, candidate: Candidate) -> NetCost:
        """Return the cost of the net of a candidate; each depth is built once.

        Parameters
        ----------
        candidate : hyperparameters
        """
        depth = candidate.get("num_blocks", 0)
        if depth not in self._costs:
            if self.setup.start is not None:
                net = read_model(self.setup.start)
            else:
                net = new_net(seed=0, **self.setup.net | ({"num_blocks": int(depth)} if depth else {}))
            self._costs[depth] = NetCost(parameter_count(net), flop_per_lr_px(net))
        return self._costs[depth]
