import pytest

from demsr.reporting.sources import print_licences
from demsr.sources.data_sheet import data_sheet, data_sheets


def test_licences_are_printed_on_stderr_and_forbidden_commercial_use_is_marked(capsys):
    print_licences([data_sheet("gmrt"), data_sheet("tandem-x-90"), data_sheet("nonna-10")])
    shown = capsys.readouterr()
    assert shown.out == ""
    gmrt, tandem, nonna = shown.err.splitlines()
    assert gmrt.startswith("gmrt: CC BY 4.0. Ryan, W.B.F.")
    assert tandem.startswith("tandem-x-90: NO COMMERCIAL USE, DLR, scientific use only.")
    assert "(commercial use: not stated)" in nonna


@pytest.mark.parametrize("name", data_sheets())
def test_each_product_can_be_cited(capsys, name):
    print_licences([data_sheet(name)])
    assert data_sheet(name).citation in capsys.readouterr().err
