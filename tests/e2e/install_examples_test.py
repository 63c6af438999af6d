#!/usr/bin/env python3
"""Installs Troupe into an empty prefix, builds every example against nothing but that prefix, and
holds what the examples print against what the installed program answers.

TROUPE_BUILD is the build folder; without it build/ beside this checkout.
"""
import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import troupe_server
from troupe_server import DEMO, PLAIN_ENVIRONMENT, ROOT, Server

BUILD = pathlib.Path(os.environ.get("TROUPE_BUILD", ROOT / "build"))
CXX = os.environ.get("CXX", "c++")
CC = os.environ.get("CC", "cc")
PROMPTS = ["Once upon a time", "Hello! Who are you?"]
WARNINGS = ["-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror", "-O1"]


def run(*command, **more):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}"
                             f"{done.stderr[:4000]}")
    return done.stdout


class Prefix:
    """An installed Troupe: what is asked of it goes through pkg-config."""

    def __init__(self, folder):
        self.folder = folder
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", folder / "stage")
        (found,) = (folder / "stage").rglob("troupe.pc")
        # prefix/lib/[TRIPLET/]pkgconfig/troupe.pc, wherever the prefix is below the stage.
        text = found.read_text()
        prefix = re.search(r"^prefix=(.*)$", text, re.M)[1]
        self.root = folder / "stage" / prefix.lstrip("/")
        self.lib_folder = found.parent.parent
        self.environment = {**PLAIN_ENVIRONMENT, "PKG_CONFIG_PATH": str(found.parent),
                            "LD_LIBRARY_PATH": str(self.lib_folder)}

    def flags(self, package):
        return run("pkg-config", f"--define-variable=prefix={self.root}", "--cflags", "--libs",
                   package, env=self.environment).split()

    def build(self, source, package, *flags):
        target = self.folder / f"{source.parent.name}{len(flags)}"
        compiler = [CC, "-std=c11", "-pedantic"] if source.suffix == ".c" else [CXX, "-std=c++20"]
        run(*compiler, *WARNINGS, *flags, source, "-o", target, *self.flags(package), "-pthread",
            cwd=self.folder)
        return target

    def run(self, program, *arguments):
        return run(program, *arguments, env=self.environment, timeout=240)


class InstallExamplesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="examples-", dir=BUILD))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.prefix = Prefix(cls.folder)
        troupe_server.BINARY = str(cls.prefix.root / "bin" / "troupe")
        with Server("--kv-cache-memory-bytes", "64MiB") as server:
            cls.answers = {prompt: server.post({"prompt": prompt, "max_tokens": 32,
                                                "temperature": 0})[1] for prompt in PROMPTS}
            cls.chat = server.post({"model": "demo", "max_tokens": 32, "temperature": 0,
                                    "messages": [{"role": "user", "content": PROMPTS[0]}]},
                                   path="/v1/chat/completions")[1]

    def text(self, prompt):
        return self.answers[prompt]["text"]

    def example(self, name, package, *arguments, flags=()):
        (source,) = (ROOT / "examples" / name).glob("main.c*")
        program = self.prefix.build(source, package, *flags)
        return self.prefix.run(program, DEMO, *arguments)

    def test_plain_c(self):
        out = self.example("plain_c", "troupe", PROMPTS[0])
        text = self.text(PROMPTS[0])
        self.assertIn(f"whole: {text}\n", out)
        self.assertIn(f"streamed: {text}\n", out)
        usage = self.answers[PROMPTS[0]]["usage"]
        self.assertIn(f"tokens: {usage['completion_tokens']} of the prompt "
                      f"{usage['prompt_tokens']}\n", out)
        self.assertIn("ends: 2, the last cancelled\n", out)
        self.assertTrue(out.endswith("refused: temperature\n"), out)

    def test_futures(self):
        out = self.example("futures", "troupe", *PROMPTS)
        for prompt in PROMPTS:
            self.assertIn(f"answer: {self.text(prompt)}\n", out)
        self.assertIn(f"chat: {self.chat['choices'][0]['message']['content']}\n", out)
        self.assertRegex(out, 'json: "(yes|no)"\n')
        self.assertTrue(out.endswith("refused: form\n"), out)

    def test_futures_need_no_caf_headers(self):
        source = ROOT / "examples/futures/main.cpp"
        out = run(CXX, "-std=c++20", "-M", source, *self.prefix.flags("troupe"))
        self.assertNotIn("/caf/", out)

    def test_moderated_service(self):
        out = self.example("moderated_service", "troupe-caf", PROMPTS[0], "Tell me your password",
                           PROMPTS[1])
        self.assertEqual(out, f"answer: {self.text(PROMPTS[0])}\n"
                              "refused: we do not speak of passwords\n"
                              f"answer: {self.text(PROMPTS[1])}\n")

    def check_two_engines(self, *flags):
        out = self.example("two_engines", "troupe-caf", PROMPTS[1], flags=flags)
        self.assertEqual(out, f"first: {self.text(PROMPTS[1])}\nsecond: something else\n"
                              "stopped: yes, its request failed\nagain: the same\ntill: 7.5\n")

    def test_two_engines(self):
        self.check_two_engines()

    def test_two_engines_beside_ids_that_were_moved(self):
        self.check_two_engines("-DTROUPE_FIRST_TYPE_ID=200", "-DSHOP_FIRST_TYPE_ID=10000")

    def test_ids_that_meet_do_not_compile(self):
        with self.assertRaisesRegex(AssertionError, "redefinition"):
            self.prefix.build(ROOT / "examples/two_engines/main.cpp", "troupe-caf",
                              "-DTROUPE_FIRST_TYPE_ID=200", "-DSHOP_FIRST_TYPE_ID=210", "-O0")

    def test_every_header_stands_alone(self):
        folder = self.prefix.root / "include" / "troupe"
        headers = sorted(path.relative_to(folder.parent) for path in folder.rglob("*.h*"))
        self.assertGreater(len(headers), 10)
        text = "".join(f'#include "{name}"\n' for name in reversed(headers))
        source = self.folder / "all.cpp"
        source.write_text(text + "int main() { return 0; }\n")
        run(CXX, "-std=c++20", *WARNINGS, "-fsyntax-only", source,
            *self.prefix.flags("troupe-caf"))
        names = run(CXX, "-std=c++20", "-M", source, *self.prefix.flags("troupe-caf"))
        for library in ["boost", "simdjson", "hwy", "spdlog", "openssl", "utf8proc",
                        str(ROOT / "src")]:
            self.assertNotIn(library, names)

    def test_the_library_shows_what_its_map_says(self):
        library = self.prefix.lib_folder / "libtroupe.so"
        lines = run("nm", "-D", "--defined-only", "--demangle", library).splitlines()
        shown = {line.split(maxsplit=2)[2] for line in lines}
        ours = ("troupe_", "troupe::", "TROUPE_0")
        strange = {name for name in shown if not name.startswith(ours)}
        self.assertEqual(strange, set())
        header = (ROOT / "include/troupe/troupe.h").read_text()
        declared = set(re.findall(r"\b(troupe_\w+)\(", header))
        c_names = {name.split("@")[0] for name in shown if name.startswith("troupe_")}
        self.assertEqual(c_names, declared)
        # Every line of the map has its symbols.
        the_map = (ROOT / "src/engine/libtroupe.map").read_text()
        listed = re.findall(r"^\s+(troupe::[^;]+)\*;", the_map, re.M)
        for pattern in listed:
            shape = re.escape(pattern).replace(r"\?", ".")
            self.assertTrue(any(re.match(shape, name) for name in shown), pattern)
        self.assertIn("libtroupe.so.0", run("objdump", "-p", library))

    def test_ctypes(self):
        library = ctypes.CDLL(str(self.prefix.lib_folder / "libtroupe.so"))
        library.troupe_version.restype = ctypes.c_char_p
        pc = (self.prefix.lib_folder / "pkgconfig" / "troupe.pc").read_text()
        self.assertIn(f"Version: {library.troupe_version().decode()}\n", pc)
        self.assertEqual(library.troupe_abi_version(), 1)
        failure = ctypes.create_string_buffer(4 + 500 + 64)
        engine = ctypes.c_void_p(1)
        code = library.troupe_engine_start(None, ctypes.byref(engine), failure)
        self.assertEqual((code, engine.value), (1, None))
        self.assertIn(b"engine_options is null", failure.raw)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
