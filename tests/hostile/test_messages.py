# SPDX-License-Identifier: Apache-2.0
"""Messages and connections of one user take neither the others' time nor the daemon's memory."""
from hostile import messages


def test_messages_of_many_values(attacked):
    answers = attacked(messages.of_many_values)["answers"]
    assert len(answers) == len(messages.SMALL)
    assert not [answer for answer in answers if '"cvm"' in answer]


def test_messages_of_secrets(attacked):
    said = attacked(messages.of_secrets)
    assert said["sent"] > 0 and said["bytes"] > 10 << 20


def test_half_messages(attacked):
    said = attacked(messages.left_half)
    assert said["connected"] >= 100 and said["refused"] >= 100, said


def test_connections_that_come_and_go(attacked):
    assert attacked(messages.come_and_go)["count"] > 50


def test_answers_that_nobody_reads(attacked):
    assert attacked(messages.unread)["sent"] > 1 << 20


def test_watchers_that_do_not_read(attacked):
    said = attacked(messages.unread_events)
    assert said["watchers"] == 200 and said["floods"] > 0, said


def test_a_byte_of_each_method_is_changed(attacked):
    """What is no message ends the connection, any other is answered, and no name is made up."""
    outcomes = attacked(messages.of_mutations)["outcomes"]
    assert set(outcomes) == set(messages.METHODS)
    for method, seen in outcomes.items():
        assert sum(seen.values()) == messages.MUTATIONS
        assert seen.get("closed") and len(seen) > 2, (method, seen)
    names = {name for seen in outcomes.values() for name in seen} - {"", "closed", "waits"}
    known = messages.declared_errors()
    assert names <= known and {"InvalidSpec", "org.varlink.service.MethodNotFound"} <= names, names
