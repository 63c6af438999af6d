#!/usr/bin/env python3
"""Writes files as C++ string literals: embed.py OUTPUT ROOT FILE...

The program then carries its web pages with it. Each FILE below ROOT becomes an entry
{path, etag, bytes}; the path is the one that a browser asks for.
"""
import hashlib
import pathlib
import sys

CHUNK = 4000  # compilers limit the length of one literal


def literal(text):
    """The text as adjacent raw string literals."""
    pieces = [text[i:i + CHUNK] for i in range(0, len(text), CHUNK)] or [""]
    return "\n".join(f'R"_embedded_({piece})_embedded_"' for piece in pieces)


def url_path(name):
    """index.html is /, dashboard/index.html is /dashboard, everything else is what it is."""
    return "/" + (name.removesuffix("index.html").rstrip("/") if name.endswith("index.html")
                  else name)


def entry(root, file):
    text = file.read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = url_path(file.relative_to(root).as_posix())
    return f'    {{"{path}", "\\"{digest}\\"",\n{literal(text)}}},\n'


def main(output, root, *files):
    root = pathlib.Path(root).resolve()
    entries = "".join(entry(root, pathlib.Path(f).resolve()) for f in files)
    pathlib.Path(output).write_text(
        '#include "net/web_files.hpp"\n\n'
        "namespace troupe {\nnamespace {\n\n"
        f"constexpr web_file files[] = {{\n{entries}}};\n\n"
        "}  // namespace\n\n"
        "std::span<const web_file> web_files() { return files; }\n\n"
        "}  // namespace troupe\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
