"""Decisions on registered versions, by the promotion rule or by hand: who made them, when and why stays on the version.

No version is champion and challenger at once.
"""

import os
from datetime import UTC, datetime

from mlflow import MlflowClient

from demsr.errors import TrackingError
from demsr.tracking.registry import (
    CHALLENGER,
    CHAMPION,
    CHAMPION_SINCE_TAG,
    DECISION_TAG,
    PROMOTED,
    REASON_TAG,
    REFUSED,
    REPLACED,
    ROLLED_BACK,
    RegisteredVersion,
    holder,
    past_champions,
    registered_version,
    registration,
)
from demsr.tracking.store import connect, tracking_uri

DECIDED_BY_TAG, DECIDED_AT_TAG = "decided_by", "decided_at"


def promote(client: MlflowClient, version: RegisteredVersion, reason: str) -> None:
    """Make a version champion.

    Parameters
    ----------
    client : client of the store
    version : version to promote
    reason : the decision in words
    """
    _record(client, version, PROMOTED, reason)
    client.set_model_version_tag(version.name, str(version.version), CHAMPION_SINCE_TAG, _now())
    client.set_registered_model_alias(version.name, CHAMPION, str(version.version))
    if CHALLENGER in version.aliases:
        client.delete_registered_model_alias(version.name, CHALLENGER)


def refuse(client: MlflowClient, version: RegisteredVersion, reason: str) -> None:
    """Record that a version has not become champion.

    Parameters
    ----------
    client : client of the store
    version : version that was refused
    reason : the decision in words
    """
    _record(client, version, REFUSED, reason)


def set_challenger(client: MlflowClient, version: RegisteredVersion) -> None:
    """Give the alias `CHALLENGER` to a version that is not champion.

    Parameters
    ----------
    client : client of the store
    version : the best of the refused versions
    """
    client.set_registered_model_alias(version.name, CHALLENGER, str(version.version))


def promote_by_hand(name: str, number: int, *, reason: str) -> RegisteredVersion | None:
    """Make a version champion whatever its scores; the promotion rule does not bring back the replaced champion.

    Parameters
    ----------
    name : registered model
    number : of the version
    reason : why, for the record on both versions

    Returns
    -------
    the replaced champion, None if there was none

    Raises
    ------
    TrackingError : there is no such version, its files are lost, or it is champion already
    """
    client = connect(create=False)
    with registration():
        version, champion = registered_version(client, name, number), holder(client, name, CHAMPION)
        if CHAMPION in version.aliases:
            message = f"{version.uri}: is champion already; `demsr models` lists the versions"
            raise TrackingError(message)
        if champion is not None:
            _record(client, champion, REPLACED, f"version {number} was promoted by hand: {reason}")
        promote(client, version, f"promoted by hand: {reason}")
    return champion


def roll_back(name: str, *, reason: str) -> tuple[RegisteredVersion, RegisteredVersion | None]:
    """Make the previous champion champion again; the promotion rule does not bring back the withdrawn one.

    Parameters
    ----------
    name : registered model
    reason : why, for the record on both versions

    Returns
    -------
    champion, withdrawn : the version that is champion now and the one that was, None if that was deleted

    Raises
    ------
    TrackingError : there is no such model, or no earlier champion
    """
    client = connect(create=False)
    with registration():
        withdrawn = holder(client, name, CHAMPION)
        earlier = [version for version in past_champions(client, name) if CHAMPION not in version.aliases]
        if not earlier:
            message = (
                f"{name}: no earlier champion in {tracking_uri()}; `demsr models` lists the versions, "
                f"`demsr models promote {name} VERSION` makes one champion"
            )
            raise TrackingError(message)
        promote(client, earlier[0], f"rolled back to this version: {reason}")
        if withdrawn is not None:
            _record(client, withdrawn, ROLLED_BACK, f"rolled back to version {earlier[0].version}: {reason}")
            if CHAMPION_SINCE_TAG in withdrawn.tags:
                client.delete_model_version_tag(name, str(withdrawn.version), CHAMPION_SINCE_TAG)
    return earlier[0], withdrawn


def _record(client: MlflowClient, version: RegisteredVersion, decision: str, reason: str) -> None:
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or os.environ.get("USER", "unknown")
    tags = {DECISION_TAG: decision, REASON_TAG: reason, DECIDED_BY_TAG: user, DECIDED_AT_TAG: _now()}
    for tag, value in tags.items():
        client.set_model_version_tag(version.name, str(version.version), tag, value)


def _now() -> str:
    """Return the UTC time; times sort as text."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
