"""Rules, scalers and the dashboard ask for metrics, labels and values that the server has.

promtool parses every expression and plays the cases of rule_cases.yml.
"""
import collections
import json
import re
import subprocess
import tempfile

import files
from files import DEPLOY, manifest, yaml_document
from troupe_server import Server

# What a server with several replicas has in addition, with the values of its labels.
FLEET = {
    "troupe_replicas": {"state": {"starting", "ready", "standby", "draining", "failed"}},
    "troupe_replica_load": {"replica": None},
    "troupe_resumed_requests_total": {},
    "troupe_scaling_decisions_total": {"direction": {"out", "in"}}}
# What whoever scrapes adds.
SCRAPED = {"job", "instance", "namespace", "pod"}
RULES = ("recording.yml", "alerts.yml", "fleet.yml")
CASES = files.ROOT / "tests/deploy/rule_cases.yml"
# Words of PromQL that are no metrics.
WORDS = set("by without on ignoring group_left group_right and or unless offset bool".split())
CLAUSE = r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)"


def label_pairs(text):
    return re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', text)


def names_and_labels(expression):
    """[(metric, [(label, operator, value)])] and the labels of `by (...)`."""
    clauses = {word for found in re.findall(CLAUSE, expression)
               for word in re.split(r"[\s,]+", found) if word}
    selectors = re.findall(r"\{[^}]*\}", expression) + [""]
    rest = re.sub(CLAUSE, " ", expression)
    places = iter(range(len(selectors)))
    rest = re.sub(r"\{[^}]*\}", lambda _: f"{{{next(places)}}}", rest)
    rest = re.sub(r"\[[^\]]*\]", "", rest)
    # A name that no bracket follows is no function.
    found = re.findall(r"(?<![\w:])([a-zA-Z_:][\w:]*)\b(?!\s*\()\s*(?:\{(\d+)\})?", rest)
    return [(name, label_pairs(selectors[int(place or -1)])) for name, place in found
            if name not in WORDS], clauses


