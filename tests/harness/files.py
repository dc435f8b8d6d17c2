# SPDX-License-Identifier: Apache-2.0
"""The project's own files, and of which language they are."""
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]


def project_files():
    """What git tracks or would track; of an exported tree, all but build directories."""
    done = subprocess.run(["git", "-C", TOP, "ls-files", "-z", "--cached", "--others",
                           "--exclude-standard"], capture_output=True, check=False)
    if done.returncode == 0:
        names = [name for name in done.stdout.decode().split("\0") if name]
    else:
        names = [str(path.relative_to(TOP)) for path in TOP.rglob("*")
                 if not path.relative_to(TOP).parts[0].startswith(("build", ".git", ".cache"))]
    return sorted(name for name in names if (TOP / name).is_file())


def kind(name):
    """'c', 'python', 'shell', 'meson' or '': by suffix, else by the first line."""
    suffix = pathlib.PurePath(name).suffix
    if suffix in (".c", ".h"):
        return "c"
    if suffix == ".py":
        return "python"
    if suffix == ".sh":
        return "shell"
    if name.endswith("meson.build"):
        return "meson"
    if suffix:
        return ""
    with open(TOP / name, "rb") as file:
        first = file.readline(80)
    if first.startswith(b"#!"):
        return "python" if b"python" in first else "shell" if b"sh" in first else ""
    return ""
