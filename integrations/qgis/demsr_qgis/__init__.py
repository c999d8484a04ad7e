"""QGIS plugin: a Processing provider that calls the program demsr of an environment of the user's choice."""


def classFactory(iface):  # the name that QGIS calls
    """Return the plugin."""
    from .plugin import DemsrPlugin

    return DemsrPlugin(iface)
