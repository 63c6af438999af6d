"""Reads a Containerfile: its stages, their instructions, and what a target needs of them."""
import dataclasses
import fnmatch
import json
import pathlib
import re
import shlex

KNOWN = {"FROM", "ARG", "ENV", "RUN", "COPY", "WORKDIR", "USER", "EXPOSE", "STOPSIGNAL",
         "HEALTHCHECK", "ENTRYPOINT", "CMD"}


@dataclasses.dataclass
class Stage:
    name: str
    base: str
    steps: list  # [(word, argument)]
    arguments: dict  # of `ARG name=value` before the first FROM

    def values(self, word):
        return [argument for found, argument in self.steps if found == word]

    def environment(self):
        out = {}
        for argument in self.values("ENV"):
            out |= dict(pair.split("=", 1) for pair in shlex.split(argument))
        return out


def instructions(text):
    """[(word, argument)] with continued lines joined."""
    joined = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    for line in joined.splitlines():
        if line.strip():
            word, _, argument = line.strip().partition(" ")
            if word not in KNOWN:
                raise ValueError(f"unknown instruction {word}")
            yield word, argument.strip()


def expand(text, values):
    """`${NAME}` by its value; a name without one is an error, as it would be an empty string."""
    return re.sub(r"\$\{(\w+)\}", lambda m: values[m[1]], text)


def read(path, **given):
    """{name: Stage} in the order of the file; `given` are build arguments. The last has name ""."""
    stages, arguments = {}, {}
    for word, argument in instructions(pathlib.Path(path).read_text()):
        if word == "FROM":
            base, _, name = expand(argument, arguments).partition(" AS ")
            if name in stages:
                raise ValueError(f"two stages {name}")
            stage = stages[name] = Stage(name, base, [], dict(arguments))
        elif not stages:
            if word != "ARG":
                raise ValueError(f"{word} before the first FROM")
            name, _, value = argument.partition("=")
            arguments[name] = given.get(name, value)
        else:
            if word == "ARG":
                name, _, value = argument.partition("=")
                argument = f"{name}={given.get(name, value)}"
            stage.steps.append((word, argument))
    return stages


def needs(stages, name=""):
    """Names of the stages that `name` is made of, itself the last."""
    stage, out = stages[name], []
    copies = [re.search(r"--from=(\S+)", argument) for argument in stage.values("COPY")]
    for other in [stage.base] + [found[1] for found in copies if found]:
        if other in stages:
            out += [each for each in needs(stages, other) if each not in out]
    return out + [name]


def lineage(stages, name=""):
    """The stages that an image inherits from, the oldest first: their ENV and USER are its own."""
    stage = stages[name]
    return (lineage(stages, stage.base) if stage.base in stages else []) + [stage]


def settings(stages, name=""):
    """The last word of an image on each instruction, parsed, and the whole environment."""
    out = {"ENV": {}}
    for stage in lineage(stages, name):
        out["ENV"] |= stage.environment()
        for word, argument in stage.steps:
            if word in ("ENTRYPOINT", "CMD"):
                out[word] = json.loads(argument)
            elif word == "HEALTHCHECK":
                flags, _, command = argument.partition("CMD ")
                out[word] = json.loads(command)
                out["HEALTHCHECK flags"] = dict(f[2:].split("=") for f in flags.split())
            elif word in ("USER", "WORKDIR", "EXPOSE", "STOPSIGNAL"):
                out[word] = argument
    return out


def is_in_context(path, patterns):
    """Whether .dockerignore lets a path (relative, of a file) through: the last pattern decides."""
    inside = True
    for pattern in patterns:
        wanted = pattern.startswith("!")
        pattern = pattern.lstrip("!")
        parts = [str(path)] + [str(folder) for folder in path.parents]
        if pattern.startswith("**/"):
            hit = any(fnmatch.fnmatch(part, pattern[3:]) for part in path.parts)
        else:
            hit = any(part.count("/") == pattern.count("/") and fnmatch.fnmatch(part, pattern)
                      for part in parts)
        if hit:
            inside = wanted
    return inside


def context(root):
    """The files that an image is built from, as paths relative to the root."""
    lines = (root / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    # Walks only what a pattern names: a build folder may be huge.
    for pattern in patterns:
        for found in root.glob(pattern[1:]) if pattern.startswith("!") else []:
            files = [found] if found.is_file() else found.rglob("*")
            for path in files:
                if path.is_file() and is_in_context(path.relative_to(root), patterns):
                    yield path.relative_to(root)
