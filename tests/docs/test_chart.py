"""The Helm chart: rendered by Helm's own library, each object as Kubernetes' schemas have it, and as strict as the chart says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm_python.chart import Chart, lint
from tests.docs.commands import check_command

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "rightful"
VERSIONS = ("1.25", "1.30", "1.34")
VALUES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "one service": {"replicas": 1},
    "everything": {
        "dask": {"enabled": True, "workers": 3},
        "allowFrom": [{"podSelector": {"matchLabels": {"app": "gateway"}}}],
        "environmentSecret": "environment",
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "dsr", "operator": "Exists"}],
        "image": {"repository": "registry.contoso.example/rightful", "digest": f"sha256:{'0' * 64}"},
        "extraVolumes": [{"name": "lake", "persistentVolumeClaim": {"claimName": "lake"}}],
        "extraVolumeMounts": [{"name": "lake", "mountPath": "/data/lake", "readOnly": True}],
    },
}


@pytest.fixture(scope="module")
def chart() -> Iterator[Chart]:
    with Chart.load(CHART) as opened:
        yield opened


def objects(chart: Chart, values: dict[str, Any]) -> list[dict[str, Any]]:
    rendered = chart.render(values, name="dsr", namespace="privacy")
    texts = [text for path, text in rendered.items() if path.endswith(".yaml")]
    return [each for text in texts for each in yaml.safe_load_all(text) if each]


def pods(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (each["spec"]["template"]["spec"] for each in found if each["kind"] == "Deployment")


def test_helm_has_nothing_to_say() -> None:
    report = lint(CHART, strict=True)
    assert not report["errors"]
    assert {message["severity"] for message in report["messages"]} <= {1}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", VALUES)
def test_each_object_is_as_kubernetes_has_it(chart: Chart, name: str, version: str) -> None:
    found = objects(chart, VALUES[name])
    assert {"Deployment", "Service"} <= {each["kind"] for each in found}
    for each in found:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("name", VALUES)
def test_no_process_has_rights_that_it_does_not_need(chart: Chart, name: str) -> None:
    for pod in pods(objects(chart, VALUES[name])):
        assert pod["automountServiceAccountToken"] is False
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
        for container in pod["containers"]:
            security = container["securityContext"]
            assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", VALUES)
def test_every_volume_that_is_mounted_is_there(chart: Chart, name: str) -> None:
    for pod in pods(objects(chart, VALUES[name])):
        there = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]} == there


def test_workers_of_dask_get_neither_configuration_nor_environment(chart: Chart) -> None:
    found = objects(chart, VALUES["everything"])
    (worker,) = [each for each in found if each["kind"] == "Deployment" and each["metadata"]["name"] == "dsr-worker"]
    pod = worker["spec"]["template"]["spec"]
    assert worker["spec"]["replicas"] == 3
    assert "envFrom" not in pod["containers"][0]
    assert [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume] == ["rightful-dask-tls"]
    policy = next(each for each in found if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "dsr-dask")
    assert {"scheduler", "worker"} == set(policy["spec"]["podSelector"]["matchExpressions"][0]["values"])


def test_what_is_run_takes_the_options_it_is_given_and_files_are_mounted(chart: Chart) -> None:
    started = [container for pod in pods(objects(chart, VALUES["everything"])) for container in pod["containers"]]
    commands = {
        container["name"]: (container, [*container.get("command", ["rightful"]), *container.get("args", [])]) for container in started
    }
    for name in ("scheduler", "worker"):
        container, words = commands[name]
        check_command(words, [mount["mountPath"] for mount in container["volumeMounts"]])


def test_settings_that_the_page_names_exist(chart: Chart) -> None:
    page = (CHART.parents[2] / "docs" / "howto" / "run-on-kubernetes.md").read_text(encoding="utf-8")
    assert "own_address: https://${POD_IP}:8443" in page
    found = objects(chart, VALUES["everything"])
    ports = {each["metadata"]["name"]: each["spec"]["ports"][0]["port"] for each in found if each["kind"] == "Service"}
    assert f'scheduler: "tls://dsr-scheduler:{ports["dsr-scheduler"]}"' in page
    (service,) = [each for each in pods(found) if any(container["name"] == "rightful" for container in each["containers"])]
    mounted = {mount["mountPath"] for mount in service["containers"][0]["volumeMounts"]}
    named = set(re.findall(r"(?:ca|cert|key): (/[^,} ]+)/", page))
    assert named
    assert named <= mounted
    assert "server.own_address" in (CHART.parents[2] / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
