import sample

OLD = {"land": {"pretrained": {"gain_percent": 13.0}, "finetuned": {"gain_percent": 9.0}}}


def test_losses_are_in_points_of_gain():
    new = {"land": {"pretrained": {"gain_percent": 11.5}, "finetuned": {"gain_percent": 10.0}}, "marine": {}}
    assert sample.losses(OLD, new) == {("land", "pretrained"): 1.5, ("land", "finetuned"): -1.0}


def test_what_is_no_longer_there_has_lost_all():
    assert sample.losses(OLD, {"land": {"pretrained": {"gain_percent": 13.0}}}) == {
        ("land", "pretrained"): 0.0,
        ("land", "finetuned"): float("inf"),
    }
    assert set(sample.losses(OLD, {}).values()) == {float("inf")}
