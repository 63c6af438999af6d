#!/usr/bin/env python3
"""Shows that every rule of tools/tidy.py can fail: a small clean tree, and one breach at a time."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TIDY = pathlib.Path(__file__).resolve().parents[2] / "tools/tidy.py"

QUEUE = """#pragma once
#include <caf/all.hpp>
#include "core/id.hpp"
struct submit {};
struct accepted {};
using queue = caf::typed_actor<
    // A promise.
    caf::replies_to<submit>::with<accepted>,
    caf::replies_to<render>::with<std::vector<int>>,
    caf::reacts_to<tick>>;
"""
ARCHITECTURE = """# Architecture
## Code map
- `src/` the sources
- `src/core/` values
- `src/actors/` actors
- `src/actors/cast` the cast
- `src/actors/queue` waits
- `src/net/` the wire
- `tests/` tests
## Messages
| actor | message | answer |
|---|---|---|
| `queue` | `submit` | `accepted` |
| `queue` | `render` | `std::vector<int>` |
| `queue` | `tick` | |
## Glossary
"""
CLEAN = {
    "ARCHITECTURE.md": ARCHITECTURE,
    "src/core/id.hpp": "#pragma once\n#include <cstdint>\n",
    "src/actors/cast.hpp": "".join(f"  TROUPE_HOUSE_MESSAGE({name})\n" for name in
                                   ("submit", "accepted", "render", "tick")),
    "src/actors/queue.hpp": QUEUE,
    "src/net/listener.cpp": "#include <boost/asio.hpp>\n#include \"actors/queue.hpp\"\n",
    "src/main.cpp": "#include \"net/listener.hpp\"\n",
    "tests/core/id_test.cpp": "#include \"core/id.hpp\"\n",
    "tests/actors/queue_test.cpp": "",
    "tests/net/listener_test.cpp": "",
}
LONG_FUNCTION = ("namespace a {\nint f(int x = 1, s y = {}) const {\n" + "  g();\n" * 80 + "}\n"
                 "}\n")


def run_tidy(changes):
    """Writes the clean tree with `changes` laid over it; returns (exit status, output)."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in {**CLEAN, **changes}.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, TIDY, root], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


