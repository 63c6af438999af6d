#!/usr/bin/env python3
"""The house rules that a machine can hold: folders, libraries, locks, sizes, and the documents.

tidy.py ROOT            prints every breach; exits 1 when there is an error (warnings do not count)
tidy.py ROOT --messages prints the message table of ARCHITECTURE.md as src/actors says it
"""
import pathlib
import re
import sys

# A folder of src/ and the folders that it may include; main.cpp and cli/ may include everything.
BELOW = {
    "core": set(),
    "text": {"core"},
    "model": {"text", "core"},
    "link": {"model", "core"},
    "cpu": {"model", "core"},
    "cuda": {"model", "core"},
    "sim": {"model", "core"},
    "actors": {"core", "model/runner.hpp"},
    "engine": {"actors", "text", "model", "cpu", "cuda", "sim", "core"},
    "plan": {"engine", "actors", "text", "model", "cpu", "sim", "core"},
    "net": {"actors", "text", "core"},
    "load": {"net", "text", "core"},
    "cli": {"engine", "plan", "load", "net", "actors", "text", "model", "link", "cpu", "cuda",
            "sim", "core"},
}
# A library's headers and the folders that may include them: the first pattern that fits decides.
HOMES = [
    (r"caf/", {"actors", "engine", "plan", "net", "cli"}),
    (r"boost/json", {"net", "text"}),
    (r"boost/", {"net", "load"}),
    (r"openssl/", {"net", "load", "link"}),
    (r"simdjson", {"text"}),
    (r"(utf8proc|pcre2)", {"text"}),
    (r"hwy/", {"cpu"}),
    (r"(cuda|cublas|nccl)", {"cuda"}),
    (r"(CLI/|toml\+\+/|histedit)", {"cli"}),
]
LOCKS = re.compile(r"std::(\w*mutex|lock_guard|unique_lock|scoped_lock|shared_lock"
                   r"|condition_variable\w*|\w*semaphore|latch|barrier)\b"
                   r"|<(mutex|shared_mutex|condition_variable|semaphore|latch|barrier)>")
OPEN_WORK = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w.~$/:-])/(" + "|".join(["work", "home", "root", "Users"]) + ")/")
CPP = {".hpp", ".cpp", ".cu", ".cuh"}
TEXT = CPP | set(".h .c .py .md .build .txt .wrap .sh .html .css .js .mjs .yml .yaml".split())
SIZED = CPP | {".c", ".py", ".build", ".js", ".mjs"}
NOT_OURS = {".git", ".cache", "__pycache__", "models", "node_modules"}
# Those that mirror no folder of src/.
TEST_FOLDERS = {"house", "e2e", "faults", "oracle", "fuzz", "web", "simt", "deploy"}
MAX_FILE, MAX_FUNCTION, MAX_LINE, MAX_ACTOR_HEADER = 500, 70, 100, 100


class Report:
    def __init__(self):
        self.errors, self.warnings = [], []

    def error(self, where, why):
        self.errors.append(f"{where}: {why}")

    def warn(self, where, why):
        self.warnings.append(f"{where}: {why}")


