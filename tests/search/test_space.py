import copy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from demsr.errors import ParamsError
from demsr.search.space import Space, read_space

SPACE = {
    "num_blocks": {"low": 2, "high": 12, "step": 2, "reference": 8, "enqueue": [2, 12, 8]},
    "learning_rate": {"low": 1e-3, "high": 1e-2},
    "trials": 6,
    "epochs": 10,
    "halving": {"grace_epochs": 5, "keep_one_of": 2},
    "finalists": {"best": 2, "always": [12], "seeds": [1, 2]},
}


def written(folder: Path, content: object) -> Path:
    path = folder / "space.yaml"
    with path.open("w") as file:
        YAML(typ="safe").dump({"sample": content}, file)
    return path


def test_the_reference_is_the_first_candidate_and_each_enqueued_depth_comes_once():
    candidates = Space.model_validate(SPACE).first_candidates(3e-3)
    assert candidates == [{"num_blocks": depth, "learning_rate": 3e-3} for depth in (8, 2, 12)]
    alone = Space.model_validate({**SPACE, "num_blocks": None, "finalists": {"best": 1, "seeds": [1, 2]}})
    assert alone.first_candidates(3e-3) == [{"learning_rate": 3e-3}]


def test_the_present_learning_rate_must_be_in_the_space():
    with pytest.raises(ParamsError, match=r"learning_rate of params.yaml is 0.5, the space has 0.001 to 0.01; widen"):
        Space.model_validate(SPACE).first_candidates(0.5)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("num_blocks", "reference"), 7, "reference has 7; it must be one of 2, 4 ... 12"),
        (("num_blocks", "enqueue"), [4, 5], "enqueue has 5"),
        (("num_blocks", "high"), 11, "high is 11; it must be low, 2, plus a multiple of step, 2"),
        (("learning_rate", "low"), 0.01, "low is 0.01 and high is 0.01; low must be less"),
        (("learning_rate", "low"), float("nan"), "learning_rate.low"),
        (("halving", "grace_epochs"), 11, "grace_epochs is 11; it must not exceed epochs, 10"),
        (("halving", "keep_one_of"), 1, "keep_one_of is 1"),
        (("finalists", "seeds"), [1, 1], "seeds are (1, 1); they must be distinct"),
        (("finalists", "seeds"), [1], "seeds is [1]"),
        (("trials",), 0, "trials is 0"),
        (("epoch",), 3, "epoch is 3: unknown key"),
    ],
)
def test_mistakes_are_named_with_file_profile_key_and_value(tmp_path, place, value, message):
    content = copy.deepcopy(SPACE)
    section = content
    for name in place[:-1]:
        section = section[name]
    section[place[-1]] = value
    path = written(tmp_path, content)
    with pytest.raises(ParamsError) as raised:
        read_space(path, "sample")
    assert str(raised.value).startswith(f"{path}, sample: ")
    assert message in str(raised.value)


def test_finalists_that_are_never_tried_are_refused(tmp_path):
    path = written(tmp_path, {**SPACE, "finalists": {"best": 1, "always": [4], "seeds": [1, 2]}})
    with pytest.raises(ParamsError, match=r"finalists.always has \[4\]; add them to num_blocks.enqueue"):
        read_space(path, "sample")


def test_a_missing_file_or_section_is_named(tmp_path):
    with pytest.raises(ParamsError, match=r"space.yaml: cannot be read as YAML"):
        read_space(tmp_path / "space.yaml", "sample")
    with pytest.raises(ParamsError, match="has no section 'paper', it has sample; add one"):
        read_space(written(tmp_path, SPACE), "paper")


def test_overrides_replace_values_and_are_checked(tmp_path):
    path = written(tmp_path, SPACE)
    changed = read_space(path, "sample", {"trials": 20, "halving": None})
    assert (changed.trials, changed.halving) == (20, None)
    with pytest.raises(ParamsError, match="trials is 0"):
        read_space(path, "sample", {"trials": 0})


def test_the_paper_s_space_has_its_depth_edsr_s_and_learning_rates_around_its_own(root):
    space = read_space(root / "sweeps/resblocks.yaml", "paper")
    assert [candidate["num_blocks"] for candidate in space.first_candidates(1e-4)] == [42, 32]
    assert (space.num_blocks.low, space.num_blocks.high, space.features) == (8, 64, 256)
    assert (space.learning_rate.low, space.learning_rate.high) == (1e-5, 1e-3)
