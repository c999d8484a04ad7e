"""Access protocols by name: each module of this package holds one, named in data sheets as `access.protocol`."""

from importlib import import_module
from pkgutil import iter_modules

from demsr.sources.protocols.base import Protocol


def protocol_names() -> list[str]:
    """Return the names of the protocols."""
    return sorted(module.name for module in iter_modules(__path__) if module.name != "base")


def protocol_class(name: str) -> type[Protocol]:
    """Return the class of a protocol.

    Parameters
    ----------
    name : one of `protocol_names()`
    """
    import_module(f"{__name__}.{name}")
    return Protocol.by_name[name]
