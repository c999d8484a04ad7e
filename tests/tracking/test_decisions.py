import re
from datetime import UTC, datetime

import pytest

from demsr.errors import TrackingError
from demsr.tracking.decisions import promote, promote_by_hand, refuse, roll_back, set_challenger
from demsr.tracking.registry import RegisteredVersion, list_versions
from demsr.tracking.store import connect, tracking_uri

NAME = "dem-srnet-test"


@pytest.fixture
def registered(store, monkeypatch) -> list[RegisteredVersion]:
    """Three versions without files, which count as present."""
    monkeypatch.setattr("mlflow.artifacts.list_artifacts", lambda artifact_uri: [artifact_uri])
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    monkeypatch.setenv("USER", "alice")
    client = connect()
    client.create_registered_model(NAME)
    for number in range(3):
        client.create_model_version(NAME, (store / str(number)).as_uri())
    return sorted(list_versions(client), key=lambda version: version.version)


def aliases() -> dict[int, tuple[str, ...]]:
    return {version.version: version.aliases for version in list_versions(connect())}


def tags(number: int) -> dict[str, str]:
    return connect().get_model_version(NAME, str(number)).tags


def recorded(number: int) -> tuple[str, str, str]:
    """Decision, reason and user on a version."""
    on_version = tags(number)
    return on_version["promotion"], on_version["promotion_reason"], on_version["decided_by"]


def test_a_decision_says_who_made_it_when_and_why(registered, monkeypatch):
    refuse(connect(), registered[0], "no better")
    assert recorded(1) == ("refused", "no better", "alice")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(tags(1)["decided_at"])).total_seconds()) < 300
    assert aliases()[1] == ()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "bob")  # the name that the server knows
    promote(connect(), registered[0], "better")
    assert recorded(1) == ("promoted", "better", "bob")


def test_a_challenger_that_is_promoted_is_no_longer_challenger(registered):
    set_challenger(connect(), registered[1])
    promote_by_hand(NAME, 2, reason="better at sea")
    assert aliases() == {1: (), 2: ("champion",), 3: ()}


def test_a_promotion_by_hand_is_recorded_on_both_versions(registered):
    assert promote_by_hand(NAME, 1, reason="the only one") is None
    assert promote_by_hand(NAME, 3, reason="no seams").version == 1
    assert aliases() == {1: (), 2: (), 3: ("champion",)}
    assert recorded(3) == ("promoted", "promoted by hand: no seams", "alice")
    assert recorded(1) == ("replaced by hand", "version 3 was promoted by hand: no seams", "alice")


def test_each_rollback_returns_to_the_champion_before(registered):
    for version in (registered[2], registered[0], registered[1]):
        promote(connect(), version, "better")
    champion, withdrawn = roll_back(NAME, reason="seams")
    assert (champion.version, withdrawn.version) == (1, 2)
    assert aliases() == {1: ("champion",), 2: (), 3: ()}
    assert recorded(1) == ("promoted", "rolled back to this version: seams", "alice")
    assert recorded(2) == ("rolled back", "rolled back to version 1: seams", "alice")
    champion, withdrawn = roll_back(NAME, reason="seams here too")
    assert (champion.version, withdrawn.version) == (3, 1)
    with pytest.raises(
        TrackingError, match=f"{NAME}: no earlier champion in .*; .*`demsr models promote {NAME} VERSION`"
    ):
        roll_back(NAME, reason="")
    assert aliases() == {1: (), 2: (), 3: ("champion",)}


def test_a_rollback_after_the_champion_was_deleted_returns_to_the_latest_that_is_left(registered):
    for version in registered:
        promote(connect(), version, "better")
    connect().delete_model_version(NAME, "3")
    champion, withdrawn = roll_back(NAME, reason="deleted")
    assert (champion.version, withdrawn) == (2, None)


def test_versions_that_cannot_be_promoted_are_refused_with_a_way_out(registered, monkeypatch):
    promote_by_hand(NAME, 1, reason="")
    where = re.escape(tracking_uri())
    with pytest.raises(TrackingError, match=f"models:/{NAME}/9: no such version in {where}; registered are: 1, 2, 3"):
        promote_by_hand(NAME, 9, reason="")
    with pytest.raises(TrackingError, match=f"models:/other/1: no such version in {where}; registered are: {NAME}"):
        promote_by_hand("other", 1, reason="")
    with pytest.raises(TrackingError, match=f"models:/{NAME}/1: is champion already"):
        promote_by_hand(NAME, 1, reason="")
    monkeypatch.setattr("mlflow.artifacts.list_artifacts", lambda artifact_uri: [])
    with pytest.raises(TrackingError, match=f"models:/{NAME}/2: its files are lost; .*`demsr models --restore`"):
        promote_by_hand(NAME, 2, reason="")