def known_metrics():
    """{metric: {label: values}} of a server that has answered, and of a fleet."""
    known = collections.defaultdict(lambda: collections.defaultdict(set))
    with Server("--max-model-len", 512) as server:
        assert server.post({"prompt": "Hello", "max_tokens": 4})[0] == 200
        text = server.get("/metrics")[1]
    for name, labels in re.findall(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$", text, re.M):
        known[name]
        for label, _, value in label_pairs(labels):
            known[name][label].add(value)
    assert len(known) > 100, len(known)
    for name, labels in FLEET.items():
        for label, values in ({} | labels).items():
            known[name][label] |= values or {""}
        known[name]
    known["up"]
    return known


def check_expression(where, expression, known):
    metrics, clauses = names_and_labels(expression)
    assert metrics, f"{where}: no metric in {expression}"
    labels_there = set(SCRAPED) | {"le"}
    for name, pairs in metrics:
        assert name in known, f"{where}: there is no metric {name}"
        labels_there |= set(known[name])
        for label, operator, value in pairs:
            if label in SCRAPED:
                continue
            assert label in known[name], f"{where}: {name} has no label {label}"
            for word in re.split(r"\|", value) if operator in ("=", "=~") else []:
                values = known[name][label]
                good = word in values or label == "le" or "" in values
                assert good, f'{where}: {name} never has {label}="{word}"'
    missing = clauses - labels_there
    assert not missing, f"{where}: no label {missing} in {expression}"
    return labels_there


def rules():
    for file in RULES:
        for group in yaml_document(DEPLOY / "prometheus" / file)["groups"]:
            for rule in group["rules"]:
                yield file, rule


def check_rules(known):
    for file, rule in rules():
        where = f"{file}: {rule.get('alert') or rule.get('record')}"
        labels = check_expression(where, rule["expr"], known)
        for used in re.findall(r"\$labels\.(\w+)", json.dumps(rule.get("annotations", {}))):
            assert used in labels, f"{where}: no label {used}"
        if "record" in rule:
            known[rule["record"]]["instance"].add("")
        else:
            assert rule["labels"]["severity"] in ("critical", "warning"), where
    return sum("alert" in rule for _, rule in rules())


def check_cases():
    """Every alert has a case in which it fires and one in which it does not."""
    cases = collections.defaultdict(set)
    for test in yaml_document(CASES)["tests"]:
        for each in test.get("alert_rule_test", []):
            cases[each["alertname"]].add(bool(each["exp_alerts"]))
    for _, rule in rules():
        if "alert" in rule:
            assert cases.pop(rule["alert"], set()) == {True, False}, f"cases of {rule['alert']}"
    assert not cases, f"cases of alerts that are not there: {set(cases)}"


def check_scalers(known):
    hpa = manifest("HorizontalPodAutoscaler", "components/hpa")["spec"]
    names = [each["pods"]["metric"]["name"] for each in hpa["metrics"]]
    (adapter,) = yaml_document(files.KUBERNETES / "components/hpa/prometheus-adapter.yaml")["rules"]
    assert names == [adapter["name"]["as"]] == ["troupe_load"], names
    check_expression("prometheus-adapter.yaml", adapter["seriesQuery"], known)
    keda = manifest("ScaledObject", "components/keda")["spec"]
    queries = [each["metadata"]["query"] for each in keda["triggers"]]
    for query in queries:
        check_expression("scaled-object.yaml", query, known)
    pool = files.texts()["kubernetes/components/inference-pool/inference-pool.yaml"]
    protocol = dict(re.findall(r"^#   (\w+) +(\S+)$", pool, re.M))
    assert set(protocol) == {"TotalQueuedRequests", "TotalRunningRequests", "KVCacheUtilization",
                             "BlockSize", "NumGPUBlocks"}, protocol
    for what, metric in protocol.items():
        name, label = re.fullmatch(r"([\w:]+)(?:\{(\w+)\})?", metric).groups()
        assert name in known and (not label or label in known[name]), (what, metric)
    return queries


def plain(expression):
    """With values where Grafana has its variables."""
    return expression.replace("$__rate_interval", "5m").replace("$instance", ".*")


def check_dashboard(known):
    dashboard = files.dashboard()
    expressions, places, ids = [], [], []
    for panel in dashboard["panels"]:
        ids.append(panel["id"])
        places.append(panel["gridPos"])
        assert (panel["type"] == "row") == ("targets" not in panel), panel["title"]
        for target in panel.get("targets", []):
            expression = plain(target["expr"])
            assert "$" not in expression, (panel["title"], expression)
            labels = check_expression(panel["title"], expression, known)
            for used in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert used in labels, f"{panel['title']}: no label {used}"
            assert target["datasource"]["uid"] == "${datasource}", panel["title"]
            expressions.append(expression)
    assert len(set(ids)) == len(ids)
    for i, a in enumerate(places):
        assert a["x"] + a["w"] <= 24, a
        for b in places[:i]:
            apart = (a["x"] >= b["x"] + b["w"] or b["x"] >= a["x"] + a["w"]
                     or a["y"] >= b["y"] + b["h"] or b["y"] >= a["y"] + a["h"])
            assert apart, f"two panels at the same place: {a} {b}"
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    metric, label = re.fullmatch(r"label_values\((.+), (\w+)\)",
                                 variables["instance"]["query"]["query"]).groups()
    assert label in SCRAPED
    return expressions + [metric]


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def parse(expressions):
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        records = [{"record": f"e{i}", "expr": each} for i, each in enumerate(expressions)]
        json.dump({"groups": [{"name": "all", "rules": records}]}, file)
        file.flush()
        promtool("check", "rules", file.name)


def main():
    files.skip_without(modules=["yaml"], programs=["promtool"])
    promtool("check", "config", DEPLOY / "prometheus/prometheus.yml")
    promtool("test", "rules", CASES)
    check_cases()
    known = known_metrics()
    num_alerts = check_rules(known)
    expressions = check_scalers(known) + check_dashboard(known)
    parse(expressions)
    print(f"{num_alerts} alerts fire and keep quiet as they should; {len(expressions)} expressions "
          "of the dashboard and the scalers ask for what there is")


if __name__ == "__main__":
    main()
