"""The algorithms: each turns its parameters into the words of a command of demsr and runs it."""

import shlex

from processing.core.ProcessingConfig import ProcessingConfig
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from .hillshade import Hillshade
from .process import PROGRAM_SETTING, ProgramError, find_program, run

OPERATORS = ("by the name of the raster", "gebco", "mean", "blind")


class DemsrAlgorithm(QgsProcessingAlgorithm):
    """What the algorithms share."""

    NAME = TITLE = HELP = ""

    def name(self):
        """Return the name after the colon of demsr:NAME."""
        return self.NAME

    def displayName(self):
        """Return the name in the toolbox."""
        return self.TITLE

    def shortHelpString(self):
        """Return the text beside the parameters."""
        return self.HELP

    def createInstance(self):
        """Return another instance of this algorithm."""
        return type(self)()

    def canExecute(self):
        """Return whether the program is there, and what to do if not."""
        try:
            find_program(ProcessingConfig.getSetting(PROGRAM_SETTING))
        except ProgramError as error:
            return False, str(error)
        return True, ""

    def call(self, words, feedback):
        """Run a command and return what it printed."""
        try:
            return run(find_program(ProcessingConfig.getSetting(PROGRAM_SETTING)), words, feedback)
        except ProgramError as error:
            raise QgsProcessingException(str(error)) from error

    def add_words(self):
        """Add the parameter for options that have none of their own."""
        more = QgsProcessingParameterString("OPTIONS", "More options of the command", optional=True)
        more.setFlags(more.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
        self.addParameter(more)

    def words(self, parameters, context):
        """Return the options of that parameter."""
        return shlex.split(self.parameterAsString(parameters, "OPTIONS", context))


class SuperResolve(DemsrAlgorithm):
    """`demsr super-resolve`."""

    NAME, TITLE = "superresolve", "Super-resolve a raster"
    HELP = (
        "Replaces each cell of an elevation grid by 5 x 5 cells, such as 15 arc-seconds by 3 arc-seconds. Detail that "
        "is added is likely, not measured: not for navigation.\n\nMore options, such as --unit ft, --nodata -9999 or "
        "--vertical-datum MSL, declare what the file does not state; --projected takes grids that are not in degrees. "
        "A cancelled run leaves its tiles beside the output and continues with --resume."
    )

    def initAlgorithm(self, configuration=None):
        """Declare the parameters."""
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", "Elevation grid"))
        self.addParameter(QgsProcessingParameterExtent("EXTENT", "Only the cells that touch", optional=True))
        self.addParameter(QgsProcessingParameterString("MODEL", "Model", "builtin"))
        self.addParameter(
            QgsProcessingParameterEnum("OPERATOR", "How the cells came from the terrain", OPERATORS, defaultValue=0)
        )
        self.addParameter(
            QgsProcessingParameterBoolean("UNCERTAINTY", "Add a band with the standard error, metres", False)
        )
        self.addParameter(
            QgsProcessingParameterBoolean("CONSISTENCY", "Make the mean of 5 x 5 cells equal to the input", False)
        )
        self.add_words()
        self.addParameter(QgsProcessingParameterRasterDestination("OUTPUT", "Super-resolved"))

    def processAlgorithm(self, parameters, context, feedback):
        """Run the command."""
        target = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        source = self.parameterAsRasterLayer(parameters, "INPUT", context)
        words = ["super-resolve", _file_of(source), target]
        words += ["--model", self.parameterAsString(parameters, "MODEL", context)]
        operator = self.parameterAsEnum(parameters, "OPERATOR", context)
        words += ["--operator", OPERATORS[operator]] if operator else []
        box = self.parameterAsExtent(parameters, "EXTENT", context, QgsCoordinateReferenceSystem("EPSG:4326"))
        if not box.isNull():
            edges = (box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum())
            words += ["--bbox", *(f"{edge:.10g}" for edge in edges)]
        for name in ("UNCERTAINTY", "CONSISTENCY"):
            words += [f"--{name.lower()}"] if self.parameterAsBoolean(parameters, name, context) else []
        more = self.words(parameters, context)
        self.call([*words, "--overwrite", *more], feedback)  # whether to replace the output, QGIS has asked
        if context.willLoadLayerOnCompletion(target):
            self.style = Hillshade()  # which must live as long as the algorithm
            context.layerToLoadOnCompletionDetails(target).setPostProcessor(self.style)
        return {"OUTPUT": target}


class Inspect(DemsrAlgorithm):
    """`demsr inspect`."""

    NAME, TITLE = "inspect", "Inspect rasters"
    HELP = (
        "Describes rasters: spacing, datum, sign, voids, what had to be assumed, and possible uses; of a 15 arc-second "
        "grid and a finer raster of the same ground also how the one was sampled from the other. The text is in the "
        "log."
    )

    def initAlgorithm(self, configuration=None):
        """Declare the parameters."""
        self.addParameter(QgsProcessingParameterMultipleLayers("INPUT", "Rasters", QgsProcessing.TypeRaster))
        self.add_words()
        self.addOutput(QgsProcessingOutputString("TEXT", "Description"))

    def processAlgorithm(self, parameters, context, feedback):
        """Run the command."""
        sources = [_file_of(layer) for layer in self.parameterAsLayerList(parameters, "INPUT", context)]
        return {"TEXT": self.call(["inspect", *sources, *self.words(parameters, context)], feedback)}


class Report(DemsrAlgorithm):
    """`demsr report`."""

    NAME, TITLE = "report", "Report of a result"
    HELP = (
        "Writes a page about a super-resolved raster, to look at in a browser: input beside result, uncertainty, "
        "profiles, slopes, spectrum, origin, and errors against a truth. The input is found by what the result records "
        "of it."
    )

    def initAlgorithm(self, configuration=None):
        """Declare the parameters."""
        self.addParameter(QgsProcessingParameterRasterLayer("RESULT", "Super-resolved raster"))
        self.addParameter(QgsProcessingParameterRasterLayer("AGAINST", "Truth of the same ground", optional=True))
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", "Input of the result, if moved", optional=True))
        self.add_words()
        self.addParameter(QgsProcessingParameterFileDestination("HTML", "Page", "Pages (*.html)"))

    def processAlgorithm(self, parameters, context, feedback):
        """Run the command."""
        page = self.parameterAsFileOutput(parameters, "HTML", context)
        words = ["report", _file_of(self.parameterAsRasterLayer(parameters, "RESULT", context)), "--html", page]
        for name in ("AGAINST", "INPUT"):
            layer = self.parameterAsRasterLayer(parameters, name, context)
            words += [f"--{name.lower()}", _file_of(layer)] if layer else []
        self.call([*words, "--overwrite", *self.words(parameters, context)], feedback)
        return {"HTML": page}


def _file_of(layer):
    """Return the file of a layer."""
    if layer is None or layer.providerType() != "gdal":
        message = "the layer is no raster file; save it as GeoTIFF and choose that"
        raise QgsProcessingException(message)
    return layer.source().partition("|")[0]
