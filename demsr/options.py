"""Option vocabularies: the words that params.yaml, the command line and the library share. Needs no other package."""

from typing import Literal

Domain = Literal["land", "marine"]
DOMAINS: tuple[Domain, ...] = ("land", "marine")

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
SplitMethod = Literal["quadrants", "files"]

Degradation = Literal["block mean", "gebco", "blind", "fitted", "real"]
"""Where the LR grid of a pair comes from."""

Operator = Literal["gebco", "mean", "blind"]
"""How cells of the input came from the terrain: as GEBCO's, as means over the cell, or in an unknown way."""
Placement = Literal["nominal", "srtm"]
"""Position of a product: that of the input's cells, or that of the SRTM in the land of GEBCO."""

Registration = Literal["area", "point"]
"""What a sample stands for: the mean over its cell, or the point in the middle."""
Positive = Literal["up", "down"]
"""Direction in which stored numbers grow, as the CF attribute `positive`: down for depths."""

Formulation = Literal["residual", "direct"]
LongSkip = Literal["head", "input"]
Upsampling = Literal["interpolate", "subpixel"]
Interpolation = Literal["half_pixel", "corner"]

TrainingBackend = Literal["local", "ray"]
"""Where trainings run: on this machine, or on a Ray cluster."""
Loss = Literal["mse", "balanced"]
Optimiser = Literal["adam", "muon"]
LearningRateSchedule = Literal["exponential", "cosine"]
TrainingPrecision = Literal["32-true", "bf16-mixed", "auto"]
InferencePrecision = Literal["float32", "bf16", "auto"]

LogFormat = Literal["text", "json"]
"""Form of the lines that show progress where there is no bar."""
