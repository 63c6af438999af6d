"""The files of deploy/, read strictly."""
import json
import pathlib
import re
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SKIPPED = 77

sys.path.insert(0, str(ROOT / "tests/e2e"))


def skip_without(*, modules=(), programs=()):
    """Ends the test with 77 and the name of what this machine lacks."""
    for name in modules:
        try:
            __import__(name)
        except ImportError:
            print(f"skipped: Python's module {name} (Debian's python3-{name}) is not installed")
            sys.exit(SKIPPED)
    for name in programs:
        if not shutil.which(name):
            print(f"skipped: {name} is not installed")
            sys.exit(SKIPPED)


def yaml_documents(path, text=None):
    """All documents of a file; a key that stands twice in a mapping is an error."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            keys = [self.construct_object(key) for key, _ in node.value]
            twice = {str(key) for key in keys if keys.count(key) > 1}
            assert not twice, f"{path}:{node.start_mark.line + 1}: twice: {twice}"
            return super().construct_mapping(node, deep)

    text = pathlib.Path(path).read_text() if text is None else text
    return [each for each in yaml.load_all(text, Loader) if each is not None]


def yaml_document(path):
    (document,) = yaml_documents(path)
    return document


def texts():
    """{path relative to deploy/: text} of every file."""
    return {str(path.relative_to(DEPLOY)): path.read_text()
            for path in sorted(DEPLOY.rglob("*")) if path.is_file()}


def manifests():
    """[(path, object)] of every Kubernetes object in the files, patches among them."""
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        for each in yaml_documents(path):
            if "kind" in each:
                yield path.relative_to(KUBERNETES), each


def manifest(kind, folder="base"):
    """The one object of a kind in a folder of deploy/kubernetes/."""
    found = [each for path, each in manifests()
             if str(path.parent) == folder and each["kind"] == kind]
    assert len(found) == 1, f"{len(found)} of {kind} in {folder}"
    return found[0]


def seconds(text):
    """45s, 5m, 200ms as seconds; a bare number is seconds."""
    number, unit = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", str(text)).groups()
    return float(number) * {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600}[unit]


def size(text):
    """2, 2g, 512MiB, 6Gi as a number."""
    number, unit = re.fullmatch(r"(\d+)([KMGTkmgt]?)(?:i?B?)", str(text)).groups()
    return int(number) << " KMGT".index(unit.upper() or " ") * 10


def dashboard():
    return json.loads((DEPLOY / "grafana/troupe.json").read_text())
