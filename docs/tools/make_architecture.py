"""Draw docs/pictures/architecture.svg from the imports, and write the table of importers in CONTRIBUTING.md.

The picture shows the data flow and the rooms of demsr in their layers.

Run it from the root of the repository: python docs/tools/make_architecture.py
"""

import ast
import textwrap
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import grimp
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs/pictures/architecture.svg"

GUIDE = ROOT / "CONTRIBUTING.md"

_PACKAGES = ("h5py", "lightning", "matplotlib", "mlflow", "optuna", "rasterio", "ray", "requests", "typer", "xarray")
_MARKS = ("<!-- importers -->\n", "<!-- /importers -->\n")

_SUPPORT = {"errors", "options", "params", "runtime"}
"""Rooms that carry a stage without shaping its result; the data flow leaves them out."""

_GROUPS = {
    "entry": {"pipelines", "sweeps", "cli", "profiles", "params"},
    "life": {"search", "lifecycle", "inference", "reporting", "training", "evaluation", "tracking"},
    "data": {"pairs", "metrics", "sources", "model", "output", "download", "dem"},
}
"""Colour of a room; every other room is grey."""

_FLOW = {
    "fetch": "data/raw|rasters",
    "harmonise": "data/harmonised|GeoTIFF, metres",
    "pairs": "data/pairs|LR/HR patches, HDF5",
    "pretrain": "models/pretrained|safetensors",
    "finetune": "models/finetuned|safetensors",
    "evaluate": "results/evaluate|scores by area",
    "register": "MLflow registry|champion, challenger",
}
"""Stage of dvc.yaml -> what it writes."""

_WIDTH, _MARGIN, _GAP = 1000, 20, 12
_STYLE = """
text { font-family: Roboto, Helvetica, Arial, sans-serif; fill: var(--a-ink, #1d2b33); font-size: 12px }
.paper { fill: var(--a-paper, #ffffff) }
.head { font-size: 15px; font-weight: 700 }
.name { font-size: 14px; font-weight: 700 }
.soft { fill: var(--a-soft, #54656f) }
.small { font-size: 10.5px }
.stage { font-size: 12px; font-weight: 700; fill: var(--a-life-ink, #7a3d06) }
.box { stroke-width: 1.2 }
.entry { fill: var(--a-entry, #e3e9f7); stroke: var(--a-entry-line, #8096cf) }
.life { fill: var(--a-life, #fbe9d8); stroke: var(--a-life-line, #d79a5e) }
.data { fill: var(--a-data, #dcefe9); stroke: var(--a-data-line, #67ab97) }
.base { fill: var(--a-base, #eceff1); stroke: var(--a-base-line, #a3b0b7) }
.file { fill: var(--a-file, #f7f9fa); stroke: var(--a-base-line, #a3b0b7) }
.arrow { stroke: var(--a-soft, #54656f); stroke-width: 1.6; fill: none; marker-end: url(#tip) }
.tip { fill: var(--a-soft, #54656f) }
"""


@dataclass(frozen=True)
class Room:
    """A package or module directly in demsr/, or a folder of scripts beside it.

    Attributes
    ----------
    name : last part of the import path
    purpose : first sentence of the docstring
    imports : rooms that its modules import at run time, sorted
    """

    name: str
    purpose: str
    imports: tuple[str, ...]


def layers() -> list[list[str]]:
    """Return the rooms of each layer, top first, from the import contract in pyproject.toml."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    rows = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[name.strip(" ()") for name in row.replace(":", "|").split("|")] for row in rows]


def read_rooms() -> dict[str, Room]:
    """Return every room of demsr, and pipelines and sweeps, with the rooms that it imports."""
    graph = grimp.build_graph("demsr", exclude_type_checking_imports=True, cache_dir=None)
    imports: dict[str, set[str]] = {}
    for module in graph.modules - {"demsr"}:
        room = module.split(".")[1]
        targets = (name.split(".") for name in graph.find_modules_directly_imported_by(module))
        imports.setdefault(room, set()).update(parts[1] for parts in targets if len(parts) > 1 and parts[1] != room)
    rooms = {name: Room(name, _purpose(name), tuple(sorted(found))) for name, found in imports.items()}
    for folder, purpose in (
        ("pipelines", "DVC stages, one file each."),
        ("sweeps", "Searches, one YAML file each."),
    ):
        found = set().union(*(imported_rooms(path) for path in (ROOT / folder).glob("*.py")))
        rooms[folder] = Room(folder, purpose, tuple(sorted(found)))
    return rooms


def imported_rooms(script: Path) -> set[str]:
    """Return the rooms that a script outside the package imports."""
    nodes = ast.walk(ast.parse(script.read_text(encoding="utf-8")))
    names = [node.module.split(".") for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {parts[1] for parts in names if parts[0] == "demsr" and len(parts) > 1}


def draw() -> str:
    """Return the picture as SVG text.

    Raises
    ------
    SystemExit : a room is missing in the layers of pyproject.toml
    """
    rooms = read_rooms()
    rows = [["pipelines", "sweeps"], *layers()]
    missing = set(rooms) - {name for row in rows for name in row}
    if missing:
        message = (
            f"pyproject.toml: no layer holds demsr.{', demsr.'.join(sorted(missing))}; add it to the contract `layers`"
        )
        raise SystemExit(message)
    flow, y = _draw_flow()
    parts = [
        *flow,
        _text(_MARGIN, y + 30, "Rooms: a pill names a room that is imported; imports lead to lower rows only", "head"),
    ]
    y += 44
    for row in rows:
        drawn, y = _draw_row([rooms[name] for name in row if name in rooms], y)
        parts += drawn
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 8}" role="img" '
        f'aria-label="Data flow and rooms of demsr">\n<style>{_STYLE}</style>\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>\n'
        f'<rect class="paper" width="{_WIDTH}" height="{y + 8}" rx="8"/>\n{body}\n</svg>\n'
    )


def guide_with_importers(text: str) -> str:
    """Return CONTRIBUTING.md with the table of the modules that import a heavy or delicate package."""
    graph = grimp.build_graph(
        "demsr", include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    rows = ["", "| package | imported by |", "|---|---|"]
    for package in _PACKAGES:
        modules = graph.find_modules_that_directly_import(package) if package in graph.modules else set()
        rows.append(f"| {package} | {_named(modules)} |")
    before, rest = text.split(_MARKS[0])
    after = rest.split(_MARKS[1])[1]
    return f"{before}{_MARKS[0]}{chr(10).join(rows)}\n\n{_MARKS[1]}{after}"


def _named(modules: set[str]) -> str:
    """Return the files of modules, or their room where three or more of one room are among them."""
    rooms: dict[str, list[str]] = {}
    for module in sorted(modules):
        rooms.setdefault(module.split(".")[1], []).append(module)
    files = [
        [f"demsr/{room}/"] if len(found) > 2 else [f"{module.replace('.', '/')}.py" for module in found]
        for room, found in rooms.items()
    ]
    return ", ".join(f"`{name}`" for names in files for name in names) or "no module"


def _purpose(name: str) -> str:
    """Return the first sentence of a room's docstring."""
    path = ROOT / "demsr" / name
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n\n")[0].replace("\n", " ")
    return text.replace("`", "").split(". ")[0].rstrip(".") + "."


