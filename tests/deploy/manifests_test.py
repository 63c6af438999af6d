"""Every manifest is YAML of a known shape, and what it names is there.

With files of CustomResourceDefinitions as arguments (and python3-jsonschema) the objects of their
kinds are held against these, too.
"""
import copy
import re
import subprocess
import sys

import files
from files import DEPLOY, KUBERNETES, manifest, manifests, yaml_documents

APP = {"app.kubernetes.io/name": "troupe"}


def is_patch(path, object_):
    return object_["kind"] == "Deployment" and path.parts[0] == "overlays"


def check_yaml():
    paths = [path for path in DEPLOY.rglob("*") if path.suffix in (".yaml", ".yml")]
    for path in paths:
        assert yaml_documents(path), f"{path}: empty"
    return len(paths)


def check_shapes():
    import shapes
    num_checked = 0
    for path, each in manifests():
        shapes.check_object(each, path, is_patch(path, each))
        num_checked += 1
    rules = subprocess.run([DEPLOY / "prometheus/as-kubernetes"], capture_output=True, text=True,
                           check=True).stdout
    for each in yaml_documents("as-kubernetes", rules):
        shapes.check_object(each, "as-kubernetes")
        num_checked += 1
    return num_checked


def check_that_shapes_can_fail():
    """One breach of each kind is noticed."""
    import shapes

    def broken(kind, folder, change):
        object_ = copy.deepcopy(manifest(kind, folder))
        change(object_["spec"])
        try:
            shapes.check_object(object_, "broken")
        except shapes.Breach:
            return
        raise AssertionError(f"a broken {kind} passes")

    def container(spec):
        return spec["template"]["spec"]["containers"][0]

    broken("Deployment", "base", lambda s: container(s).pop("name"))
    broken("Deployment", "base", lambda s: container(s).update(readynessProbe={}))
    broken("Deployment", "base", lambda s: container(s)["startupProbe"].update(periodSeconds="2"))
    broken("Deployment", "base", lambda s: container(s)["resources"]["limits"].update(cpu="two"))
    broken("NetworkPolicy", "base", lambda s: s.update(policyTypes=["ingress"]))
    broken("HorizontalPodAutoscaler", "components/hpa", lambda s: s.pop("maxReplicas"))
    broken("ScaledObject", "components/keda", lambda s: s["triggers"][0]["metadata"].pop("query"))
    broken("ScaledObject", "components/keda", lambda s: s["advanced"][
        "horizontalPodAutoscalerConfig"]["behavior"]["scaleUp"].update(window=1))
    broken("InferencePool", "components/inference-pool", lambda s: s.update(targetPortNumber=1))
    broken("ServiceMonitor", "components/monitoring", lambda s: s.pop("selector"))


