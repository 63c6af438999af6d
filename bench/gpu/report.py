"""What bench/gpu/run measured, as one document."""

# Bytes that one decode step must read: weights of the layers and of the head, in bfloat16.
SHAPES = {
    "7b": dict(hidden=3584, features=18944, layers=28, q=28, kv=4, dim=128, vocab=152064),
    "0.5b": dict(hidden=896, features=4864, layers=24, q=14, kv=2, dim=64, vocab=151936),
    "tiny": dict(hidden=128, features=256, layers=2, q=4, kv=2, dim=64, vocab=512),
}


def weight_elements(shape):
    s = SHAPES[shape]
    qkv = (s["q"] + 2 * s["kv"]) * s["dim"] * s["hidden"]
    layer = qkv + s["q"] * s["dim"] * s["hidden"] + 3 * s["hidden"] * s["features"]
    return s["layers"] * layer, s["vocab"] * s["hidden"]


def numbers_of(text):
    """{'seqs': 16, 'context': 512, 'rows': 16} of "seqs=16 context=512 rows=16"."""
    return {key: int(value) for key, value in (word.split("=") for word in text.split())}


def floor_ms(shape, what, ceilings):
    """The roofline of a step: what must be read, or multiplied, whichever takes longer."""
    s, n = SHAPES[shape], numbers_of(what)
    body, head = weight_elements(shape)
    rows, context = n["rows"], n["context"]
    chunk = rows // n["seqs"]
    seen = context + (chunk + 1) / 2
    kv_bytes = n["seqs"] * (context + chunk) * 4 * s["layers"] * s["kv"] * s["dim"]
    read = (2 * (body + head) + kv_bytes) / (ceilings["read"] * 1e9)
    flops = 2 * rows * body + 2 * n["seqs"] * head + 4 * rows * seen * (
        s["layers"] * s["q"] * s["dim"])
    return 1000 * max(read, flops / (ceilings["multiply"] * 1e12))


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows] + [""]


def ceilings_of(results):
    return {row[1]: float(row[2]) for row in results.get("ceilings") or []}


def kernel_rows(rows, ceilings):
    for _, name, what, us, gigabytes, teraflops in (r for r in rows if r[0] == "kernel"):
        shares = [float(rate) / ceilings[name_of] for rate, name_of in
                  ((gigabytes, "read"), (teraflops, "multiply")) if ceilings.get(name_of)]
        share = f"{100 * max(shares):.0f} %" if shares else "-"
        yield name, what, us, gigabytes, teraflops, share


def step_rows(shape, rows, ceilings):
    for row in rows:
        if row[0] != "step":
            continue
        _, kind, what, median, slowest, rate = row
        if ceilings.get("read") and ceilings.get("multiply"):
            floor = floor_ms(shape, what, ceilings)
            share = f"{100 * floor / float(median):.0f} %"
            yield kind, what, median, slowest, rate, f"{floor:.3f}", share
        else:
            yield kind, what, median, slowest, rate, "-", "-"


def render(results, session):
    ceilings = ceilings_of(results)
    out = [f"# GPU measurements, {results['shape']}", "", *(f"- {x}" for x in results["about"]),
           f"- command: `{results['command']}`"]
    out += ["- " + ", ".join(row[1:]) for row in results.get("machine") or []] + [""]
    out += ["## Skipped", ""]
    out += [f"- {part}: {why}" for part, why in session.skipped] or ["- nothing"]
    out += ["", "## Failed", ""]
    for part, why in session.failed:
        out += [f"- {part}:", "", "```", why, "```"]
    out += [] if session.failed else ["- nothing"]
    out += [""]
    if ceilings:
        out += ["## Ceilings", "", *table(["what", "rate", "unit"],
                                          [r[1:] for r in results["ceilings"]])]
    if results.get("float64"):
        out += ["## Largest difference from float64 / largest logit", "",
                *table(["model", "ranks", "chunks", "difference"],
                       [r[1:] for r in results["float64"] if r[0] == "float64"])]
    if results.get("attention"):
        out += ["## Attention for prompts: largest difference from float64 / largest number", "",
                *table(["kernel", "shape", "difference"],
                       [r[1:] for r in results["attention"] if r[0] == "attention"])]
    if results.get("sanitizers"):
        out += ["## Sanitizers, tiny model", "", "| tool | verdict |", "|---|---|",
                *results["sanitizers"], ""]
    if results.get("invariance"):
        out += ["## Does a row depend on its neighbours?", "",
                *["- " + "; ".join(r[1:]) for r in results["invariance"] if r[0] == "invariance"],
                ""]
    if results.get("oracle"):
        out += ["## Against transformers, the same weights", "", results["oracle"].strip(), ""]
    if results.get("kernels"):
        out += ["## Kernels", "", *table(["kernel", "shape", "us", "GB/s", "TFLOP/s", "of ceiling"],
                                         kernel_rows(results["kernels"], ceilings))]
    for name, shape in (("steps", results["shape"]), ("small steps", "0.5b")):
        if results.get(name):
            shape = "tiny" if results["shape"] == "tiny" else shape
            out += [f"## Steps, {shape}", "",
                    *["- " + ", ".join(r[1:]) for r in results[name] if r[0] == "load"], "",
                    *table(["kind", "what", "median ms", "slowest ms", "rows/s", "floor ms",
                            "of floor"], step_rows(shape, results[name], ceilings))]
    if results.get("serving"):
        out += ["## Serving", "",
                *table(["concurrency", "mean TTFT ms", "tokens/s", "memory MiB", "stable"],
                       [r[1:] for r in results["serving"] if r[0] == "serving"])]
    out += ["## Time", "", *table(["part", "s"], [(p, f"{s:.1f}") for p, s in session.times])]
    spills = [line.strip() for line in (results.get("ptxas") or "").splitlines()
              if "spill" in line and "0 bytes spill stores, 0 bytes spill loads" not in line]
    out += ["## Register spills", "", *([f"- {x}" for x in spills] or ["- none reported"]), ""]
    return "\n".join(out)
