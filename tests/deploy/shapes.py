"""What Kubernetes objects may look like: every key is known, has its type, and none is missing.

Kinds of Kubernetes itself are held against the models of Debian's python3-kubernetes. For kinds
that an operator brings there is no schema to be had offline: CUSTOM has the parts that deploy/
uses, as their published definitions have them, and refuses all others.
"""
import re

# What the models only call a string.
WORDS = {
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
    "operator": {"Exists", "Equal", "In", "NotIn", "DoesNotExist"},
    "effect": {"NoSchedule", "PreferNoSchedule", "NoExecute"},
    "medium": {"", "Memory", "HugePages"},
    "policyTypes": {"Ingress", "Egress"},
    "accessModes": {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"},
    "fsGroupChangePolicy": {"Always", "OnRootMismatch"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "scheme": {"HTTP", "HTTPS"},
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
}
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")

BEHAVIOR = "V2HorizontalPodAutoscalerBehavior"
TEXT, NUMBER, YES = str, int, bool
LABELS = {"*": TEXT}
SELECTOR = {"matchLabels!": LABELS}
CUSTOM = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {
        "jobLabel": TEXT, "selector!": SELECTOR,
        "endpoints!": [{"port!": TEXT, "path": re.compile("/.*"),
                        "interval": re.compile(r"\d+(ms|s|m)"),
                        "scrapeTimeout": re.compile(r"\d+(ms|s|m)"),
                        "scheme": re.compile("https?")}]},
    ("monitoring.coreos.com/v1", "PrometheusRule"): {
        "groups!": [{"name!": TEXT, "rules!": [
            {"alert": TEXT, "record": TEXT, "expr!": TEXT, "for": re.compile(r"\d+(s|m|h)"),
             "labels": LABELS, "annotations": LABELS}]}]},
    ("keda.sh/v1alpha1", "ScaledObject"): {
        "scaleTargetRef!": {"name!": TEXT, "kind": TEXT, "apiVersion": TEXT},
        "minReplicaCount": NUMBER, "maxReplicaCount": NUMBER, "pollingInterval": NUMBER,
        "cooldownPeriod": NUMBER,
        "fallback": {"failureThreshold!": NUMBER, "replicas!": NUMBER,
                     "behavior": re.compile("static|currentReplicas(IfHigher|IfLower)?")},
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": BEHAVIOR}},
        "triggers!": [{"type!": re.compile("prometheus"), "name": TEXT,
                       "metricType": re.compile("AverageValue|Value"),
                       "metadata!": {"serverAddress!": re.compile("https?://.+"), "query!": TEXT,
                                     "threshold!": re.compile(r"\d+(\.\d+)?"),
                                     "activationThreshold": re.compile(r"\d+(\.\d+)?")}}]},
    ("inference.networking.k8s.io/v1", "InferencePool"): {
        "selector!": SELECTOR, "targetPorts!": [{"number!": NUMBER}],
        "appProtocol": re.compile("http|kubernetes.io/h2c"),
        "endpointPickerRef": {"name!": TEXT, "kind": TEXT, "group": TEXT,
                              "port": {"number!": NUMBER},
                              "failureMode": re.compile("FailOpen|FailClose")}},
}
FILES = {
    "Kustomization": {
        "apiVersion!": TEXT, "kind!": TEXT, "resources": [TEXT], "components": [TEXT],
        "labels": [{"pairs!": LABELS, "includeSelectors": YES}],
        "configMapGenerator": [{"name!": TEXT, "behavior": re.compile("create|replace|merge"),
                                "files": [TEXT]}],
        "patches": [{"path!": TEXT}],
        "images": [{"name!": TEXT, "newName": TEXT, "newTag": TEXT, "digest": TEXT}]},
    "Component": {"apiVersion!": TEXT, "kind!": TEXT, "resources": [TEXT]},
}


class Breach(Exception):
    pass


def require(condition, where, what):
    if not condition:
        raise Breach(f"{where}: {what}")


def check_shape(value, shape, where):
    """`shape`: a type, a pattern, [shape], {"key": shape, "required!": shape, "*": shape}."""
    if isinstance(shape, str):
        return check_model(value, shape, where)
    if isinstance(shape, list):
        require(isinstance(value, list) and value, where, "no list of something")
        for i, each in enumerate(value):
            check_shape(each, shape[0], f"{where}[{i}]")
    elif isinstance(shape, dict):
        require(isinstance(value, dict), where, "no mapping")
        known = {key.rstrip("!"): each for key, each in shape.items()}
        for key in shape:
            require(not key.endswith("!") or key[:-1] in value, where, f"lacks {key[:-1]}")
        for key, each in value.items():
            require(key in known or "*" in known, where, f"unknown key {key}")
            check_shape(each, known.get(key, known.get("*")), f"{where}.{key}")
    elif isinstance(shape, re.Pattern):
        require(isinstance(value, str) and shape.fullmatch(value), where,
                f"{value!r} is not {shape.pattern}")
    else:
        require(type(value) is shape, where, f"{value!r} is no {shape.__name__}")


def model_of(name):
    """A model, or the one that had the same shape before: autoscaling/v2 came as v2beta2."""
    from kubernetes.client import models
    for each in (name, name.replace("V2", "V2beta2", 1)):
        if hasattr(models, each):
            return getattr(models, each)
    raise Breach(f"python3-kubernetes has no {name}")


def type_name(object_):
    """apps/v1 Deployment: V1Deployment."""
    version = object_["apiVersion"].split("/")[-1]
    return version[0].upper() + version[1:] + object_["kind"]


def check_model(value, name, where, partial=False):
    """Against a type as the models write it: str, list[V1Container], dict(str, str), V1Pod."""
    inner = re.fullmatch(r"(?:list\[|dict\(str, )(.+)[\])]", name)
    if name.startswith("list["):
        require(isinstance(value, list), where, "no list")
        for i, each in enumerate(value):
            check_model(each, inner[1], f"{where}[{i}]", partial)
    elif inner:
        require(isinstance(value, dict), where, "no mapping")
        amounts = where.endswith((".limits", ".requests"))
        for key, each in value.items():
            good = QUANTITY.fullmatch(str(each)) if amounts else isinstance(each, str)
            require(good, where, f"{key}: {each!r}")
    elif name in ("str", "int", "bool", "float", "object", "datetime"):
        kinds = {"str": str, "int": int, "bool": bool, "float": (int, float),
                 "object": (str, int), "datetime": str}
        good = isinstance(value, kinds[name]) and (name == "bool" or not isinstance(value, bool))
        # A quantity is written as a number, too.
        good = good or (where.endswith(("averageValue", "sizeLimit")) and QUANTITY.fullmatch(
            str(value)))
        require(good, where, f"{value!r} is no {name}")
        key = re.sub(r"\[\d+\]$", "", where).split(".")[-1]
        require(key not in WORDS or value in WORDS[key], where, f"{value!r} is no such word")
    else:
        check_fields(value, model_of(name), where, partial)


def check_fields(value, model, where, partial):
    require(isinstance(value, dict), where, f"no mapping, {model.__name__} is wanted")
    fields = {written: field for field, written in model.attribute_map.items()}
    for key, each in value.items():
        require(key in fields, where, f"{model.__name__} has no {key}")
        check_model(each, model.openapi_types[fields[key]], f"{where}.{key}", partial)
    if not partial:
        try:
            model(**{fields[key]: each for key, each in value.items()})
        except ValueError as error:  # the constructor knows what must not be missing
            raise Breach(f"{where}: {error}") from None


def check_object(object_, where, partial=False):
    """`partial`: a patch, which may leave out what its target has."""
    for key in ("apiVersion", "kind"):
        require(isinstance(object_.get(key), str), where, f"lacks {key}")
    where = f"{where}: {object_['kind']}"
    if object_["kind"] in FILES:
        return check_shape(object_, FILES[object_["kind"]], where)
    require(NAME.fullmatch(object_.get("metadata", {}).get("name", "")), where, "lacks a good name")
    shape = CUSTOM.get((object_["apiVersion"], object_["kind"]))
    if shape is None:
        return check_model(object_, type_name(object_), where, partial)
    check_shape({key: object_[key] for key in object_ if key != "metadata"},
                {"apiVersion!": TEXT, "kind!": TEXT, "spec!": shape}, where)
    return check_model(object_["metadata"], "V1ObjectMeta", f"{where}.metadata")