class Tree:
    """The files that are ours, by path relative to the root."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = {}
        self._walk(self.root)

    def _walk(self, folder):
        for path in sorted(folder.iterdir()):
            name = path.relative_to(self.root).as_posix()
            if path.is_dir():
                top = folder == self.root
                if path.name in NOT_OURS or (top and path.name.startswith("build")):
                    continue
                if name.startswith("subprojects/") and not name.startswith("subprojects/packagef"):
                    continue
                self._walk(path)
            elif path.suffix in TEXT or name in ("dev", ".ci/run"):
                self.files[name] = path.read_text(encoding="utf-8")

    def cpp(self, prefix):
        return {n: t for n, t in self.files.items()
                if n.startswith(prefix) and pathlib.PurePath(n).suffix in CPP}

    def folders(self, prefix):
        depth = prefix.count("/")
        return sorted({n.split("/")[depth] for n in self.files
                       if n.startswith(prefix) and n.count("/") > depth})


def without_comments(text):
    """The code alone: comments and literals become blanks, lines stay where they are."""
    pattern = r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\''
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)


def check_includes(tree, report):
    for name, text in tree.cpp("src/").items():
        folder = name.split("/")[1]
        if folder == "main.cpp":
            continue
        if folder not in BELOW:
            report.error(name, f"{folder}/ is not in the plan of folders (BELOW in tools/tidy.py)")
            continue
        for number, line in enumerate(text.splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if found:
                check_include(f"{name}:{number}", folder, found[1], found[2], report)


def check_include(where, folder, mark, target, report):
    ours = target.split("/")[0]
    if ours in BELOW:
        if ours != folder and not {ours, target} & BELOW[folder]:
            report.error(where, f"{folder}/ may not include {target}")
        return
    if folder == "core" and (mark == '"' or not re.fullmatch(r"[a-z_0-9]+", target)):
        report.error(where, f"core/ includes the standard library only, not {target}")
        return
    for pattern, homes in HOMES:
        if re.match(pattern, target):
            if folder not in homes:
                report.error(where, f"{target} may be included in {', '.join(sorted(homes))} only")
            return


def check_locks(tree, report):
    for name, text in tree.cpp("src/actors/").items():
        # Includes are not literals, so they survive the removal of comments.
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            found = LOCKS.search(line)
            if found:
                report.error(f"{name}:{number}", f"no locks in actors/, found {found[0]}")


def check_text(tree, report):
    for name, text in tree.files.items():
        for number, line in enumerate(text.splitlines(), 1):
            found = OPEN_WORK.search(line)
            if found:
                report.error(f"{name}:{number}", f"open work is no part of the source: {found[0]}")
            found = MACHINE_PATH.search(line)
            if found:
                report.error(f"{name}:{number}", f"a path of one machine: {found[0]}")


def check_sizes(tree, report):
    for name, text in tree.files.items():
        if pathlib.PurePath(name).suffix not in SIZED and name != "dev":
            continue
        lines = text.splitlines()
        if len(lines) > MAX_FILE and "/corpus/" not in name:  # texts to train on are no code
            report.error(name, f"{len(lines)} lines, the limit is {MAX_FILE}")
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_LINE:
                report.error(f"{name}:{number}", f"{len(line)} columns, the limit is {MAX_LINE}")
        # The cast list has a line or two per message: it is no protocol.
        is_protocol = re.fullmatch(r"src/actors/(?!cast\.)\w+\.hpp", name)
        if is_protocol and len(lines) > MAX_ACTOR_HEADER:
            report.warn(name, f"{len(lines)} lines: the protocol should fit a screen "
                              f"({MAX_ACTOR_HEADER})")
        if pathlib.PurePath(name).suffix in CPP:
            for first, length in functions(text):
                if length > MAX_FUNCTION:
                    report.warn(f"{name}:{first}", f"a function of {length} lines, "
                                                   f"the limit is {MAX_FUNCTION}")


def functions(text):
    """Yields (first line, lines) of every function body at namespace or class scope."""
    code = re.sub(r"^\s*#.*?(?<!\\)$", lambda m: re.sub(r"[^\n]", " ", m[0]),
                  without_comments(text), flags=re.M | re.S)
    scopes, start, head = [], 0, 0  # scopes: is each open brace a namespace or a class?
    parentheses = 0
    for position, char in enumerate(code):
        if all(scopes) and char in "()":
            parentheses += 1 if char == "(" else -1
        if parentheses > 0:
            continue
        if char == "{":
            if all(scopes):
                before = code[head:position]
                is_scope = bool(re.search(r"\b(namespace|class|struct|union|enum|extern)\b", before)
                                and not is_function_head(before))
                scopes.append(is_scope)
                start = position
            else:
                scopes.append(False)
        elif char == "}" and scopes:
            if not scopes.pop() and all(scopes) and is_function_head(code[head:start]):
                first = code.count("\n", 0, start) + 1
                yield first, code.count("\n", start, position) + 1
        if char in "{};" and all(scopes):
            head = position + 1


def is_function_head(before):
    """True for `int f(int x) const`; false for `struct a`, `x = [](int y)` and `int x`."""
    before = re.sub(r"operator\s*[^\s\w(]+", "operator_", before)
    before = re.sub(r"\b(alignas|decltype|requires|__attribute__)\s*\([^()]*\)", "", before)
    flat = before
    while True:
        shorter = re.sub(r"\([^()]*\)", "@", flat)
        if shorter == flat:
            break
        flat = shorter
    return "@" in flat and "=" not in flat.split("@")[0]


def check_tests(tree, report):
    rooms = set(tree.folders("src/"))
    for folder in tree.folders("tests/"):
        if folder not in rooms | TEST_FOLDERS:
            report.error(f"tests/{folder}/", "mirrors no folder of src/")
    for room in rooms - set(tree.folders("tests/")):
        report.warn(f"src/{room}/", "has no folder in tests/")


def interfaces(tree):
    """[(actor, message, answers)] of every `using NAME = caf::typed_actor<...>` in src/actors."""
    found = []
    for _, text in sorted(tree.cpp("src/actors/").items()):
        code = re.sub(r"//[^\n]*", "", text)
        for block in re.finditer(r"using\s+(\w+)\s*=\s*caf::typed_actor<(.*?)>\s*;", code, re.S):
            clause = (r"reacts_to<([^<>]+)>|replies_to<([^<>]+)>::with<"
                      r"((?:[^<>]|<[^<>]*>)+)>")
            for one in re.finditer(clause, block[2] + ">"):
                found.append((block[1], words(one[1] or one[2]), words(one[3] or "")))
    return found


def words(text):
    return " ".join(text.split())


def message_row(actor, message, answer):
    return f"| `{actor}` | `{message}` | " + (f"`{answer}` |" if answer else "|")


def section(text, title):
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return found[1] if found else ""


def check_messages(tree, report):
    cast = tree.files.get("src/actors/cast.hpp", "")
    spoken = interfaces(tree)
    for actor, message, answer in spoken:
        for name in filter(None, re.split(r",\s*", message + ", " + answer)):
            if "::" in name or re.search(rf"^\s*TROUPE_\w+_MESSAGE\({name}\)", cast, re.M):
                continue
            report.error("src/actors/cast.hpp", f"{name} ({actor}) has no line in the cast list")
    written = {line.strip() for line in
               section(tree.files.get("ARCHITECTURE.md", ""), "Messages").splitlines()
               if line.startswith("| `")}
    true_rows = {message_row(*row) for row in spoken}
    for row in sorted(true_rows - written):
        report.error("ARCHITECTURE.md", f"the message table lacks: {row}")
    for row in sorted(written - true_rows):
        report.error("ARCHITECTURE.md", f"the message table has what src/actors has not: {row}")


def check_code_map(tree, report):
    """Every folder, every room and every actor has its line in the code map."""
    there = {f"{folder}/" for folder in tree.folders("") if not folder.startswith(".")}
    there |= {f"src/{room}/" for room in tree.folders("src/")}
    there |= {re.sub(r"\.[hc]pp$", "", name) for name in tree.cpp("src/actors/")}
    listed = set(re.findall(r"^\s*[-|]?\s*`((?:src/actors/\w+)|(?:[\w./-]+/))`",
                            section(tree.files.get("ARCHITECTURE.md", ""), "Code map"), re.M))
    for path in sorted(there - listed):
        report.error("ARCHITECTURE.md", f"the code map lacks {path}")


def check_paths(tree, report):
    """A document names no file that is not there; `src/actors/x` stands for its two files."""
    pattern = r"`((?:src|tests|tools|docs|models|subprojects|bench|include|examples|web)/[\w./-]*)`"
    for name, text in tree.files.items():
        if not name.endswith(".md"):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for path in re.findall(pattern, line):
                if not (tree.root / path).exists() and f"{path}.hpp" not in tree.files:
                    report.error(f"{name}:{number}", f"names {path}, which does not exist")


CHECKS = [check_includes, check_locks, check_text, check_sizes, check_tests, check_messages,
          check_code_map, check_paths]


def main(arguments):
    tree = Tree(arguments[0])
    if "--messages" in arguments:
        print("\n".join(message_row(*row) for row in interfaces(tree)))
        return 0
    report = Report()
    for check in CHECKS:
        check(tree, report)
    for line in report.warnings:
        print(f"warning: {line}")
    for line in report.errors:
        print(f"error: {line}")
    print(f"{len(tree.files)} files, {len(report.errors)} errors, {len(report.warnings)} warnings")
    return 1 if report.errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
