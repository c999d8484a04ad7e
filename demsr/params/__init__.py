"""Parameters of the stages: params.yaml as validated, immutable models. Only cli/, pipelines/ and sweeps/ use them."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from demsr.options import DOMAINS, Domain
from demsr.params.fetch import Fetch
from demsr.params.harmonise import Harmonise
from demsr.params.pairs import Pairs
from demsr.params.section import PositiveInt, Section
from demsr.params.training import Evaluate, Model, Register, Train, Training
from demsr.runtime.validation import read_yaml

__all__ = ["Harmonise", "Model", "Params", "Training"]


class Base(Section):
    """Parameters of all stages.

    Attributes
    ----------
    profile : name of the profile that wrote this file, for run names
    seed : base seed of all random numbers
    processes : number of processes of `harmonise` and `pairs`, "auto" for one per CPU; results do not depend on it
    """

    profile: str
    seed: int
    processes: PositiveInt | Literal["auto"]


class Paths(Section):
    """Folders, relative to the project.

    Attributes
    ----------
    raw : input rasters, written by `fetch`
    harmonised : rasters of each domain, written by `harmonise`
    pairs : pair files of each domain, written by `pairs`
    models : models, written by `pretrain` and `finetune`
    results : summaries, tables and figures, a folder per stage
    work : checkpoints of unfinished trainings; not tracked by DVC
    """

    raw: Path
    harmonised: Path
    pairs: Path
    models: Path
    results: Path
    work: Path


class Params(Section):
    """All of params.yaml."""

    base: Base
    paths: Paths
    fetch: Fetch
    harmonise: Harmonise
    pairs: Pairs
    model: Model
    train: Train = Train()
    pretrain: Training
    finetune: Training
    evaluate: Evaluate
    registration: Annotated[Register, Field(alias="register")]  # pydantic models have a method `register`

    @classmethod
    def read(cls, path: Path = Path("params.yaml")) -> Self:
        """Read and validate a file.

        Raises
        ------
        ParamsError : the file is missing or not YAML, a key is missing or unknown, or a value is not allowed
        """
        return cls.checked(read_yaml(path), where=str(path))

    @model_validator(mode="after")
    def _has_an_input_for_real_pairs(self) -> Self:
        real = [domain for domain in DOMAINS if "real" in getattr(self.pairs, domain).degradations]
        if self.fetch.source == "remote" and self.fetch.remote.lr is None and real:
            message = (
                f"pairs.{real[0]}.degradations name `real`, fetch.remote.lr is null; name an input such as gebco-2024"
            )
            raise ValueError(message)
        return self

    def harmonise_options(self, domain: Domain) -> dict[str, Any]:
        """Return the keyword arguments of `HarmoniseOptions` for a domain."""
        section = self.harmonise
        return {
            **getattr(section, domain).model_dump(),
            "declared": self.declared_files(),
            "geoid_grids": section.geoid_grids,
            "proj_network": section.proj_network,
            "sea_floor": domain == "marine",
        }

    def declared_files(self) -> dict[str, dict[str, Any]]:
        """Return the declared properties of single files by name, keyword arguments of `Declared`."""
        return {name: file.model_dump() for name, file in self.harmonise.files.items()}

    def net_options(self) -> dict[str, Any]:
        """Return the keyword arguments of `DemSrNet`."""
        return self.model.model_dump()

    def registration_options(self) -> dict[str, Any]:
        """Return the keyword arguments of `demsr.lifecycle.register.register_models`."""
        folders = {"models": self.paths.models, "pairs": self.paths.pairs, "results": self.paths.results}
        return folders | self.registration.model_dump(exclude={"experiments"}) | {"seed": self.base.seed}
