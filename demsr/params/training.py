"""Sections `model`, `train`, `pretrain`, `finetune`, `evaluate` and `register` of params.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from demsr import options
from demsr.params.section import Positive, PositiveInt, Section


class Model(Section):
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


class Train(Section):
    """Where the stages `pretrain` and `finetune` run; results agree up to rounding.

    Attributes
    ----------
    backend : this machine, or the Ray cluster that RAY_ADDRESS names
    checkpoints : folder or address of checkpoints that all nodes of the cluster reach; null for `paths.work`
    """

    backend: options.TrainingBackend = "local"
    checkpoints: str | None = None


class Training(Section):
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


class Evaluate(Section):
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


class Register(Section):
    """Stage `register`: the promotion rule.

    Attributes
    ----------
    min_gain_percent : smallest mean RMSE gain over the champion; its 95 % interval must lie above 0
    max_loss_percent : largest loss against bicubic in any area
    bootstrap_resamples : number of bootstrap resamples for the interval
    experiments : whether experiments of DVC register their models
    """

    min_gain_percent: float
    max_loss_percent: float
    bootstrap_resamples: Annotated[int, Field(ge=100)]
    experiments: bool = False
