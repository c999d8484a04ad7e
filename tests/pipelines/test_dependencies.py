import ast
from pathlib import Path

import grimp
import pytest
from ruamel.yaml import YAML

# packages that read parameters, write files, log or render, and never change a number
CARRIERS = ("demsr.errors", "demsr.options", "demsr.params", "demsr.reporting", "demsr.runtime", "demsr.tracking")
CARRIERS += ("demsr.evaluation.examples",)  # patches for pictures; a change must not train again
SHAPING = {"demsr.runtime.seeding"}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("demsr", exclude_type_checking_imports=True)


def is_carrier(module: str) -> bool:
    within = any(module == carrier or module.startswith(f"{carrier}.") for carrier in CARRIERS)
    return module == "demsr" or (within and module not in SHAPING)


def imported_by(stage: Path, graph: grimp.ImportGraph) -> set[str]:
    """Return the modules of demsr that a stage imports itself, without carriers."""
    nodes = ast.walk(ast.parse(stage.read_text(encoding="utf-8")))
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name for name in names if name in graph.modules and not is_carrier(name)}


def with_what_they_import(modules: set[str], graph: grimp.ImportGraph) -> set[str]:
    found, queue = set(modules), list(modules)
    while queue:
        new = {name for name in graph.find_modules_directly_imported_by(queue.pop()) if not is_carrier(name)} - found
        found |= new
        queue += new
    return found


def not_listed(stage: str, used: set[str], root: Path) -> set[str]:
    listed = YAML(typ="safe").load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]["deps"]
    deps = [dep.removesuffix(".py").replace("/", ".") for dep in listed if dep.startswith("demsr")]
    return {name for name in used if not any(name == dep or name.startswith(f"{dep}.") for dep in deps)}


@pytest.mark.parametrize("stage", ["fetch", "harmonise", "pairs"])
def test_stage_of_data_depends_on_all_code_that_shapes_its_results(root, stage, graph):
    used = with_what_they_import(imported_by(root / "pipelines" / f"{stage}.py", graph), graph)
    assert len(used) > 3
    assert not_listed(stage, used, root) == set()


@pytest.mark.parametrize("stage", ["pretrain", "finetune", "evaluate", "register"])
def test_stage_of_models_depends_on_the_code_that_it_imports(root, stage, graph):
    used = imported_by(root / "pipelines" / f"{stage}.py", graph)
    assert used
    assert not_listed(stage, used, root) == set()


def test_no_stage_depends_on_code_that_only_renders_or_writes_products(root):
    stages = YAML(typ="safe").load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    deps = {dep for stage in stages.values() for dep in stage["deps"]}
    assert not [dep for dep in deps if dep.startswith(("demsr/reporting", "demsr/output", "demsr/cli"))]
