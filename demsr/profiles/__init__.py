"""Named sets of values for params.yaml: sample (runs anywhere), local (your rasters), paper (the paper's net)."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import YAMLError

from demsr.errors import ParamsError
from demsr.params import Params
from demsr.runtime.files import write_text

_FOLDER = Path(__file__).parent


def profile_names() -> list[str]:
    """Return the names of the profiles."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def write_profile(name: str, path: Path, changes: Mapping[str, Any] | None = None) -> Params:
    """Put the values of a profile into params.yaml, keeping its comments, checked before anything is written.

    Parameters
    ----------
    changes : values on top of the profile, such as {"fetch": {"land": {"folder": "tiles"}}}

    Raises
    ------
    ParamsError : no such profile, no params.yaml to change, or the result would be no valid one
    """
    return _write(path, merged(name, path), {**(changes or {}), "base": {"profile": name}}, where=f"profile {name}")


def write_changes(path: Path, changes: Mapping[str, Any]) -> Params:
    """Put some values into params.yaml, keeping its comments, checked before anything is written."""
    return _write(path, _read(path), changes, where=str(path))


def merged(name: str, path: Path) -> Any:
    """Return params.yaml with the values of a profile, as `write_profile` begins; nothing is checked or written.

    Raises
    ------
    ParamsError : no such profile, or no params.yaml to change
    """
    if name not in profile_names():
        message = f"profile is {name!r}; it must be one of {', '.join(profile_names())}"
        raise ParamsError(message)
    params = _read(path)
    if remote := params.get("fetch", {}).get("remote"):
        remote["regions"] = {}  # those of a profile are no additions
    _overlay(params, _yaml().load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))
    return params


def profile_params(name: str, path: Path) -> Params:
    """Return what params.yaml would be with the values of a profile; the regions of its own profile are its own.

    Raises
    ------
    ParamsError : no such profile, no params.yaml, it is no valid one, or nothing of it is fetched
    """
    own = Params.read(path)
    params = own if own.base.profile == name else Params.checked(_plain(merged(name, path)), where=f"profile {name}")
    if params.fetch.source != "remote":
        message = f"profile {name}: fetches nothing, its source is {params.fetch.source!r}; paper is one that does"
        raise ParamsError(message)
    return params


def declared_files(path: Path) -> dict[str, Any]:
    """Return what params.yaml says about single files."""
    return dict(_read(path).get("harmonise", {}).get("files") or {})


def _read(path: Path) -> Any:
    try:
        params = _yaml().load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        message = f"{path}: cannot be read as YAML ({error}); run this in the project's folder, on a whole params.yaml"
        raise ParamsError(message) from error
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
    """Return what a reader of the file will get."""
    return YAML(typ="safe").load(_text(params))


def _overlay(target: Any, values: Mapping[str, Any]) -> None:
    """Set values in place, key by key, so that comments stay."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value and isinstance(target.get(key), Mapping):
            _overlay(target[key], value)
        elif target.get(key) != value:
            target[key] = _inline(value) if isinstance(value, list) else value


def _inline(values: list[Any]) -> CommentedSeq:
    """Return a list that is written as [a, b]."""
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