class TidyTest(unittest.TestCase):
    def assert_error(self, changes, expected):
        status, output = run_tidy(changes)
        self.assertIn("error: " + expected, output)
        self.assertEqual(status, 1, output)
        self.assertIn(" 1 errors", output)

    def assert_warning(self, changes, expected):
        status, output = run_tidy(changes)
        self.assertIn("warning: " + expected, output)
        self.assertEqual(status, 0, output)

    def test_clean_tree_passes(self):
        status, output = run_tidy({})
        self.assertEqual(status, 0, output)
        self.assertIn("0 errors, 0 warnings", output)

    def test_folders_point_down(self):
        self.assert_error({"src/core/id.hpp": '#include "actors/queue.hpp"\n'},
                          "src/core/id.hpp:1: core/ may not include actors/queue.hpp")

    def test_actors_know_the_runner_and_no_more_of_the_model(self):
        source = '#include "model/runner.hpp"\n#include "model/weights.hpp"\n'
        self.assert_error({"src/actors/queue.cpp": source},
                          "src/actors/queue.cpp:2: actors/ may not include model/weights.hpp")

    def test_core_is_standard_library_only(self):
        self.assert_error({"src/core/id.hpp": "#include <sys/mman.h>\n"},
                          "src/core/id.hpp:1: core/ includes the standard library only")

    def test_libraries_have_homes(self):
        for header, folder in (("caf/all.hpp", "text"), ("boost/asio.hpp", "text"),
                               ("boost/json.hpp", "actors"), ("simdjson.h", "net"),
                               ("hwy/highway.h", "model"), ("cuda_runtime.h", "cpu"),
                               ("nccl.h", "net"), ("pcre2.h", "net"), ("CLI/CLI.hpp", "net")):
            with self.subTest(header=header, folder=folder):
                status, output = run_tidy({f"src/{folder}/other.cpp": f"#include <{header}>\n"})
                self.assertIn(f"error: src/{folder}/other.cpp:1: {header} may be included", output)
                self.assertEqual(status, 1)

    def test_text_may_write_json_with_boost(self):
        _, output = run_tidy({"src/text/json.cpp": "#include <boost/json.hpp>\n"})
        self.assertNotIn("boost/json.hpp", output)

    def test_folders_are_planned(self):
        _, output = run_tidy({"src/misc/all.cpp": ""})
        self.assertIn("error: src/misc/all.cpp: misc/ is not in the plan of folders", output)

    def test_no_locks_in_actors(self):
        for line in ("std::mutex m_;", "std::lock_guard guard{m_};", "std::scoped_lock l{m_};",
                     "std::condition_variable c_;", "#include <mutex>"):
            with self.subTest(line=line):
                self.assert_error({"src/actors/queue.hpp": QUEUE + line + "\n"},
                                  "src/actors/queue.hpp:11: no locks in actors/")

    def test_comments_about_locks_are_fine(self):
        status, output = run_tidy({"src/actors/queue.hpp": QUEUE + "// no std::mutex here\n"})
        self.assertEqual(status, 0, output)

    def test_no_open_work(self):
        for word in ("TO" "DO", "FIX" "ME", "XX" "X"):
            with self.subTest(word=word):
                self.assert_error({"src/core/id.hpp": f"// {word}: later\n"},
                                  "src/core/id.hpp:1: open work is no part of the source")

    def test_no_machine_paths(self):
        for folder in ("home", "work", "root", "Users"):
            with self.subTest(folder=folder):
                self.assert_error({"README.md": f"look in /{folder}/me/data\n"},
                                  "README.md:1: a path of one machine")

    def test_files_have_500_lines_at_most(self):
        self.assert_error({"src/core/id.hpp": "\n" * 501},
                          "src/core/id.hpp: 501 lines, the limit is 500")

    def test_texts_to_train_on_may_be_longer(self):
        _, output = run_tidy({"tools/model/corpus/tales.py": "\n" * 501})
        self.assertNotIn("tales.py", output)

    def test_lines_have_100_columns_at_most(self):
        self.assert_error({"src/core/id.hpp": "x" * 101 + "\n"},
                          "src/core/id.hpp:1: 101 columns, the limit is 100")

    def test_long_functions_are_warned_about(self):
        self.assert_warning({"src/core/id.cpp": LONG_FUNCTION},
                            "src/core/id.cpp:2: a function of 82 lines")

    def test_long_scopes_are_no_functions(self):
        _, output = run_tidy({"src/core/id.cpp": LONG_FUNCTION.replace(
            "int f(int x = 1, s y = {}) const {", "struct f {")})
        self.assertNotIn("a function of", output)

    def test_long_actor_headers_are_warned_about(self):
        self.assert_warning({"src/actors/queue.hpp": QUEUE + "\n" * 100},
                            "src/actors/queue.hpp: 110 lines")

    def test_test_folders_mirror_src(self):
        self.assert_error({"tests/other/a_test.cpp": ""}, "tests/other/: mirrors no folder of src/")

    def test_rooms_without_tests_are_warned_about(self):
        changed = ARCHITECTURE.replace("- `src/net/`", "- `src/cli/` commands\n- `src/net/`")
        self.assert_warning({"src/cli/serve.cpp": "", "ARCHITECTURE.md": changed},
                            "src/cli/: has no folder in tests/")

    def test_messages_stand_in_the_cast(self):
        cast = CLEAN["src/actors/cast.hpp"].replace("  TROUPE_HOUSE_MESSAGE(tick)\n", "")
        self.assert_error({"src/actors/cast.hpp": cast},
                          "src/actors/cast.hpp: tick (queue) has no line in the cast list")

    def test_message_table_lacks_nothing(self):
        changed = ARCHITECTURE.replace("| `queue` | `tick` | |\n", "")
        self.assert_error({"ARCHITECTURE.md": changed},
                          "ARCHITECTURE.md: the message table lacks: | `queue` | `tick` | |")

    def test_message_table_invents_nothing(self):
        changed = ARCHITECTURE.replace("## Glossary", "| `queue` | `nod` | |\n## Glossary")
        self.assert_error({"ARCHITECTURE.md": changed},
                          "ARCHITECTURE.md: the message table has what src/actors has not")

    def test_code_map_lacks_no_folder(self):
        changed = ARCHITECTURE.replace("- `src/net/` the wire\n", "")
        self.assert_error({"ARCHITECTURE.md": changed},
                          "ARCHITECTURE.md: the code map lacks src/net/")

    def test_code_map_lacks_no_actor(self):
        changed = ARCHITECTURE.replace("- `src/actors/queue` waits\n", "")
        self.assert_error({"ARCHITECTURE.md": changed},
                          "ARCHITECTURE.md: the code map lacks src/actors/queue")

    def test_documents_name_no_missing_file(self):
        self.assert_error({"README.md": "\n`src/core/ghost.hpp`\n"},
                          "README.md:2: names src/core/ghost.hpp, which does not exist")

    def test_code_map_invents_nothing(self):
        changed = ARCHITECTURE.replace("- `tests/`", "- `src/actors/ghost` x\n- `tests/`")
        self.assert_error({"ARCHITECTURE.md": changed},
                          "ARCHITECTURE.md:9: names src/actors/ghost, which does not exist")


if __name__ == "__main__":
    unittest.main()
