"""Parameters of the stages: params.yaml as validated, immutable models. Only cli/, pipelines/ and sweeps/ use them."""

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

    @classmethod
    def checked(cls, content: Any, *, where: str) -> Self:
        """Validate values.

        Parameters
        ----------
        content : nested values, as read from YAML
        where : origin of the values, for messages

        Raises
        ------
        ParamsError : a key is missing or unknown, or a value is not allowed
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ParamsError(explain(error, where)) from error


class Base(_Section):
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


class Paths(_Section):
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


class Folder(_Section):
    """Folder with rasters of one domain.

    Attributes
    ----------
    include : glob patterns of the files to use
    exclude : glob patterns of files to leave out
    """

    folder: Path
    include: list[str]
    exclude: list[str]


class RealLrFolder(Folder):
    """Folder with real LR grids; an empty `include` for none.

    Attributes
    ----------
    tid : glob patterns of grids with GEBCO's type identifiers, in the same folder
    """

    tid: list[str]


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        message = "an address must begin with http:// or https:// and must not contain a user or password"
        raise ValueError(message)
    return url


Address = Annotated[str, AfterValidator(_without_secrets)]


class FetchedRegion(_Section):
    """Region whose HR elevation is fetched.

    Attributes
    ----------
    product : name of a product that `demsr sources` lists
    box : west, south, east, north in degrees; east is less than west across the antimeridian
    urls : addresses of its files, for products without a file naming scheme
    """

    domain: Domain
    product: str
    box: tuple[float, float, float, float]
    urls: list[Address] = []

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
    """Downloads for `source: remote`.

    Attributes
    ----------
    lr : product of the 15 arc-second input around the regions; null for none
    lr_whole : download the whole file once, instead of windows around the regions
    tid : also download its grid of type identifiers
    mirrors : replacement by the start of an address; tokens are never sent to a mirror
    regions : regions by name; rasters are called NAME__TILE
    """

    lr: str | None
    lr_whole: bool
    tid: bool
    mirrors: dict[Address, Address]
    regions: dict[RegionName, FetchedRegion]


class Fetch(_Section):
    """Stage `fetch`.

    Attributes
    ----------
    source : `pairs` imports train.h5, valid.h5 and test.h5 from the folders (or .zip files) of both domains
    """

    source: Literal["sample", "local", "remote", "pairs"]
    remote: Remote
    land: Folder
    marine: Folder
    lr: RealLrFolder

    @model_validator(mode="after")
    def _has_regions_to_fetch(self) -> Self:
        found = {region.domain for region in self.remote.regions.values()}
        if self.source == "remote" and found != set(DOMAINS):
            message = f"remote.regions are of {sorted(found)}; name at least one of land and one of marine"
            raise ValueError(message)
        return self


class DeclaredFile(_Section):
    """Metadata that a file lacks or states wrongly; arguments of `demsr.dem.read.declared.Declared`."""

    crs: str | None = None
    vertical_datum: str | None = None
    unit: str | None = None
    positive: options.Positive | None = None
    nodata: float | None = None
    registration: options.Registration | None = None
    layer: str | None = None


class HarmoniseDomain(_Section):
    """Conversion of the rasters of one domain.

    Attributes
    ----------
    vertical_datum : vertical datum of files that state none
    convert_to : vertical datum to convert to; null keeps that of each file
    sea_level_m : flat areas at this elevation, metres, become void as sea; null keeps them
    min_water_km2 : flat areas of at least this size become void as lakes and rivers; null keeps them
    average_to_3arcsec : average rasters of finer spacing onto the 3 arc-second grid
    """

    vertical_datum: str
    convert_to: str | None
    sea_level_m: float | None
    min_water_km2: Positive | None
    average_to_3arcsec: bool


class HarmoniseLr(_Section):
    """Reading of real LR grids.

    Attributes
    ----------
    vertical_datum : vertical datum of files that state none
    """

    vertical_datum: str


class Harmonise(_Section):
    """Stage `harmonise`.

    Attributes
    ----------
    geoid_grids : folder with PROJ geoid grids; null for PROJ's own search path
    proj_network : allow PROJ to download missing grids
    files : metadata by file name without suffix
    """

    geoid_grids: Path | None
    proj_network: bool
    files: dict[str, DeclaredFile]
    land: HarmoniseDomain
    marine: HarmoniseDomain
    lr: HarmoniseLr


class PairsDomain(_Section):
    """Pairs of one domain.

    Attributes
    ----------
    split : split each raster into quadrants, or the files as a whole
    quadrants : splits of the north-western, north-eastern, south-western and south-eastern quadrant
    valid : glob patterns of files for validation, with `split: files`
    test : glob patterns of files for the test, with `split: files`; all other files are for training
    scale_free : use rasters of any spacing, with pairs marked as scale-free, instead of 3 arc-second grids alone
    degradations : origins of LR, see `demsr.pairs.degradations`; each has its own rows of results
    stride_hr : distance between training patches in HR pixels; validation and test patches do not overlap
    count : number of training and validation pairs together: patches are cut closer, then drawn at random; null for all
    """

    split: options.SplitMethod
    quadrants: Annotated[list[Split], Field(min_length=4, max_length=4)]
    valid: list[str]
    test: list[str]
    scale_free: bool
    degradations: Annotated[list[options.Degradation], Field(min_length=1)]
    stride_hr: PositiveInt
    count: Annotated[int, Field(ge=5)] | None

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
    """Arguments of `FittedDegradation`.

    Attributes
    ----------
    blur_lr_px : standard deviation of the blur, LR pixels
    sounding_share : share of LR cells with soundings
    rounding_m : step of the rounded elevations, metres; 0 for none
    """

    blur_lr_px: Annotated[float, Field(ge=0)]
    sounding_share: Annotated[float, Field(gt=0, le=1)]
    rounding_m: Annotated[float, Field(ge=0)]


class Pairs(_Section):
    """Stage `pairs`.

    Attributes
    ----------
    patch_lr : side of a patch in LR pixels
    gap_lr : LR pixels between patches of different splits
    max_void_share : largest share of void HR pixels in a patch
    min_relief_m : smallest range of elevation in a patch, metres
    scaled_range_m : elevations in metres that correspond to 0 and 1 in imported pairs; null: unknown, results are in
        scaled units
    fitted : parameters of the degradation `fitted`; `demsr fit-degradation --write` writes them
    """

    patch_lr: Annotated[int, Field(ge=8)]
    gap_lr: Annotated[int, Field(ge=1)]
    max_void_share: Share
    min_relief_m: Annotated[float, Field(ge=0)]
    scaled_range_m: tuple[float, float] | None
    fitted: Fitted | None
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
    """Arguments of `DemSrNet`.

    Attributes
    ----------
    num_blocks : number of residual blocks
    features : width of the net
    formulation : detail added to a cubic base, or the elevation itself
    long_skip : origin of the long skip connection
    upsampling : layer that reaches HR resolution
    interpolation : sampling positions of the bilinear interpolation
    symmetric : share weights among the eight rotations and reflections
    residual_scale : factor of the branch of a residual block
    elevation_scale_m : metres per unit of the net; null for the default of the formulation
    elevation_offset_m : elevation at zero of the net, metres; null for the default of the formulation
    """

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
    """Stages `pretrain` and `finetune`, see `demsr.training.task`.

    Attributes
    ----------
    max_epochs : number of epochs, unless `patience` ends the training earlier
    batch_size : pairs per step on all devices together
    optimiser : optimiser
    loss : loss function
    learning_rate : learning rate at the start
    learning_rate_schedule : decay of the learning rate
    learning_rate_decay : factor per epoch of the exponential schedule
    patience : validations without improvement before the training stops
    validate_every_epochs : epochs from one validation to the next
    gradient_clip : largest norm of the gradient
    precision : number format of the computations; "auto" uses bf16 where the hardware supports it
    devices : number of devices; "auto" uses all GPUs
    workers : number of processes that read pairs
    """

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
    """Stage `evaluate`.

    Attributes
    ----------
    batch_size : pairs per forward pass
    linear_filter_size : side of the linear baseline's filter in LR pixels, odd
    figure_rows : number of areas in each figure
    """

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
    """Stage `register`: the promotion rule.

    Attributes
    ----------
    min_gain_percent : smallest mean RMSE gain over the champion; its 95 % interval must lie above 0
    max_loss_percent : largest loss against bicubic in any area
    bootstrap_resamples : number of bootstrap resamples for the interval
    """

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
        return folders | self.registration.model_dump() | {"seed": self.base.seed}
