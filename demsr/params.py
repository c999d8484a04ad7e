"""params.yaml as checked, frozen models. Configuration stops here: nothing below the stages knows these classes."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from demsr import options
from demsr.errors import ParamsError
from demsr.options import DOMAINS, Domain, Split
from demsr.runtime.validation import explain, read_yaml

PositiveInt = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Base(_Section):
    """What all stages share."""

    profile: str
    """Name of the profile that wrote this file, for run names."""
    seed: int
    processes: PositiveInt | Literal["auto"]
    """Of `harmonise` and `pairs`; results do not depend on it."""


class Paths(_Section):
    """Folders, relative to the project."""

    raw: Path
    harmonised: Path
    pairs: Path
    models: Path
    results: Path
    work: Path
    """Checkpoints of unfinished trainings; DVC does not track it."""


class Folder(_Section):
    """Where rasters of one domain lie."""

    folder: Path
    include: list[str]
    exclude: list[str]


class RealLr(_Section):
    """Where real LR grids lie, and the grids of their source types."""

    folder: Path
    include: list[str]
    """Patterns; an empty list for none."""
    exclude: list[str]
    tid: list[str]
    """Patterns of grids of GEBCO's type identifiers, in the same folder."""


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        message = "an address begins with http:// or https:// and holds no user or password"
        raise ValueError(message)
    return url


Address = Annotated[str, AfterValidator(_without_secrets)]


class FetchedRegion(_Section):
    """A part of the Earth whose truth is fetched."""

    domain: Domain
    product: str
    """A name that `demsr sources` lists."""
    box: tuple[float, float, float, float]
    """West, south, east, north in degrees; east is less than west across the antimeridian."""
    urls: list[Address] = []
    """Addresses of its files, for products that have no order of their own."""

    @model_validator(mode="after")
    def _has_a_box(self) -> Self:
        west, south, east, north = self.box
        if not (-180 <= west <= 180 and -180 <= east <= 180 and west != east and -90 <= south < north <= 90):
            message = f"box is {self.box}; give west, south, east and north in degrees, longitudes from -180 to 180"
            raise ValueError(message)
        if east < west and east + 360 - west > 180:
            message = f"box is {self.box}, {east + 360 - west:g} degrees wide across the antimeridian; west comes first"
            raise ValueError(message)
        return self


RegionName = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class Remote(_Section):
    """What `source: remote` fetches."""

    lr: str | None
    """Product of the 15 arc-second input around the regions; null for none."""
    lr_whole: bool
    """Fetch its file as a whole, once for all regions, and not the windows around them."""
    tid: bool
    """Fetch its grid of source types, too."""
    mirrors: dict[Address, Address]
    """Beginning of an address -> what to ask instead; a mirror is never given a token."""
    regions: dict[RegionName, FetchedRegion]


class Fetch(_Section):
    """Stage `fetch`."""

    source: Literal["sample", "local", "remote", "pairs"]
    """`pairs`: the folders (or .zip files) of both domains hold train.h5, valid.h5 and test.h5, ready to train on."""
    remote: Remote
    land: Folder
    marine: Folder
    lr: RealLr

    @model_validator(mode="after")
    def _has_regions_to_fetch(self) -> Self:
        found = {region.domain for region in self.remote.regions.values()}
        if self.source == "remote" and found != set(DOMAINS):
            message = f"remote.regions are of {sorted(found)}; name at least one of land and one of marine"
            raise ValueError(message)
        return self


class DeclaredFile(_Section):
    """What a file does not say, or says wrongly; see `demsr.dem.read.declared.Declared`."""

    crs: str | None = None
    vertical_datum: str | None = None
    unit: str | None = None
    positive: options.Positive | None = None
    nodata: float | None = None
    registration: options.Registration | None = None
    layer: str | None = None


class HarmoniseDomain(_Section):
    """How rasters of one domain are read."""

    vertical_datum: str
    """Taken for files that name none; a file that names one is believed."""
    convert_to: str | None
    """Datum that all heights are brought to; null keeps each file's own."""
    sea_level_m: float | None
    min_water_km2: Positive | None
    """Flat sea, lakes and rivers of this size are no terrain; null keeps them."""
    average_to_3arcsec: bool
    """Average rasters of finer spacing onto the grid of the product."""


class HarmoniseLr(_Section):
    """How real LR grids are read."""

    vertical_datum: str


class Harmonise(_Section):
    """Stage `harmonise`."""

    geoid_grids: Path | None
    """Folder with geoid grids of PROJ; null: only those that PROJ finds itself."""
    proj_network: bool
    """Consent to PROJ fetching a missing grid."""
    files: dict[str, DeclaredFile]
    """By file name without suffix."""
    land: HarmoniseDomain
    marine: HarmoniseDomain
    lr: HarmoniseLr


