import subprocess
import sys

import pytest


def test_the_net_is_imported_from_the_package_on_first_use_and_torch_not_before():
    lines = ("import sys, demsr.model", "assert 'torch' not in sys.modules", "from demsr.model import DemSrNet")
    code = "\n".join((*lines, "print(DemSrNet(1, 8).reach_px)"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("6\n", "")


def test_other_names_are_not_in_the_package():
    import demsr.model

    with pytest.raises(AttributeError, match="module 'demsr.model' has no attribute 'Net'"):
        _ = demsr.model.Net
