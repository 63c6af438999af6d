#!/usr/bin/env python3
"""Writes files as C++ string literals: embed.py OUTPUT FILE...

The program then carries its web page with it. Each FILE becomes an entry {name, bytes}.
"""
import pathlib
import sys

CHUNK = 4000  # compilers limit the length of one literal


def literal(text):
    """The text as adjacent raw string literals."""
    pieces = [text[i:i + CHUNK] for i in range(0, len(text), CHUNK)] or [""]
    return "\n".join(f'R"_embedded_({piece})_embedded_"' for piece in pieces)


def main(output, *files):
    entries = "".join(f'    {{"{pathlib.Path(f).name}",\n'
                      f'{literal(pathlib.Path(f).read_text())}}},\n'
                      for f in files)
    pathlib.Path(output).write_text(
        '#include "net/web_files.hpp"\n\n'
        "namespace troupe {\nnamespace {\n\n"
        f"constexpr web_file files[] = {{\n{entries}}};\n\n"
        "}  // namespace\n\n"
        "std::span<const web_file> web_files() { return files; }\n\n"
        "}  // namespace troupe\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