class PairsDomain(_Section):
    """How pairs of one domain are cut and split."""

    split: options.SplitMethod
    quadrants: Annotated[list[Split], Field(min_length=4, max_length=4)]
    valid: list[str]
    test: list[str]
    scale_free: bool
    """Cut pairs at any spacing, marked as such; otherwise only 3 arc-second grids are used."""
    degradations: Annotated[list[options.Degradation], Field(min_length=1)]
    """Where LR comes from: the mean of HR, that mean through the fitted model, or a real grid where there is one."""
    stride_hr: PositiveInt
    """HR pixels from one training patch to the next; validation and test patches do not overlap."""
    count: Annotated[int, Field(ge=5)] | None
    """Pairs of training and validation together: patches lie closer until there are so many, then some are drawn."""

    @model_validator(mode="after")
    def _has_all_splits(self) -> Self:
        if self.split == "quadrants" and set(self.quadrants) != {"train", "valid", "test"}:
            message = f"quadrants are {self.quadrants}; name each of train, valid and test at least once"
            raise ValueError(message)
        if self.split == "files" and not (self.valid and self.test):
            message = f"valid is {self.valid} and test is {self.test}; name at least one held-out file in each"
            raise ValueError(message)
        return self


class Fitted(_Section):
    """Arguments of `FittedDegradation`."""

    blur_lr_px: Annotated[float, Field(ge=0)]
    sounding_share: Annotated[float, Field(gt=0, le=1)]
    rounding_m: Annotated[float, Field(ge=0)]


class Pairs(_Section):
    """Stage `pairs`."""

    patch_lr: Annotated[int, Field(ge=8)]
    gap_lr: Annotated[int, Field(ge=1)]
    max_void_share: Share
    min_relief_m: Annotated[float, Field(ge=0)]
    scaled_range_m: tuple[float, float] | None
    """Heights that 0 and 1 stand for in ready-made pairs; null: unknown, and results are in scaled units."""
    fitted: Fitted | None
    """Written by `demsr fit-degradation`."""
    land: PairsDomain
    marine: PairsDomain

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.fitted is None and any("fitted" in part.degradations for part in (self.land, self.marine)):
            message = "degradations name `fitted`, whose model is null; get one with `demsr fit-degradation LR HR`"
            raise ValueError(message)
        if self.scaled_range_m is not None and self.scaled_range_m[0] >= self.scaled_range_m[1]:
            message = f"scaled_range_m is {self.scaled_range_m}; give the lower height first"
            raise ValueError(message)
        return self

    def cut_options(self, domain: Domain) -> dict[str, Any]:
        """Return the keyword arguments of `CutRule` for a domain."""
        names = {"patch_lr", "gap_lr", "max_void_share", "min_relief_m"}
        return {**self.model_dump(include=names), "stride_hr": getattr(self, domain).stride_hr}

    def split_options(self, domain: Domain) -> dict[str, Any]:
        """Return the keyword arguments of `split_raster` for a domain, except the scale."""
        part: PairsDomain = getattr(self, domain)
        held_out = {"valid": part.valid, "test": part.test}
        return {"method": part.split, "quadrant_splits": part.quadrants, "gap_lr": self.gap_lr, **held_out}


class Model(_Section):
    """Arguments of `DemSrNet`."""

    num_blocks: PositiveInt
    features: PositiveInt
    formulation: options.Formulation
    long_skip: options.LongSkip
    upsampling: options.Upsampling
    interpolation: options.Interpolation
    symmetric: bool
    residual_scale: Positive
    elevation_scale_m: Positive | None
    elevation_offset_m: float | None


class Training(_Section):
    """Stages `pretrain` and `finetune`; see `demsr.training.task`."""

    max_epochs: PositiveInt
    batch_size: PositiveInt
    optimiser: options.Optimiser
    loss: options.Loss
    learning_rate: Positive
    learning_rate_schedule: options.LearningRateSchedule
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]
    patience: PositiveInt
    validate_every_epochs: PositiveInt
    gradient_clip: Positive
    precision: options.TrainingPrecision
    devices: PositiveInt | Literal["auto"]
    workers: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _validates_at_least_once(self) -> Self:
        if self.validate_every_epochs > self.max_epochs:
            message = f"validate_every_epochs is {self.validate_every_epochs}; it must not exceed {self.max_epochs}"
            raise ValueError(message)
        return self


class Evaluate(_Section):
    """Stage `evaluate`."""

    batch_size: PositiveInt
    linear_filter_size: Annotated[int, Field(ge=3)]
    figure_rows: PositiveInt

    @model_validator(mode="after")
    def _has_a_filter_with_a_centre(self) -> Self:
        if self.linear_filter_size % 2 == 0:
            message = f"linear_filter_size is {self.linear_filter_size}; it must be odd"
            raise ValueError(message)
        return self


class Register(_Section):
    """Stage `register`: the promotion rule."""

    min_gain_percent: float
    max_loss_percent: float
    bootstrap_resamples: Annotated[int, Field(ge=100)]


class Params(_Section):
    """All of params.yaml."""

    base: Base
    paths: Paths
    fetch: Fetch
    harmonise: Harmonise
    pairs: Pairs
    model: Model
    pretrain: Training
    finetune: Training
    evaluate: Evaluate
    registration: Annotated[Register, Field(alias="register")]  # pydantic models have a method `register`

    @classmethod
    def read(cls, path: Path = Path("params.yaml")) -> Self:
        """Read and check a file.

        Raises
        ------
        ParamsError : it is missing, no YAML, or a key is missing, unknown or has a value that is not allowed
        """
        return cls.checked(read_yaml(path), where=str(path))

    @classmethod
    def checked(cls, content: Any, *, where: str) -> Self:
        """Check values that were read elsewhere."""
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ParamsError(explain(error, where)) from error

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
        return folders | self.registration.model_dump() | {"seed": self.base.seed}
