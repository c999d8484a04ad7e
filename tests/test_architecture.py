import make_architecture
import pytest


def test_picture_of_the_architecture_shows_the_present_imports():
    drawn = make_architecture.draw()
    assert drawn == make_architecture.PICTURE.read_text(encoding="utf-8"), (
        "docs/pictures/architecture.svg differs from the imports; run `python docs/tools/make_architecture.py`"
    )


def test_contributing_names_the_present_importers_of_delicate_packages():
    text = make_architecture.GUIDE.read_text(encoding="utf-8")
    assert make_architecture.guide_with_importers(text) == text, (
        "the table of importers in CONTRIBUTING.md is outdated; run `python docs/tools/make_architecture.py`"
    )


def test_every_room_is_drawn_with_a_purpose_and_its_imports():
    rooms = make_architecture.read_rooms()
    packages = {path.parent.name for path in (make_architecture.ROOT / "demsr").glob("*/__init__.py")}
    assert packages <= set(rooms)
    assert all(len(room.purpose) > 10 for room in rooms.values())
    assert "errors" in rooms["dem"].imports


def test_an_added_import_changes_the_picture(monkeypatch):
    rooms = make_architecture.read_rooms()
    before = make_architecture.draw()
    dem = rooms["dem"]
    more = make_architecture.Room(dem.name, dem.purpose, (*dem.imports, "tracking"))
    monkeypatch.setattr(make_architecture, "read_rooms", lambda: rooms | {"dem": more})
    assert make_architecture.draw() != before


def test_a_room_outside_the_layers_is_refused_by_name(monkeypatch):
    rooms = make_architecture.read_rooms()
    extra = make_architecture.Room("attic", "Things.", ())
    monkeypatch.setattr(make_architecture, "read_rooms", lambda: rooms | {"attic": extra})
    with pytest.raises(SystemExit, match=r"no layer holds demsr\.attic"):
        make_architecture.draw()
