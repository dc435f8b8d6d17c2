# SPDX-License-Identifier: Apache-2.0
"""Guests that flood, lie or look around are no other's business than their owner's."""
import re
import shutil
import socket

import pytest

from hostile import guests

MARKS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_floods(attacked):
    answers = attacked(guests.of_floods)["answers"]
    assert len(answers) == 2 * len(guests.FLOODS) and answers.count("") >= 6, answers


def test_consoles_that_nobody_reads(attacked):
    assert attacked(guests.of_consoles)["clients"] == 100


def test_marks_in_text(attacked):
    shown = attacked(guests.of_marks)["shown"]
    assert len(shown) == 3 and all("line 1" in text for text in shown[1:]), shown
    assert not [text for text in shown if MARKS.search(text)], shown


def test_the_hosts_loopback(attacked, scene):
    """Whatever listens on 127.0.0.1 here, another CVM's forward among it."""
    if not shutil.which("nft", path="/usr/sbin:/usr/bin"):
        pytest.skip("no nft here (package nftables)")
    cvm, other = (scene.daemon.launch(name, wait="ready") for name in ("web", "other"))
    uid, forward = cvm["uid"], other["forwards"][0]["hostPort"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for open_one in (port, forward):
            socket.create_connection(("127.0.0.1", open_one)).close()
        said = attacked(guests.of_a_guest, [port, forward] * 3, uid=uid)
    assert said["reached"] == []
