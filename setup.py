"""Build step: the wheel gets a copy of the files that `demsr init` writes; git has them once."""

import runpy
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
TEMPLATE = runpy.run_path(str(ROOT / "demsr" / "runtime" / "template.py"))


class BuildWithTemplate(build_py):
    """Build of the package, with the files of a project beside its modules."""

    def run(self) -> None:
        """Build; an editable installation has the files in the repository."""
        super().run()
        if self.editable_mode:
            return
        for source in (path for pattern in TEMPLATE["PATTERNS"] for path in sorted(ROOT.glob(pattern))):
            target = Path(self.build_lib, "demsr", TEMPLATE["FOLDER"], source.relative_to(ROOT))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


setup(cmdclass={"build_py": BuildWithTemplate})
