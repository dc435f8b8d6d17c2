# SPDX-License-Identifier: Apache-2.0
"""Descriptors and files that do not answer are only their own user's business."""
import pytest

from harness.deaf import FLUSH, GETATTR, LOOKUP, OPEN, READ, STATFS
from hostile import descriptors

DEAF = [{LOOKUP: 0}, {GETATTR: 1}, {OPEN: 0}, {READ: 0}, {STATFS: 0}, {FLUSH: 0}, {FLUSH: 1}]
TAKEN = {"memory as disks"}  # a file like others, of its user's own memory


def test_no_close_in_a_beginning(attacked):
    assert attacked(descriptors.with_beginnings)["sent"] == 8


def test_no_close_with_calls(attacked):
    assert attacked(descriptors.with_calls)["sent"] > 64


def test_no_close_as_artifacts(attacked):
    said = attacked(descriptors.as_artifacts)["answers"]
    assert len(said) == 6 and "" not in said.values(), said


def test_no_close_in_sockets(attacked):
    assert attacked(descriptors.in_sockets)["sent"] == 32


@pytest.mark.parametrize("field", ["kernel", "certs", "disks", "shares"])
def test_no_answer_by_path(attacked, field):
    """Whatever its server does not answer: a file system for each kind of request."""
    paths = [attacked.mounted(silent) for silent in DEAF]
    assert attacked(descriptors.by_path, paths, field, 40)["waiting"] > 0


def test_sockets_that_linger(attacked):
    assert attacked(descriptors.lingering)["sent"] > 0


def test_descriptors_of_odd_kinds(attacked):
    said = attacked(descriptors.of_odd_kinds)["answers"]
    assert len(said) == 33 and {name for name, error in said.items() if not error} <= TAKEN, said


def test_many_with_half_messages(attacked):
    assert attacked(descriptors.sent_at_once)["refused"] > 0
