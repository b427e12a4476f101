"""The files of examples/ray are what Ray's launcher and KubeRay take, as far as their own schemas say it here."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

HERE = Path(__file__).parents[2] / "examples/ray"


def test_the_cluster_file_keeps_to_the_schema_of_rays_launcher():
    ray = pytest.importorskip("ray.autoscaler", reason='Ray is not installed: pip install "classifyd[ray]"')
    schema = json.loads(Path(ray.__file__).with_name("ray-schema.json").read_text())
    found = yaml.safe_load((HERE / "cluster.yaml").read_text())

    jsonschema.validate(found, schema)

    assert found["head_node_type"] in found["available_node_types"]
    assert {"CPU": 0} == found["available_node_types"]["head"]["resources"]


def test_the_manifest_names_one_image_and_mounts_what_is_shared_everywhere():
    """Without KubeRay's own schema, which is not to be had here: the shape that its reference describes."""
    found = yaml.safe_load((HERE / "kuberay.yaml").read_text())
    groups = [found["spec"]["headGroupSpec"], *found["spec"]["workerGroupSpecs"]]
    containers = [one for group in groups for one in group["template"]["spec"]["containers"]]

    assert ("ray.io/v1", "RayCluster") == (found["apiVersion"], found["kind"])
    assert all("rayStartParams" in group for group in groups)
    assert 1 == len({one["image"] for one in containers})
    assert ["ray-head", "daemon", "ray-worker"] == [one["name"] for one in containers]
    assert all("/mnt/classifyd" in {mount["mountPath"] for mount in one["volumeMounts"]} for one in containers)
    for group in groups:
        spec = group["template"]["spec"]
        volumes = {volume["name"] for volume in spec["volumes"]}
        assert volumes == {mount["name"] for one in spec["containers"] for mount in one["volumeMounts"]}
