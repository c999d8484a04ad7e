import re
import tomllib

import pytest
from tracking_server import PASSWORDS, compose


@pytest.mark.parametrize("name", PASSWORDS)
def test_each_password_comes_from_the_environment(root, name):
    with pytest.raises(KeyError, match="set it to"):
        compose(root, {key: value for key, value in PASSWORDS.items() if key != name})


def test_the_servers_listen_on_loopback_unless_asked_otherwise(root):
    def addresses(environment):
        services = compose(root, environment)["services"]
        return {
            port.rpartition(":")[0].rpartition(":")[0] for one in services.values() for port in one.get("ports", [])
        }

    assert addresses(PASSWORDS) == {"127.0.0.1"}
    assert addresses(PASSWORDS | {"BIND": "10.0.0.1"}) == {"10.0.0.1"}
    assert "ports" not in compose(root, PASSWORDS)["services"]["postgres"]


def test_images_are_pinned_and_the_server_has_the_version_of_the_client(root):
    services = compose(root, PASSWORDS)["services"]
    assert all(re.search(r":\d+\.\d+[\w.-]*$", service["image"]) for service in services.values())
    (mlflow,) = re.findall(r"^mlflow==(.*)$", (root / "constraints.txt").read_text(), re.M)
    assert services["mlflow"]["image"] == services["buckets"]["image"] == f"demsr-mlflow:{mlflow}"
    dockerfile = services["mlflow"]["build"]["dockerfile_inline"]
    assert f"'mlflow[auth]=={mlflow}'" in dockerfile
    assert re.match(r"FROM python:3\.11\.\d+-slim-\w+\n", dockerfile)
    developers = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    assert {"boto3", "mlflow[auth]", "psycopg2-binary"} <= set(developers)  # so the tests run what the image has


def test_data_are_on_volumes_and_what_runs_on_is_checked_and_restarted(root):
    file = compose(root, PASSWORDS)
    servers = {name: service for name, service in file["services"].items() if name != "buckets"}
    assert {service["volumes"][0].partition(":")[0] for service in servers.values() if "volumes" in service} == {
        "postgres",
        "s3",
    }
    assert file["volumes"].keys() == {"postgres", "s3"}
    assert all(service["healthcheck"]["test"][0] == "CMD" for service in servers.values())
    assert {service["restart"] for service in servers.values()} == {"unless-stopped"}
