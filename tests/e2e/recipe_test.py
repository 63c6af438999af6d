"""The commands of docs/structured-output.md do what it says: each is run against the real server,
and what it answers has the members that the document shows."""
import json
import re
import shutil
import subprocess
import sys

from node_packages import MODULES, SKIPPED, install
from troupe_server import PATIENCE, ROOT, Server

DOCUMENT = ROOT / "docs" / "structured-output.md"
ADDRESS = "http://127.0.0.1:8080"


def blocks():
    """(language, text) of each fenced block, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)


def check_shape(shown, found, path="answer"):
    """What is shown is there, and of the same type; texts that are JSON are looked into."""
    if isinstance(shown, dict):
        assert isinstance(found, dict), (path, found)
        for name, value in shown.items():
            assert name in found, (path, name, found)
            check_shape(value, found[name], f"{path}.{name}")
    elif isinstance(shown, list):
        assert isinstance(found, list) and (found or not shown), (path, found)
        for value in found:
            check_shape(shown[0], value, path)
    elif isinstance(shown, str) and shown.startswith("{"):
        check_shape(json.loads(shown), json.loads(found), path)
    else:
        assert isinstance(found, type(shown)), (path, shown, found)


def run_shell(text, server):
    here = text.replace(ADDRESS, f"http://127.0.0.1:{server.port}")
    assert here != text, text
    ran = subprocess.run(["bash", "-c", here], capture_output=True, text=True, check=True,
                         timeout=60 * PATIENCE)
    return json.loads(ran.stdout)


def run_node(text, server):
    """The output of a module that imports OpenAI's client; None without its packages."""
    if install():
        return None
    script = MODULES / "recipe.mjs"
    script.write_text(text.replace(ADDRESS, f"http://127.0.0.1:{server.port}"))
    ran = subprocess.run(["node", script], capture_output=True, text=True, check=False,
                         timeout=60 * PATIENCE)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def content_of(answer):
    """What the document shows of an answer: all of it, or what a chat's message says."""
    if "choices" not in answer or "message" not in answer["choices"][0]:
        return answer
    message = answer["choices"][0]["message"]
    return json.loads(message["content"]) if message["content"] else message


def main():
    if not shutil.which("curl"):
        print("skipped: there is no curl")
        return SKIPPED
    num_commands = num_shown = 0
    with Server() as server:
        answer = None
        for language, text in blocks():
            if language == "sh":
                answer = run_shell(text, server)
                assert "error" not in answer or "(?=x)" in text, answer
                num_commands += 1
            elif language == "json":
                check_shape(json.loads(text), content_of(answer))
                num_shown += 1
            elif language == "js":
                made = run_node(text, server)
                if made is None:
                    print("without OpenAI's client: there is no npm")
                    continue
                assert {"sentiment", "aspects"} <= set(made), made
                num_commands += 1
    assert num_commands >= 7 and num_shown >= 4, (num_commands, num_shown)
    print(f"{num_commands} commands, {num_shown} answers as shown")
    return 0


if __name__ == "__main__":
    sys.exit(main())