def check_references():
    """Selectors, ports, volumes and files: what one object calls another by."""
    deployment = manifest("Deployment")
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert pod["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"] == APP
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[name]["httpGet"]["port"] in ports, name
    volumes = {each["name"] for each in pod["spec"]["volumes"]}
    assert {each["name"] for each in container["volumeMounts"]} == volumes
    assert pod["spec"]["serviceAccountName"] == manifest("ServiceAccount")["metadata"]["name"]

    service = manifest("Service")
    assert service["spec"]["selector"] == APP and service["spec"]["ports"][0]["targetPort"] in ports
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == APP
    policy = manifest("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == APP
    assert all(port["port"] in ports for rule in policy["ingress"] for port in rule["ports"])
    monitor = manifest("ServiceMonitor", "components/monitoring")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in {each["name"] for each in service["spec"]["ports"]}
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "troupe"  # the rules' job
    pool = manifest("InferencePool", "components/inference-pool")["spec"]
    assert pool["selector"]["matchLabels"] == APP
    assert {each["number"] for each in pool["targetPorts"]} == set(ports.values())
    for kind, folder in (("HorizontalPodAutoscaler", "hpa"), ("ScaledObject", "keda")):
        target = manifest(kind, f"components/{folder}")["spec"]["scaleTargetRef"]
        assert target["name"] == deployment["metadata"]["name"], kind
    check_files()


def check_files():
    """Every file of a folder is named by its kustomization, and the other way round."""
    for path, each in manifests():
        if each["kind"] not in ("Kustomization", "Component"):
            continue
        folder = (KUBERNETES / path).parent
        named = set(each.get("resources", [])) | {p["path"] for p in each.get("patches", [])}
        named |= {f for g in each.get("configMapGenerator", []) for f in g["files"]}
        for name in named:
            assert (folder / name).exists(), f"{path}: {name} is not there"
        there = {p.name for p in folder.iterdir() if p.is_file()}
        extra = there - named - {"kustomization.yaml", "prometheus-adapter.yaml"}
        assert not extra, f"{path} does not name {extra}"


def check_same_scaling():
    """KEDA and the HPA decide alike: the numbers of the one are those of the other."""
    hpa = manifest("HorizontalPodAutoscaler", "components/hpa")["spec"]
    keda = manifest("ScaledObject", "components/keda")["spec"]
    assert hpa["behavior"] == keda["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert (hpa["minReplicas"], hpa["maxReplicas"]) == (keda["minReplicaCount"],
                                                        keda["maxReplicaCount"]) == (1, 5)
    target = hpa["metrics"][0]["pods"]["target"]["averageValue"]
    assert target == "700m" and float(keda["triggers"][0]["metadata"]["threshold"]) == 0.7
    assert hpa["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 60
    assert hpa["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 180


def check_safety():
    """What a cluster's policy asks of a pod (the restricted profile); no image names a host."""
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    both = pod["securityContext"] | container["securityContext"]
    assert both["runAsNonRoot"] and both["runAsUser"] > 1000 and both["readOnlyRootFilesystem"]
    assert both["allowPrivilegeEscalation"] is False and both["capabilities"]["drop"] == ["ALL"]
    assert both["seccompProfile"]["type"] == "RuntimeDefault"
    assert not pod["automountServiceAccountToken"] and not pod["enableServiceLinks"]
    for name, text in files.texts().items():
        for image in re.findall(r"(?:image|newName|IMAGE)\s*[:=]\s*[\"']?([^\s\"']+)", text):
            first = re.sub(r"^\$\{\w+:-", "", image).split("/")[0]
            assert "/" not in image or "." not in first, f"{name}: {image} names a host"


def check_definitions(paths):
    """Against published definitions, as an API server would, but for rules in CEL."""
    import jsonschema
    known = {}
    for path in paths:
        for each in yaml_documents(path):
            for version in each["spec"]["versions"]:
                key = (f"{each['spec']['group']}/{version['name']}", each["spec"]["names"]["kind"])
                known[key] = version["schema"]["openAPIV3Schema"]

    def strict(schema):
        if isinstance(schema, dict):
            schema = {key: strict(value) for key, value in schema.items()}
            if "properties" in schema and not isinstance(schema["properties"].get("type"), str):
                schema.setdefault("additionalProperties", False)
        return [strict(each) for each in schema] if isinstance(schema, list) else schema

    rules = subprocess.run([DEPLOY / "prometheus/as-kubernetes"], capture_output=True, text=True,
                           check=True).stdout
    ours = [each for _, each in manifests()] + yaml_documents("as-kubernetes", rules)
    for each in ours:
        schema = known.get((each["apiVersion"], each["kind"]))
        if schema:
            jsonschema.Draft7Validator(strict(schema)).validate(each)
            print(f"{each['kind']} {each['metadata']['name']}: as its definition wants it")


def main():
    files.skip_without(modules=["yaml"])
    num_files = check_yaml()
    check_references()
    check_same_scaling()
    check_safety()
    check_definitions(sys.argv[1:])
    print(f"{num_files} files are YAML, what they name is there")
    files.skip_without(modules=["kubernetes"])
    print(f"{check_shapes()} objects have the shapes of their kinds")
    check_that_shapes_can_fail()


if __name__ == "__main__":
    main()
