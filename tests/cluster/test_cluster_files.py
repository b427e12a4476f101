"""The files of examples/ray are what Ray's launcher, KubeRay and Kubernetes take, as far as schemas say."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

HERE = Path(__file__).parents[2] / "examples/ray"
POD = json.loads((Path(__file__).parents[1] / "data/pod-template.json").read_text())
STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
COUNT = {"type": "integer", "minimum": 0}


def exactly(required, **properties):
    """An object with these properties and no others."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


# What KubeRay's own definition (ray.io/v1, RayCluster) asks for around the templates of pods, as far as it is used.
GROUP = {"rayStartParams": STRINGS, "template": {"type": "object"}}
HEAD = exactly(["template"], serviceType={"type": "string"}, enableIngress={"type": "boolean"}, **GROUP)
WORKERS = exactly(
    ["groupName", "maxReplicas", "minReplicas", "template"],
    groupName={"type": "string"},
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    numOfHosts=COUNT,
    idleTimeoutSeconds=COUNT,
    suspend={"type": "boolean"},
    **GROUP,
)
CLUSTER = exactly(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayCluster"},
    metadata=exactly(["name"], name={"type": "string"}, namespace={"type": "string"}, labels=STRINGS),
    spec=exactly(
        ["headGroupSpec"],
        rayVersion={"type": "string"},
        enableInTreeAutoscaling={"type": "boolean"},
        headGroupSpec=HEAD,
        workerGroupSpecs={"type": "array", "items": WORKERS},
    ),
)


def groups(found):
    return [found["spec"]["headGroupSpec"], *found["spec"]["workerGroupSpecs"]]


def check(found):
    """jsonschema.ValidationError if a manifest is none that KubeRay, or Kubernetes in its pods, takes."""
    jsonschema.validate(found, CLUSTER)
    for group in groups(found):
        jsonschema.validate(group["template"], POD)


@pytest.fixture
def manifest():
    return yaml.safe_load((HERE / "kuberay.yaml").read_text())


def test_the_cluster_file_keeps_to_the_schema_of_rays_launcher():
    pytest.importorskip("ray.autoscaler", reason='Ray is not installed: pip install "classifyd[ray]"')
    from ray.autoscaler._private.util import prepare_config, validate_config

    found = yaml.safe_load((HERE / "cluster.yaml").read_text())

    validate_config(prepare_config(copy.deepcopy(found)))

    assert found["head_node_type"] in found["available_node_types"]
    assert {"CPU": 0} == found["available_node_types"]["head"]["resources"]


def test_the_manifest_keeps_to_the_schemas_of_kuberay_and_of_kubernetes(manifest):
    check(manifest)


def test_ray_reads_from_the_manifest_a_head_without_room_and_workers_of_whole_machines(manifest):
    """By what Ray's own autoscaler makes of a manifest on Kubernetes, where KubeRay hands it to it."""
    pytest.importorskip("ray.autoscaler", reason='Ray is not installed: pip install "classifyd[ray]"')
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    manifest["metadata"].setdefault("namespace", "default")
    found = _derive_autoscaling_config_from_ray_cr(manifest)["available_node_types"]

    assert (0, 0) == (found["headgroup"]["resources"]["CPU"], found["headgroup"]["max_workers"])
    assert {"CPU": 8, "memory": 24 * 2**30} == found["workers"]["resources"]
    assert (1, 16) == (found["workers"]["min_workers"], found["workers"]["max_workers"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found["spec"].update(workerGroupSpec=[]),
        lambda found: groups(found)[1].pop("maxReplicas"),
        lambda found: groups(found)[0]["rayStartParams"].update({"num-cpus": 0}),
        lambda found: groups(found)[0]["template"]["spec"]["containers"][0].update(volumeMount=[]),
        lambda found: groups(found)[1]["template"]["spec"]["securityContext"].update(runAsUser="1000"),
        lambda found: groups(found)[1]["template"]["spec"]["containers"][0].pop("name"),
    ],
)
def test_a_manifest_with_a_slip_would_be_seen(manifest, spoil):
    spoil(manifest)

    with pytest.raises(jsonschema.ValidationError):
        check(manifest)


def test_the_manifest_names_one_image_and_mounts_what_is_shared_everywhere(manifest):
    containers = [one for group in groups(manifest) for one in group["template"]["spec"]["containers"]]

    assert 1 == len({one["image"] for one in containers})
    assert ["ray-head", "daemon", "ray-worker"] == [one["name"] for one in containers]
    assert all("/mnt/classifyd" in {mount["mountPath"] for mount in one["volumeMounts"]} for one in containers)
    for group in groups(manifest):
        spec = group["template"]["spec"]
        volumes = {volume["name"] for volume in spec["volumes"]}
        assert volumes == {mount["name"] for one in spec["containers"] for mount in one["volumeMounts"]}
