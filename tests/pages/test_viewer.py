"""The viewer, driven in a browser: two layers and their border, the profile, keys, small screens."""

import re

import numpy as np
import pytest
from browser import open_browser
from report_files import written_product, written_truth
from synthetic import ARCSEC_3

from demsr.pages.result import report_result
from demsr.pages.viewer import viewer

MIDDLE = "document.getElementById('map').getBoundingClientRect()"
COLOUR = (
    "Array.from(document.getElementById('map').getContext('2d').getImageData({x}, {y}, 1, 1).data.slice(0, 3)).join()"
)
CHOOSE = "document.getElementById('{side}').value = '{layer}';" + (
    "document.getElementById('{side}').dispatchEvent(new Event('change'))"
)
FRAME = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
TEXT = "document.getElementById('{id}').textContent"


def test_layers_without_data_are_not_offered():
    assert not re.search('value="(sigma|truth|error)"', viewer(has_sigma=False, has_truth=False))
    assert {"sigma", "truth", "error"} <= set(re.findall('value="([^"]*)"', viewer(has_sigma=True, has_truth=True)))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The browser with a report of a surface that is 1 m too high and has a standard error of 2 m."""
    folder = tmp_path_factory.mktemp("report")
    truth = written_truth(folder / "truth.tif")
    report = report_result(written_product(folder), against=truth)
    with open_browser(folder / "profile") as opened:
        opened.show(report.path, width=1440)
        opened.report = report.path
        yield opened


def height_at(north: float, east: float) -> float:
    """Return the height of `report_files.surface` at a place."""
    x, y = (east - 10) / ARCSEC_3, (50 - north) / ARCSEC_3
    return 200 + 60 * np.sin(x / 17) * np.cos(y / 23) + 0.5 * x - y


def test_the_border_divides_two_layers_and_moves_by_mouse_key_and_slider(page):
    box = page.run(f"(() => {{ const box = {MIDDLE}; return [box.left, box.top, box.width, box.height]; }})()")
    left, top, width, height = box
    x, y = int(0.6 * width), int(0.35 * height)
    page.run(CHOOSE.format(side="left", layer="error") + ";" + CHOOSE.format(side="right", layer="sigma"))
    page.run(FRAME)
    assert "Error: super-resolved - truth (m)" in page.run(TEXT.format(id="legend"))
    right_colour = page.run(COLOUR.format(x=x, y=y))
    left_colour = page.run(COLOUR.format(x=int(0.4 * width), y=y))
    assert right_colour != left_colour
    page.drag((left + width / 2, top + 0.2 * height), (left + 0.75 * width, top + 0.2 * height))
    page.run(FRAME)
    assert page.run(COLOUR.format(x=x, y=y)) == left_colour
    assert page.run("document.getElementById('swipe').value") == "75"
    page.run("document.getElementById('map').focus()")
    page.press("[")
    assert page.run("document.getElementById('swipe').value") == "73"
    page.run("(one => { one.value = 20; one.dispatchEvent(new Event('input')) })(document.getElementById('swipe'))")
    page.run(FRAME)
    assert page.run(COLOUR.format(x=x, y=y)) == right_colour
    assert page.log == []


def test_a_profile_is_drawn_with_the_mouse_and_moved_with_keys(page):
    left, top, width, height = page.run(
        f"(() => {{ const box = {MIDDLE}; return [box.left, box.top, box.width, box.height]; }})()"
    )
    page.run("document.getElementById('draw').click()")
    page.drag((left + 0.45 * width, top + 0.5 * height), (left + 0.55 * width, top + 0.5 * height))
    said = page.run(TEXT.format(id="profile-text"))
    places = re.findall(r"([\d.]+)° N, ([\d.]+)° E", said)
    north, east = (np.linspace(*map(float, pair), 400) for pair in zip(*places, strict=True))
    needed = height_at(north, east) + 1
    low, high = map(float, re.search(r"super-resolved ([\d.]+) to ([\d.]+) m", said).groups())
    assert (low, high) == pytest.approx((needed.min(), needed.max()), abs=0.6)  # to a metre above 100 m
    assert "errors 1 m RMS" in said
    assert "standard error 2 to 2 m" in said
    assert page.run("document.querySelectorAll('#profile [data-line]').length") == 4
    assert page.run("document.querySelectorAll('#profile .band').length") == 1
    page.run("document.getElementById('map').focus()")
    page.press("ArrowDown")
    moved = re.findall(r"([\d.]+)° N", page.run(TEXT.format(id="profile-text")))
    assert moved[0] == places[0][0]
    assert float(moved[1]) < float(places[1][0])
    page.press("ArrowUp", shift=True)
    assert float(re.findall(r"([\d.]+)° N", page.run(TEXT.format(id="profile-text")))[0]) > float(places[0][0])
    page.press("p")
    assert page.run("document.getElementById('draw').getAttribute('aria-pressed')") == "false"
    assert page.log == []


def test_a_small_screen_in_the_dark_has_nothing_beyond_its_edge(page):
    page.show(page.report, width=390, height=844, scheme="dark")
    assert page.run("document.documentElement.scrollWidth") == 390
    red, green, blue = re.findall(r"\d+", page.run("getComputedStyle(document.body).backgroundColor"))
    assert max(int(red), int(green), int(blue)) < 60
    assert page.log == []
