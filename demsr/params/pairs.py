"""Section `pairs` of params.yaml."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from demsr import options
from demsr.options import Domain, Split
from demsr.params.section import PositiveInt, Section, Share


class PairsDomain(Section):
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


class Fitted(Section):
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


class Pairs(Section):
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
