# SPDX-License-Identifier: Apache-2.0
"""Another system's root, as tests use it."""
import contextlib
import pathlib
import subprocess
import tempfile


@contextlib.contextmanager
def bound(root, *others):
    """The root seen from a place of its own, with others of this machine's directories in it. Any
    user may look there and into the directory that it is in, where its tests may put files."""
    mounted = []
    with tempfile.TemporaryDirectory(prefix="root-", dir="/tmp") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        place = directory / "root"
        place.mkdir()
        try:
            for source, target in ((root, place), *((path, place / path[1:]) for path in others)):
                subprocess.run(["mount", "--bind", source, target], check=True)
                mounted.append(target)
            yield place
        finally:
            for target in reversed(mounted):
                subprocess.run(["umount", "-l", target], check=True)
