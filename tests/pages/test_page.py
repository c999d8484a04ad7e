import base64
import hashlib
import json
import re

import pytest

from demsr.errors import RasterError
from demsr.pages.page import LARGEST_BYTES, check_page, page, write_page


def test_the_page_allows_its_own_script_alone():
    text = page("title", "", {"a": 1})
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'" in text


def test_a_page_without_data_has_no_script():
    text = page("title", "<p>body</p>")
    assert "<script" not in text
    assert "script-src" not in text


def test_nothing_is_loaded_from_elsewhere():
    text = page("title", "", {})
    assert not re.search(r"(src|href)=|@import|url\(|fetch\(", text)
    assert set(re.findall(r"https?://[\w./]+", text)) == {
        "https://github.com/matplotlib/cmocean",
        "http://www.w3.org/2000/svg",
    }


def test_data_cannot_end_their_element():
    data = {"name": "</script><script>alert(1)</script>&"}
    text = page("title", "", data)
    (stored,) = re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert "<" not in stored
    assert json.loads(stored) == data


@pytest.mark.parametrize(("name", "way_out"), [("a.pdf", "ends in .html"), ("old.html", "--overwrite")])
def test_a_page_that_cannot_be_written_is_refused_first(tmp_path, name, way_out):
    (tmp_path / "old.html").write_text("mine")
    with pytest.raises(RasterError, match=way_out):
        check_page(tmp_path / name, overwrite=False)
    assert check_page(tmp_path / "old.html", overwrite=True) == tmp_path / "old.html"


def test_a_page_that_is_too_large_is_not_written(tmp_path):
    with pytest.raises(RasterError, match="5,000,001 bytes"):
        write_page(tmp_path / "a.html", "x" * (LARGEST_BYTES + 1))
    assert not list(tmp_path.iterdir())
