"""The tests mirror the library: demsr/a/b.py has tests/a/test_b.py, with the exceptions listed here."""

import ast
from pathlib import Path

import pytest

ELSEWHERE = {
    "demsr/cli/__init__.py": "tests/cli/test_app.py",
    "demsr/dem/read/header.py": "tests/dem/read/test_raster.py",
    "demsr/download/checks.py": "tests/download/test_transfer.py",
    "demsr/download/remote_file.py": "tests/download/test_transfer.py",
    "demsr/inference/tiles.py": "tests/inference/test_files.py",
    "demsr/model/mindspore_file.py": "tests/model/test_mindspore.py",
    "demsr/pairs/align.py": "tests/pairs/degradations/test_real.py",
    "demsr/pairs/degradations/base.py": "tests/pairs/degradations/test_init.py",
    "demsr/pairs/degradations/block_mean.py": "tests/pairs/degradations/test_init.py",
    "demsr/params/fetch.py": "tests/params/test_init.py",
    "demsr/params/harmonise.py": "tests/params/test_init.py",
    "demsr/params/pairs.py": "tests/params/test_init.py",
    "demsr/params/section.py": "tests/params/test_init.py",
    "demsr/params/training.py": "tests/params/test_init.py",
    "demsr/sources/protocols/__init__.py": "tests/sources/protocols/test_services.py",
    "demsr/sources/protocols/base.py": "tests/sources/protocols/test_services.py",
    "demsr/sources/protocols/gmrt.py": "tests/sources/protocols/test_services.py",
    "demsr/sources/protocols/ncss.py": "tests/sources/protocols/test_services.py",
    "demsr/sources/protocols/wcs.py": "tests/sources/protocols/test_services.py",
    "demsr/tracking/pyfunc_model.py": "tests/lifecycle/test_register.py",
    "demsr/training/artifacts.py": "tests/training/test_stage.py",
    "demsr/training/ray_train.py": "tests/test_two_nodes.py",
}
"""Module that is tested through its caller -> the test file of that caller."""

NO_MODULE = {
    "tests/dem/read/test_s102.py",
    "tests/model/test_builtin.py",
    "tests/model/test_package.py",
    "tests/search/test_standard_parts.py",
    "tests/sources/protocols/test_services.py",
    "tests/sources/test_shared_files.py",
    "tests/sources/test_single_products.py",
    "tests/test_architecture.py",
    "tests/test_compose.py",
    "tests/test_doctests.py",
    "tests/test_extras.py",
    "tests/test_fuzz.py",
    "tests/test_install.py",
    "tests/test_mirror.py",
    "tests/test_paths.py",
    "tests/test_properties.py",
    "tests/test_two_nodes.py",
}
"""Test files about several modules or about the whole package."""

OUTSIDE = ("tests/benchmarks/", "tests/docs/", "tests/integrations/", "tests/pipelines/")


def public_names(module: Path) -> list[str]:
    """Return the functions and classes that a module defines for others."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    body = ast.parse(module.read_text(encoding="utf-8")).body
    return [node.name for node in body if isinstance(node, definitions) and not node.name.startswith("_")]


def mirror_of(module: str) -> str:
    """Return tests/a/test_b.py for demsr/a/b.py, and tests/a/test_init.py for demsr/a/__init__.py."""
    folder, _, name = module.removeprefix("demsr/").rpartition("/")
    return "/".join(["tests", *([folder] if folder else []), f"test_{name.replace('__init__', 'init')}"])


def files_below(root: Path, folder: str, pattern: str) -> list[str]:
    return [path.relative_to(root).as_posix() for path in sorted((root / folder).rglob(pattern))]


@pytest.fixture(scope="module")
def mirrors(root: Path) -> dict[str, str]:
    """Modules with public functions or classes -> their test files."""
    modules = [module for module in files_below(root, "demsr", "*.py") if public_names(root / module)]
    assert len(modules) > 80
    return {module: mirror_of(module) for module in modules}


def test_every_module_has_its_test_file_but_those_tested_through_their_callers(root, mirrors):
    without = {module for module, test in mirrors.items() if not (root / test).is_file()}
    assert without == ELSEWHERE.keys()
    assert [test for test in ELSEWHERE.values() if not (root / test).is_file()] == []


def test_every_test_file_has_its_module(root, mirrors):
    tests = {test for test in files_below(root, "tests", "test_*.py") if not test.startswith(OUTSIDE)}
    assert tests - set(mirrors.values()) == NO_MODULE
