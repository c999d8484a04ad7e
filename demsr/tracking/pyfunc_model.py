"""Model from code that MLflow runs to load a version: metres in, metres out, any size; voids are NaN, null in JSON."""

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from demsr.model.device import best_device
from demsr.model.operators import read_for_operator
from demsr.model.predict import super_resolve_array


class _Elevation(np.ndarray):
    """Array whose voids are null in JSON: MLflow's server encodes what `tolist` returns, and JSON has no NaN."""

    def tolist(self) -> Any:
        """Return nested lists with None at voids."""
        return np.where(np.isnan(self), np.array(None), self.astype(object)).tolist()


class DemSrModel(PythonModel):
    """DEM-SRNet from weights.safetensors and config.json, without pickle."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the net; `model_config` may name a "device" and, for a model with several nets, an "operator"."""
        options = context.model_config or {}
        net = read_for_operator(Path(context.artifacts["net"]), options.get("operator"))
        self.net = net.to(best_device(options.get("device", "auto")))

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Super-resolve (batch, 1, height, width) float32 metres to (batch, 1, 5 height, 5 width) metres."""
        images = [super_resolve_array(image[0], self.net)[None] for image in model_input]
        return np.stack(images).view(_Elevation)


set_model(DemSrModel())
