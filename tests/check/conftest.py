# SPDX-License-Identifier: Apache-2.0
"""The project's own files, one parameter each."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness.files import kind, project_files  # noqa: E402

FILES = project_files()
KINDS = {name: kind(name) for name in FILES}


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("files")
    if marker:
        metafunc.parametrize("name", [name for name in FILES if KINDS[name] in marker.args])


def pytest_configure(config):
    config.addinivalue_line("markers", "files(kind, …): runs once a file of these kinds")
