"""The files of `deploy/`: their options exist, and they agree with the project and each other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from service.commands.serve import serve

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def compose() -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(read("compose.yaml"))
    return value


def cluster() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(read("kuberay.yaml")))


def head_containers() -> dict[str, Any]:
    containers = cluster()[0]["spec"]["headGroupSpec"]["template"]["spec"]["containers"]
    return {container["name"]: container for container in containers}


def serve_arguments() -> dict[str, list[str]]:
    """The arguments of `serve` in each file."""
    (command,) = re.findall(r"^CMD (\[\"serve.*\])$", read("Dockerfile"), re.MULTILINE)
    (start,) = re.findall(r"^ExecStart=(.*)$", read("pathfit.service"), re.MULTILINE)
    unit = shlex.split(start)
    return {
        "Dockerfile": yaml.safe_load(command),
        "compose.yaml": compose()["services"]["service"]["command"],
        "kuberay.yaml": head_containers()["service"]["args"],
        "pathfit.service": unit[unit.index("serve") :],
    }


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "kuberay.yaml", "pathfit.service"])
def test_the_arguments_of_serve_are_its_own(name: str) -> None:
    command, *arguments = serve_arguments()[name]
    assert command == "serve"
    context = serve.make_context("serve", list(arguments))
    assert isinstance(context, click.Context)
    # Beyond a machine's own addresses, only behind a proxy that ends TLS.
    assert context.params["behind_proxy"]


def test_the_image_has_every_package_and_extra_that_it_names() -> None:
    text = read("Dockerfile")
    copied = re.findall(r"^COPY (\w+) \w+$", text, re.MULTILINE)
    packages = sorted(path.parent.name for path in ROOT.glob("*/py.typed"))
    assert sorted(copied) == packages
    (extras,) = re.findall(r'"\.\[(.*)\]"', text)
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    for extra in extras.split(","):
        assert f'"{extra}": ' in setup
    for name in re.findall(r"^COPY ((?:[\w.]+ )+)\./$", text, re.MULTILINE)[0].split():
        assert (ROOT / name).is_file()
        assert f"!{name}" in read("Dockerfile.dockerignore")


def test_one_user_and_one_port_are_meant_everywhere() -> None:
    text = read("Dockerfile")
    assert "USER 10001:10001" in text
    assert "EXPOSE 8000" in text
    spec = cluster()[0]["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for group in groups:
        assert group["template"]["spec"]["securityContext"]["runAsUser"] == 10001
    assert head_containers()["service"]["ports"][0]["containerPort"] == 8000
    assert compose()["services"]["service"]["ports"] == ["127.0.0.1:8000:8000"]
    assert "server 127.0.0.1:8000;" in read("nginx.conf")


def test_versions_are_those_of_the_project() -> None:
    from spaces import __version__

    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert f"ray=={cluster()[0]['spec']['rayVersion']}\n" in constraints
    assert set(re.findall(r"image: (pathfit\S*)", read("kuberay.yaml"))) == {
        f"pathfit:{__version__}"
    }


def test_secrets_are_no_arguments() -> None:
    for arguments in serve_arguments().values():
        assert not any("database" in argument for argument in arguments)
    environment = compose()["services"]["service"]["environment"]
    assert environment["PATHFIT_DATABASE"].startswith("postgresql://")
    # Without a value, compose refuses to start rather than takes an empty password.
    assert re.findall(r"\$\{\w+\}", read("compose.yaml")) == []


def test_the_service_reads_its_secrets_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATHFIT_DATABASE", "postgresql://somebody@somewhere/pathfit")
    monkeypatch.setenv("PATHFIT_ARTIFACTS", "s3://bucket/prefix")
    parameters = serve.make_context("serve", []).params
    assert parameters["database_url"] == "postgresql://somebody@somewhere/pathfit"
    assert parameters["artifacts"] == "s3://bucket/prefix"


def test_every_file_and_every_setting_is_explained() -> None:
    text = (ROOT / "docs" / "how-to" / "production.md").read_text(encoding="utf-8")
    for path in DEPLOY.iterdir():
        assert f"deploy/{path.name}" in text, path.name
    directives = re.findall(r"^(\w+)=", read("pathfit.service"), re.MULTILINE)
    names = {*directives} - {"Description", "Documentation"}
    for name in names:
        assert f"`{name}" in text, name
    for name in re.findall(
        r"^\s+(proxy_\w+|client_\w+|keepalive\w*|ssl_\w+)", read("nginx.conf"), re.M
    ):
        assert f"`{name}" in text, name
