import time

import pytest
from pydantic import BaseModel, ValidationError

from demsr.errors import ParamsError
from demsr.runtime.validation import explain, read_yaml


class Section(BaseModel, extra="forbid"):
    epochs: int
    mirror: int = 0


def explained(**values: object) -> str:
    with pytest.raises(ValidationError) as raised:
        Section.model_validate(values)
    return explain(raised.value, "params.yaml")


def test_yaml_comes_as_plain_values(tmp_path):
    (tmp_path / "a.yaml").write_text("a: [1, 2.5, null]  # comment\nb: {c: text}\n")
    assert read_yaml(tmp_path / "a.yaml") == {"a": [1, 2.5, None], "b": {"c": "text"}}


@pytest.mark.parametrize("content", ["a: [1,", "a: 1\na: 2\n", b"\xff\xfe\xfd"])
def test_what_is_no_yaml_is_refused_with_the_way_back(tmp_path, content):
    path = tmp_path / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ParamsError, match=r"(?s)a\.yaml: cannot be read as YAML .*git checkout"):
        read_yaml(path)


def test_every_mistake_is_named_with_key_and_value():
    line = explained(epochs="many", depth=3)
    assert line.startswith("params.yaml: epochs is 'many': ")
    assert line.endswith("; depth is 3: unknown key, remove it or correct its name")
    assert "\n" not in line


def test_missing_key_shows_no_value():
    assert explained() == "params.yaml: epochs: Field required"


def test_address_with_a_password_is_not_repeated():
    line = explained(epochs=1, mirror="https://me:secret@host")
    assert line.startswith("params.yaml: mirror: ")
    assert "secret" not in line


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
)
MAPS = "a: &a {p: x}\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} {{p: *{chr(97 + i)}, q: *{chr(97 + i)}}}\n" for i in range(20)
)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (LAUGHS, "more than 20000 values"),
        (MAPS, "more than 20000 values"),
        ("a: &a [*a]", "more than 20000 values"),
        ("a: &a {b: [1, *a]}", "more than 20000 values"),
        ("[" * 20_000 + "]" * 20_000, "or 20 levels"),
        ("- " * 20_000, "or 20 levels"),
        ("a: [" + "1," * 30_000 + "]", "more than 20000 values"),
        ("a: " + "x" * 2_000_000, "more than 1048576 bytes"),
        ("a: " + "9" * 5000, "4300 digits"),
        ("a: 2001-99-99", "month must be in 1..12"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ],
)
def test_hostile_yaml_is_refused_soon_in_one_short_line(tmp_path, content, found):
    path, start = tmp_path / "a.yaml", time.monotonic()
    path.write_text(content)
    with pytest.raises(ParamsError, match=rf"a\.yaml: cannot be read as YAML \(.*{found}") as raised:
        read_yaml(path)
    assert len(str(raised.value)) < 600
    assert "\n" not in str(raised.value)
    assert time.monotonic() - start < 8


def test_aliases_may_repeat_values(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]\nc: &c 5\nd: *c\n")
    assert read_yaml(tmp_path / "a.yaml") == {"a": [1, 2], "b": [[1, 2], [1, 2]], "c": 5, "d": 5}


def test_values_and_mistakes_are_shortened():
    nested: object = "x"
    for _ in range(9):
        nested = [nested] * 9
    line = explained(epochs=nested, **{f"key{number}": "y" * 10_000 for number in range(1000)})
    assert line.startswith("params.yaml: epochs is [[[...")
    assert line.endswith("; and 981 more mistakes")
    assert len(line) < 6000
    assert "secret" not in explained(epochs=["x" * 200, f"https://{'u' * 200}:secret@host"])
