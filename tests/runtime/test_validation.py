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
