"""Style of the results: hillshade."""

import math

from qgis.core import QgsHillshadeRenderer, QgsProcessingLayerPostProcessorInterface

_METRES_PER_DEGREE = 111_195


class Hillshade(QgsProcessingLayerPostProcessorInterface):
    """Shade a layer of elevations by light from several sides."""

    def postProcessLayer(self, layer, context, feedback):
        """Set the style of a layer; heights are divided by the metres in its unit of length."""
        renderer = QgsHillshadeRenderer(layer.dataProvider(), 1, 315, 45)
        if layer.crs().isGeographic():
            latitude = layer.extent().center().y()
            renderer.setZFactor(1 / (_METRES_PER_DEGREE * math.cos(math.radians(latitude))))
        renderer.setMultiDirectional(True)
        layer.setRenderer(renderer)
        layer.triggerRepaint()
