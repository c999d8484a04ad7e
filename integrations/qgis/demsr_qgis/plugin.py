"""The plugin adds its provider to Processing, and removes it."""

from qgis.core import QgsApplication

from .provider import DemsrProvider


class DemsrPlugin:
    """Plugin with a Processing provider and nothing else."""

    def __init__(self, iface):
        self.provider = None

    def initProcessing(self):
        """Add the provider; `qgis_process` calls this alone."""
        self.provider = DemsrProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self):
        """Add the provider to the toolbox."""
        self.initProcessing()

    def unload(self):
        """Remove the provider."""
        QgsApplication.processingRegistry().removeProvider(self.provider)
