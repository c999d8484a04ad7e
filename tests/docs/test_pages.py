"""What the pages claim about commands, files and numbers exists as they say."""

import re
from pathlib import Path

import pytest
import typer

import demsr
from demsr.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks/README.md", ROOT / "demsr/weights/README.md"]
)
REFERENCE = "tests/st/mindearth"  # a path in the repository of the reference implementation
COMMANDS = typer.main.get_command(app).commands
COMMANDS |= {  # "models promote" beside "models"
    f"{group} {name}": command
    for group, commands in COMMANDS.items()
    for name, command in getattr(commands, "commands", {}).items()
}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def code_of(page: Path) -> str:
    """Return the lines of code of a page: blocks, indented blocks and spans."""
    text = page.read_text(encoding="utf-8")
    spans = re.findall(r"`([^`\n]+)`", text)
    blocks = [
        line
        for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    return "\n".join([*spans, *blocks, *re.findall(r"^    (.*)$", text, re.MULTILINE)])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_of_a_page_exist(page):
    wrong = []
    for line in code_of(page).splitlines():
        for name, rest in re.findall(r"\bdemsr ([a-z][a-z-]*)\b(?!\.)([^#&;]*)", line):
            if (longer := f"{name} {rest.split()[0] if rest.split() else ''}") in COMMANDS:
                name = longer
            if name not in COMMANDS:
                wrong.append(f"demsr {name}")
                continue
            known = {option for param in COMMANDS[name].params for option in [*param.opts, *param.secondary_opts]}
            options = set(re.findall(r"(?<!\S)(--[a-z][a-z-]*)", rest)) - {"--help"}
            wrong += [f"demsr {name} {option}" for option in sorted(options - known)]
        wrong += [f"make {name}" for name in re.findall(r"(?:^|&& |= )make ([a-z-]+)", line) if name not in TARGETS]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_of_the_project_that_a_page_names_exist(page):
    folders = "demsr|pipelines|sweeps|tests|benchmarks|docs"
    found = re.findall(rf"(?<![\w/])((?:{folders})/[\w/.-]*\w(?:\.\w+|/))", code_of(page))
    named = [name for name in found if "NAME" not in name]  # demsr/output/NAME.py stands for a new file
    assert [name for name in named if not (ROOT / name).exists() and not name.startswith(REFERENCE)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_a_page_names_exist(page):
    wrong = []
    for folders, word in re.findall(r"pytest ((?:tests\S* ?)+)(?:-k (\w+))?", code_of(page)):
        paths = [ROOT / name for name in folders.split()]
        files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("test_*.py"))]
        names = [name for file in files for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))]
        if not any(word in name for name in names):
            wrong.append(f"{folders}-k {word}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_public_names_that_a_page_uses_exist(page):
    modules = {path.stem for path in (ROOT / "demsr").iterdir()}
    names = set(re.findall(r"\bdemsr\.([A-Za-z_]+)", code_of(page)))
    assert {name for name in names if name not in {*modules, *demsr.__all__}} == set()


def test_the_readme_repeats_the_gains_of_the_model_card():
    card = (ROOT / "demsr/weights/README.md").read_text(encoding="utf-8")
    gains = {name: float(value) for name, value in re.findall(r"^\| ([^|]+?) \| ([\d.]+) %", card, re.MULTILINE)}
    land, sea = gains["real GEBCO on land"], gains["real GEBCO at sea"]
    placed = gains["the same, at true instead of nominal positions"]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"RMSE {land:.0f} % below that of bicubic interpolation on the land of GEBCO" in readme
    assert f"{sea:.0f} % below it on its sea floor" in readme
    assert f"{placed:.0f} % with `--placement srtm`" in readme
