"""Profiles: named sets of values for params.yaml, one YAML file each in this folder."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from demsr.errors import ParamsError
from demsr.params import Params
from demsr.runtime.files import write_text
from demsr.runtime.validation import read_yaml

_FOLDER = Path(__file__).parent


def profile_names() -> list[str]:
    """Return the names of the profiles."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def write_profile(name: str, path: Path, changes: Mapping[str, Any] | None = None) -> Params:
    """Write the values of a profile into params.yaml, keeping its comments; invalid values leave the file unchanged.

    Parameters
    ----------
    name : name of the profile
    path : the params.yaml
    changes : values that replace those of the profile, such as {"fetch": {"land": {"folder": "tiles"}}}

    Raises
    ------
    ParamsError : the profile or params.yaml does not exist, or the result is invalid
    """
    return _write(
        path, merge_profile(name, path), {**(changes or {}), "base": {"profile": name}}, where=f"profile {name}"
    )


def write_changes(path: Path, changes: Mapping[str, Any]) -> Params:
    """Write single values into params.yaml, keeping its comments; invalid values leave the file unchanged.

    Parameters
    ----------
    path : the params.yaml
    changes : nested values

    Raises
    ------
    ParamsError : params.yaml does not exist, or the result is invalid
    """
    return _write(path, _read(path), changes, where=str(path))


def merge_profile(name: str, path: Path) -> Any:
    """Return the content of params.yaml with the values of a profile, without validation.

    Parameters
    ----------
    name : name of the profile
    path : the params.yaml

    Raises
    ------
    ParamsError : the profile or params.yaml does not exist
    """
    if name not in profile_names():
        message = f"profile is {name!r}; it must be one of {', '.join(profile_names())}"
        raise ParamsError(message)
    params = _read(path)
    if remote := params.get("fetch", {}).get("remote"):
        remote["regions"] = {}  # the profile replaces all regions
    _overlay(params, _yaml().load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))
    return params


def profile_params(name: str, path: Path) -> Params:
    """Return the parameters of a profile that fetches data, with the paths and the seed of params.yaml.

    The profile that wrote params.yaml keeps the values of the file, its regions included.

    Parameters
    ----------
    name : name of the profile
    path : the params.yaml

    Raises
    ------
    ParamsError : the profile or params.yaml does not exist, a value is invalid, or the profile fetches nothing
    """
    own = Params.read(path)
    params = (
        own if own.base.profile == name else Params.checked(_plain(merge_profile(name, path)), where=f"profile {name}")
    )
    if params.fetch.source != "remote":
        message = f"profile {name}: fetches nothing, its source is {params.fetch.source!r}; paper is one that does"
        raise ParamsError(message)
    return params


def declared_files(path: Path) -> dict[str, Any]:
    """Return the metadata that params.yaml declares for single files, by file name without suffix."""
    return dict(_read(path).get("harmonise", {}).get("files") or {})


def _read(path: Path) -> Any:
    params = read_yaml(path, _yaml())
    if not isinstance(params, Mapping) or not isinstance(params.get("base"), Mapping):
        message = f"{path}: has no section `base`; get the file back with `git checkout {path}`"
        raise ParamsError(message)
    return params


def _write(path: Path, params: Any, changes: Mapping[str, Any], *, where: str) -> Params:
    _overlay(params, changes)
    checked = Params.checked(_plain(params), where=where)
    write_text(path, _text(params))
    return checked


def _text(params: Any) -> str:
    text = StringIO()
    _yaml().dump(params, text)
    return text.getvalue()


def _plain(params: Any) -> Any:
    """Return the content as plain Python values, as read back from the written file."""
    return YAML(typ="safe").load(_text(params))


def _overlay(target: Any, values: Mapping[str, Any]) -> None:
    """Set values in place, key by key, which keeps the comments."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value and isinstance(target.get(key), Mapping):
            _overlay(target[key], value)
        elif target.get(key) != value:
            target[key] = _inline(value) if isinstance(value, list) else value


def _inline(values: list[Any]) -> CommentedSeq:
    """Return a list in flow style: [a, b]."""
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.representer.add_representer(
        type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml
