"""MkDocs hooks: pages for Markdown files outside docs/, for linked source files and for every module of demsr."""

import ast
import os
import re
import warnings
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "demsr/weights/README.md": "model-card.md",
}
"""Markdown file outside docs/ -> page of the site."""

OWN_LINKS = ("api/", "generated/")
"""Folders of pages whose links are those of the site already."""

_DRAWING = re.compile(r"!\[[^\]]*\]\(pictures/(?P<name>\w+)\.svg\)")
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", "": "text"}
_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)#\s]+)(?P<after>(?:#[^)\s]*)?\))")
_FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the API entry of the navigation."""
    for entry in config.nav:
        if "API" in entry:
            entry["API"] = ["api/index.md", *_navigation("demsr")]
    return config


@event_priority(100)
def on_pre_build(**_: Any) -> None:
    """Make warnings of Python errors while the examples of the gallery run."""
    warnings.simplefilter("error")
    warnings.filterwarnings("default", module="mkdocs|mlflow|ray")  # of these packages on their own code


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    warnings.resetwarnings()
    warnings.simplefilter("default")
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    for page, text in _api_pages():
        files.append(File.generated(config, page, content=text))
    for page in [file for file in files.documentation_pages() if not file.src_uri.startswith(OWN_LINKS)]:
        source = _source_of(page.src_uri)
        for target in sorted(_targets(page.content_string, source)):
            uri = _file_page(target)
            if files.get_file_from_path(uri) is None:
                files.append(
                    File.generated(config, uri, content=_code_page(target), inclusion=InclusionLevel.NOT_IN_NAV)
                )
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Point links of the repository at the pages of the site."""
    if page.file.src_uri.startswith((*OWN_LINKS, "files/")):
        return markdown
    source = _source_of(page.file.src_uri)
    markdown = _DRAWING.sub(_inline_drawing, markdown)

    def link(match: re.Match[str]) -> str:
        target = _resolved(match["target"], source)
        if target is None:
            return match[0]
        uri = _page_of(target)
        relative = os.path.relpath(uri, PurePosixPath(page.file.src_uri).parent)
        return f"{match['before']}{relative}{match['after']}"

    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)


def _inline_drawing(match: re.Match[str]) -> str:
    """Return a drawing as part of the page: it follows the colour scheme, and its rooms link to their API."""
    svg = (ROOT / f"docs/pictures/{match['name']}.svg").read_text(encoding="utf-8")
    svg = re.sub(r'<g id="room-(\w+)".*?</g>', _linked_room, svg)
    return f'<div class="drawing">{svg}</div>'


def _linked_room(match: re.Match[str]) -> str:
    name = match[1]
    if (ROOT / "demsr" / name).is_dir():
        return f'<a href="api/demsr/{name}/index.html">{match[0]}</a>'
    return f'<a href="api/demsr/{name}.html">{match[0]}</a>' if (ROOT / f"demsr/{name}.py").exists() else match[0]


def _source_of(uri: str) -> str:
    """Return the path in the repository of a page."""
    sources = {page: source for source, page in PAGES.items()}
    return sources.get(uri, f"docs/{uri}")


def _resolved(target: str, source: str) -> str | None:
    """Return the path in the repository that a link of a source file leads to; none for other addresses."""
    if re.match(r"[a-z]+:", target):
        return None
    path = os.path.normpath(PurePosixPath(source).parent / target)
    return path if (ROOT / path).is_file() else None


def _targets(markdown: str, source: str) -> set[str]:
    """Return the files outside docs/ that a page links and that are no pages of their own."""
    resolved = {_resolved(match["target"], source) for match in _LINK.finditer(markdown)}
    return {path for path in resolved if path and not path.startswith("docs/") and path not in PAGES}


def _page_of(path: str) -> str:
    if path in PAGES:
        return PAGES[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else _file_page(path)


def _file_page(path: str) -> str:
    return f"files/{path}.md"


def _code_page(path: str) -> str:
    language = _LANGUAGES.get(Path(path).suffix, "text")
    return f"---\nsearch: {{exclude: true}}\n---\n# `{path}`\n\n````{language}\n{(ROOT / path).read_text()}````\n"


def _modules(package: str) -> list[Path]:
    """Return the public modules and packages directly in a package, sorted by name."""
    folder = ROOT / package.replace(".", "/")
    packages = [path for path in folder.iterdir() if (path / "__init__.py").exists()]
    modules = [path for path in folder.glob("*.py") if not path.name.startswith("_")]
    return sorted(packages + modules, key=lambda path: path.stem)


def _navigation(package: str) -> list[Any]:
    """Return the navigation below a package: modules as pages, packages as sections."""
    entries: list[Any] = []
    for path in _modules(package):
        name = f"{package}.{path.stem}"
        uri = f"api/{name.replace('.', '/')}"
        entries.append({path.stem: [f"{uri}/index.md", *_navigation(name)] if path.is_dir() else f"{uri}.md"})
    return entries


def _api_pages() -> list[tuple[str, str]]:
    """Return (page, Markdown) of the public door and of every room and module."""
    pages = [("api/index.md", _door())]
    waiting = ["demsr"]
    while waiting:
        package = waiting.pop()
        for path in _modules(package):
            name = f"{package}.{path.stem}"
            uri = f"api/{name.replace('.', '/')}"
            if path.is_dir():
                waiting.append(name)
                pages.append((f"{uri}/index.md", _room(name)))
            else:
                pages.append(
                    (
                        f"{uri}.md",
                        f"# {name}\n\n::: {name}\n    options: {{show_root_heading: false, "
                        "show_root_toc_entry: false}\n",
                    )
                )
    return pages


def _door() -> str:
    """Return the page of the names in `demsr.__all__`, functions first."""
    names = next(
        ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "demsr/__init__.py").read_text()).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    )
    functions_first = sorted((name for name in names if not name.startswith("__")), key=lambda name: name[0].isupper())
    parts = [f"::: demsr.{name}\n" for name in functions_first]
    return "\n".join(["# Public names\n", _DOOR, *parts, "## Rooms\n", _table("demsr")])


_DOOR = """
Import these names from `demsr` itself; they stay stable between releases. `import demsr` is fast, because a name is
loaded, and PyTorch with it, on first use. The examples run in the tests.
"""


def _room(package: str) -> str:
    """Return the page of a package: its docstring and a table of its modules."""
    return f"# {package}\n\n{_docstring(ROOT / package.replace('.', '/') / '__init__.py')}\n\n{_table(package)}"


def _table(package: str) -> str:
    rows = []
    for path in _modules(package):
        target = f"{path.stem}/index.md" if path.is_dir() else f"{path.stem}.md"
        folder = "demsr/" if package == "demsr" else ""
        file = path / "__init__.py" if path.is_dir() else path
        first = _docstring(file).split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        rows.append(f"| [`{path.stem}`]({folder}{target}) | {first} |")
    return "\n".join(["| module | purpose |", "|---|---|", *rows, ""]) if rows else ""


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""
