"""Processing provider `demsr` and its setting, the program to call."""

import shutil

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsProcessingProvider

from .algorithms import Inspect, Report, SuperResolve
from .process import PROGRAM_SETTING


class DemsrProvider(QgsProcessingProvider):
    """Algorithms that call the program demsr."""

    def load(self):
        """Add the setting with the path of the program, and the algorithms."""
        found = shutil.which("demsr") or ""
        title = "Program demsr, such as /home/me/venv/bin/demsr"
        ProcessingConfig.addSetting(Setting(self.name(), PROGRAM_SETTING, title, found, valuetype=Setting.FILE))
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self):
        """Remove the setting."""
        ProcessingConfig.removeSetting(PROGRAM_SETTING)

    def loadAlgorithms(self):
        """Add the algorithms."""
        for algorithm in (SuperResolve, Inspect, Report):
            self.addAlgorithm(algorithm())

    def id(self):
        """Return the name in identifiers such as demsr:superresolve."""
        return "demsr"

    def name(self):
        """Return the name in the toolbox and in the settings."""
        return "demsr"

    def longName(self):
        """Return the long name."""
        return "demsr: super-resolution of elevation grids"
