import copy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from demsr.errors import ParamsError
from demsr.search.space import Distribution, Space, nested, read_space

SPACE = {
    "search": {
        "model.num_blocks": {"int": [2, 12], "step": 2},
        "model.features": {"choice": [16, 32]},
        "pretrain.learning_rate": {"log": [1e-3, 1e-2]},
        "pretrain.loss": {"choice": ["mse", "balanced"]},
    },
    "fixed": {"model.symmetric": True},
    "reference": {"model.num_blocks": 8},
    "enqueue": [{"model.num_blocks": 2}, {"model.num_blocks": 12, "model.features": 32}],
    "trials": 6,
    "epochs": 10,
    "halving": {"grace_epochs": 5, "keep_one_of": 2},
    "finalists": {"best": 2, "always": [{"model.num_blocks": 12, "model.features": 32}], "seeds": [1, 2]},
}
QUESTION = {"stage": "pretrain", "subject": "model.num_blocks", "by": "model.features"}


def written(folder: Path, content: object) -> Path:
    path = folder / "space.yaml"
    with path.open("w") as file:
        YAML(typ="safe").dump({**QUESTION, "sample": content}, file)
    return path


@pytest.mark.parametrize(
    ("written_as", "contained", "outside", "scale", "text"),
    [
        ({"int": [2, 12], "step": 2}, [2, 8, 12], [1, 3, 14, 4.0, "4"], "linear", "2, 4 ... 12"),
        ({"float": [0.5, 2]}, [0.5, 1, 2.0], [0.4, "1", True], "linear", "0.5 to 2"),
        ({"log": [1e-5, 1e-3]}, [1e-5, 1e-4], [1e-6, 1], "log", "1e-05 to 0.001"),
        ({"choice": [16, 64, 32]}, [16, 64], [48, None], "linear", "16, 64, 32"),
        ({"choice": ["mse", "balanced"]}, ["mse"], ["huber", 0], "categories", "mse, balanced"),
        ({"choice": [True, None]}, [True, None], [False], "categories", "true, null"),
    ],
)
def test_a_distribution_knows_its_values_scale_and_words(written_as, contained, outside, scale, text):
    distribution = Distribution.model_validate(written_as)
    assert [value in distribution for value in contained + outside] == [True] * len(contained) + [False] * len(outside)
    assert (distribution.scale, str(distribution)) == (scale, text)


@pytest.mark.parametrize(
    ("written_as", "at_edge", "inside"),
    [
        ({"int": [2, 12], "step": 2}, [2, 12], [4, 10]),
        ({"float": [0, 10]}, [0.2, 9.8], [1, 9]),
        ({"log": [1e-5, 1e-3]}, [1.1e-5, 9e-4], [2e-5, 5e-4]),
        ({"choice": [16, 64, 32]}, [16, 64], [32]),
        ({"choice": ["mse", "balanced"]}, [], ["mse", "balanced"]),
    ],
)
def test_edges_are_those_of_numbers(written_as, at_edge, inside):
    distribution = Distribution.model_validate(written_as)
    assert all(distribution.is_at_edge(value) for value in at_edge)
    assert not any(distribution.is_at_edge(value) for value in inside)


def test_numbers_are_sorted_and_choices_keep_their_order():
    assert Distribution(int=(2, 12)).in_order([12, 2, 3, 2]) == [2, 3, 12]
    assert Distribution(choice=("mse", None, "balanced")).in_order(["balanced", None, "mse"]) == [
        "mse",
        None,
        "balanced",
    ]


def test_values_are_nested_by_section():
    values = {"model.num_blocks": 3, "pretrain.loss": "mse", "model.features": None}
    assert nested(values) == {"model": {"num_blocks": 3, "features": None}, "pretrain": {"loss": "mse"}}


def test_subject_and_by_come_first_among_the_parameters():
    space = Space.model_validate({**QUESTION, **SPACE})
    assert space.group == ("model.num_blocks", "model.features")
    assert space.paths == ("model.num_blocks", "model.features", "pretrain.learning_rate", "pretrain.loss")
    assert Space.model_validate({**QUESTION, **SPACE, "by": None, "finalists": {"best": 1, "seeds": [1, 2]}}).group == (
        "model.num_blocks",
    )


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("search", "model.num_blocks"), {"int": [2, 11], "step": 2}, "int ends at 11; it must be 2 plus a multiple"),
        (("search", "model.num_blocks"), {"int": [12, 2]}, "int is [12, 2]; the first must be less than the second"),
        (("search", "model.num_blocks"), {"int": [2.5, 8]}, "model.num_blocks.int.0 is 2.5"),
        (("search", "model.num_blocks"), {"int": [1, 99_999]}, "int has 99999 values, at most 10000 are allowed"),
        (
            ("search", "model.num_blocks"),
            {"int": [2, 8], "choice": [2, 8]},
            "has int and choice; give one of int, float",
        ),
        (("search", "model.num_blocks"), {}, "search.model.num_blocks: has no values; give one of int, float"),
        (("search", "model.num_blocks"), {"between": [1, 2]}, "model.num_blocks.between is [1, 2]: unknown key"),
        (("search", "model.features"), {"choice": [16, 16]}, "choice is [16, 16]; its values must be distinct"),
        (("search", "pretrain.learning_rate"), {"log": [0, 1]}, "pretrain.learning_rate.log.0 is 0"),
        (("search", "pretrain.learning_rate"), {"log": [0.01, 0.01]}, "log is [0.01, 0.01]; the first must be less"),
        (("search", "pretrain.learning_rate"), {"float": [0, float("nan")]}, "pretrain.learning_rate.float.1"),
        (("search", "pretrain.learning_rate"), {"log": [1e-3, 1], "step": 2}, "step is 2; it belongs to int only"),
        (("subject",), "model.depth", "subject has model.depth, search has model.features, model.num_blocks, pre"),
        (("by",), "model.num_blocks", "by is model.num_blocks, which is the subject"),
        (("by",), "model.width", "by has model.width, search has"),
        (("stage",), "evaluate", "stage is 'evaluate': Input should be 'pretrain' or 'finetune'"),
        (("fixed", "pretrain.loss"), "mse", "fixed has pretrain.loss, which search has, too; remove one of them"),
        (
            ("reference", "model.num_blocks"),
            7,
            "reference has model.num_blocks 7; it must be in the space, 2, 4 ... 12",
        ),
        (("reference", "model.symmetric"), True, "reference has model.symmetric, search has"),
        (
            ("enqueue",),
            [{"pretrain.loss": "huber"}],
            "enqueue has pretrain.loss 'huber'; it must be in the space, mse, bal",
        ),
        (("halving", "grace_epochs"), 11, "grace_epochs is 11; it must not exceed epochs, 10"),
        (("halving", "keep_one_of"), 1, "keep_one_of is 1"),
        (("finalists", "always"), [{"pretrain.loss": "mse"}], "finalists.always has pretrain.loss; give model.num_blo"),
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
    assert (space.reference, space.enqueue) == ({"model.num_blocks": 42}, ({"model.num_blocks": 32},))
    assert space.search["model.num_blocks"] == Distribution(int=(8, 64), step=2)
    assert space.search["pretrain.learning_rate"] == Distribution(log=(1e-5, 1e-3))
    assert space.fixed == {"model.features": 256}
