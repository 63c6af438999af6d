#!/usr/bin/env python3
"""Installs the headers that a host includes: those of include/troupe/ and, below the name of their
folder, those of src/ that they reach. The source is the only copy; includes become
"troupe/FOLDER/...", so that no header of the host's own is found instead.

install_headers.py ROOT INCLUDEDIR    INCLUDEDIR gets troupe/; meson's DESTDIR goes before it
"""
import os
import pathlib
import re
import sys

INCLUDE = re.compile(r'^(\s*#\s*include\s*)(["<])([^">]+)[">]', re.M)
# What a host needs anyway: the standard library, and CAF where it has actors.
ALLOWED = re.compile(r"caf/[\w/]+\.hpp|[a-z_0-9]+|std(def|int)\.h")


def source_of(root, target):
    """The header that "target" names in the sources."""
    folder = "include" if target.startswith("troupe/") else "src"
    return root / folder / target


def installed_name(target):
    return target if target.startswith("troupe/") else "troupe/" + target


def reach(root, target, found):
    """Adds target and all that it includes to found: {name: text as it is installed}."""
    if installed_name(target) in found:
        return
    text = source_of(root, target).read_text(encoding="utf-8")
    found[installed_name(target)] = INCLUDE.sub(rename, text)
    for _, mark, inner in INCLUDE.findall(text):
        if mark == '"':
            reach(root, inner, found)
        elif not ALLOWED.fullmatch(inner):
            raise SystemExit(f"{target} includes <{inner}>, which hosts need not have")


def rename(line):
    start, mark, target = line.groups()
    return f'{start}"{installed_name(target)}"' if mark == '"' else line[0]


def main(root, include_dir):
    root = pathlib.Path(root)
    found = {}
    for path in sorted((root / "include/troupe").glob("*.h*")):
        reach(root, f"troupe/{path.name}", found)
    # Within DESTDIR an absolute path is meant from there.
    folder = pathlib.Path(os.environ.get("MESON_INSTALL_DESTDIR_PREFIX", "."), include_dir)
    if os.environ.get("DESTDIR") and pathlib.Path(include_dir).is_absolute():
        folder = pathlib.Path(os.environ["DESTDIR"], include_dir.lstrip("/"))
    for name, text in found.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if not os.environ.get("MESON_INSTALL_QUIET"):
        print(f"Installing {len(found)} headers to {folder / 'troupe'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
