"""What kubectl makes of the overlays, alone and with every component: whole, well shaped."""
import pathlib
import shutil
import subprocess
import tempfile
import tomllib

import files
from files import KUBERNETES, size, yaml_documents

COMPONENTS = {
    "hpa": "HorizontalPodAutoscaler", "keda": "ScaledObject", "inference-pool": "InferencePool",
    "monitoring": "ServiceMonitor"}


def build(folder):
    """The objects of a folder by kind; of each kind there is one."""
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # what it warns of, such as old fields
    documents = yaml_documents(folder, done.stdout)
    out = {each["kind"]: each for each in documents}
    assert len(out) == len(documents), [each["kind"] for each in documents]
    return out


def check(objects, where):
    import shapes
    for each in objects.values():
        shapes.check_object(each, where)
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert {each["name"] for each in container["volumeMounts"]} == set(volumes), where
    config = objects["ConfigMap"]["metadata"]["name"]
    assert volumes["config"]["configMap"]["name"] == config and config != "troupe", where
    if "models" in volumes:
        claim = volumes["models"]["persistentVolumeClaim"]["claimName"]
        assert claim == objects["PersistentVolumeClaim"]["metadata"]["name"], where
    check_config(tomllib.loads(objects["ConfigMap"]["data"]["troupe.toml"]), container, where)


def check_config(config, container, where):
    """What the file names is mounted, and fits what the container may have."""
    mounts = [each["mountPath"] for each in container["volumeMounts"]]
    for key in ("model", "api-key-file"):
        path = pathlib.PurePath(config.get(key, "/usr/local/share"))
        inside = [m for m in mounts if pathlib.PurePath(m) in path.parents]
        assert inside or path.is_relative_to("/usr/local/share"), f"{where}: {path} is not mounted"
    limits = container["resources"]["limits"]
    assert config["port"] == container["ports"][0]["containerPort"], where
    if config.get("device", "cpu") == "cpu":
        assert config["threads"] == int(limits["cpu"]), where
        assert size(config["kv-cache-memory-bytes"]) * 2 <= size(limits["memory"]), where
    else:
        assert config["tensor-parallel-size"] == limits["nvidia.com/gpu"], where
        assert container["image"].endswith(":cuda"), where


def main():
    files.skip_without(modules=["yaml", "kubernetes"], programs=["kubectl"])
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder) / "kubernetes"
        shutil.copytree(KUBERNETES, tree)
        for overlay in ("base", "overlays/cpu", "overlays/gpu"):
            plain = build(tree / overlay)
            check(plain, overlay)
            for name, kind in COMPONENTS.items():
                ours = tree / "ours"
                ours.mkdir(exist_ok=True)
                (ours / "kustomization.yaml").write_text(
                    f"resources: [../{overlay}]\ncomponents: [../components/{name}]\n")
                objects = build(ours)
                check(objects, f"{overlay} with {name}")
                assert set(objects) == set(plain) | {kind}, set(objects)
    print("base, cpu and gpu are whole, alone and with each of", ", ".join(COMPONENTS))


if __name__ == "__main__":
    main()
