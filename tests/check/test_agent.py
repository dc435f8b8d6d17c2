# SPDX-License-Identifier: Apache-2.0
"""The guest's agent compiles with what it has of src/base, which changes for other reasons."""
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]


def test_the_agent_links(monkeypatch):
    monkeypatch.syspath_prepend(str(TOP / "hal"))
    from lib import agent  # pylint: disable=import-outside-toplevel

    assert agent.compile_agent(TOP / "hal").startswith(b"\x7fELF")