def _draw_flow() -> tuple[list[str], int]:
    """Return the panel of the data flow and the height where it ends."""
    stages = list(YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    boxes = ["your rasters|or products", *(_FLOW[stage] for stage in stages)]
    per_row = 4
    step = (_WIDTH - 2 * _MARGIN) / per_row
    width, top = step - 92, 44
    parts = [_text(_MARGIN, 26, "Data flow of dvc repro: stage, rooms that do the work, file", "head")]
    for index, label in enumerate(boxes):
        line, place = divmod(index, per_row)
        x, y = _MARGIN + 92 + place * step, top + line * 78
        parts += _file_box(x, y, width, label)
        if index:
            stage = stages[index - 1]
            rooms = sorted(imported_rooms(ROOT / "pipelines" / f"{stage}.py") - _SUPPORT - {"reporting", "tracking"})
            parts += _stage_arrow(x - 88, y, stage, rooms)
    y = top + 2 * 78 + 8
    parts.append(_text(_MARGIN, y + 18, "Use of a model: demsr super-resolve, demsr.super_resolve", "head"))
    y += 34
    parts += _file_box(_MARGIN + 92, y, width, "any raster|or DataArray")
    parts += _stage_arrow(_MARGIN + 4 + step, y, "super-resolve", ["inference", "model", "output"])
    parts += _file_box(_MARGIN + 92 + step, y, width, "COG, NetCDF|or tiles with STAC")
    parts.append(
        _text(
            _MARGIN + 92 + 2 * step, y + 20, "The model is the bundled one (demsr/weights), a version of", "small soft"
        )
    )
    parts.append(
        _text(_MARGIN + 92 + 2 * step, y + 36, "the registry, a model folder or a .safetensors file.", "small soft")
    )
    return parts, y + 56


def _file_box(x: float, y: float, width: float, label: str) -> list[str]:
    name, note = label.split("|")
    return [
        f'<rect class="box file" x="{x:g}" y="{y}" width="{width:g}" height="48" rx="6"/>',
        _text(x + width / 2, y + 21, name, "middle"),
        _text(x + width / 2, y + 37, note, "small soft middle"),
    ]


def _stage_arrow(x: float, y: float, stage: str, rooms: Iterable[str]) -> list[str]:
    lines = textwrap.wrap(", ".join(rooms), 15)
    return [
        _text(x + 42, y + 17, stage, "stage middle"),
        f'<path class="arrow" d="M{x + 2:g} {y + 24}H{x + 84:g}"/>',
        *(_text(x + 42, y + 37 + 11 * index, line, "small soft middle") for index, line in enumerate(lines)),
    ]


def _draw_row(row: list[Room], y: int) -> tuple[list[str], int]:
    """Return the boxes of one layer side by side and the height where the next layer begins."""
    width = (_WIDTH - 2 * _MARGIN - _GAP * (len(row) - 1)) / len(row)
    contents = [_room_text(room, width) for room in row]
    height = max(bottom for _, bottom in contents)
    parts = []
    for index, (room, (texts, _)) in enumerate(zip(row, contents, strict=True)):
        x = _MARGIN + index * (width + _GAP)
        box = f'<rect class="box {_group(room.name)}" width="{width:g}" height="{height}" rx="6"/>'
        parts.append(f'<g id="room-{room.name}" transform="translate({x:g} {y})">{box}{"".join(texts)}</g>')
    return parts, y + height + 8


def _room_text(room: Room, width: float) -> tuple[list[str], int]:
    """Return name, purpose and chips of a room, placed from the corner of its box, and the height of the box."""
    parts = [_text(12, 20, room.name, "name")]
    offset = 24 + 8.4 * len(room.name)
    lines = textwrap.wrap(room.purpose, max(int((width - offset - 10) / 6.1), 20))
    parts += [_text(offset, 20 + 15 * index, line, "soft") for index, line in enumerate(lines)]
    x, y = 12.0, 14 + 15 * len(lines)
    if not room.imports:
        return parts, y + 2
    for name in room.imports:
        wide = 12 + 5.9 * len(name)
        if x + wide > width - 8:
            x, y = 12.0, y + 20
        parts.append(f'<rect class="box {_group(name)}" x="{x:g}" y="{y}" width="{wide:g}" height="16" rx="8"/>')
        parts.append(_text(x + wide / 2, y + 11.5, name, "small middle"))
        x += wide + 5
    return parts, y + 24


def _group(name: str) -> str:
    return next((group for group, names in _GROUPS.items() if name in names), "base")


def _text(x: float, y: float, text: str, style: str = "") -> str:
    anchor = ' text-anchor="middle"' if "middle" in style else ""
    return f'<text class="{style}" x="{x:g}" y="{y:g}"{anchor}>{escape(text)}</text>'


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    GUIDE.write_text(guide_with_importers(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
