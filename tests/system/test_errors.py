# SPDX-License-Identifier: Apache-2.0
"""What an error says of the CVM that it concerns: its name and id, whatever went wrong and when,
and nothing that the caller may not know. InvalidParameter says what a parameter must be."""
import re

import pytest

from harness.daemon import TOP
from harness.varlink import VarlinkError

INTERFACE = (TOP / "src/wire/io.cvmd.Manager.varlink").read_text()
NOBODY = "01234567-89ab-4def-8123-456789abcdef"


def error_of(call):
    with pytest.raises(VarlinkError) as refusal:
        call()
    return refusal.value


def about(error):
    return {member: error.fields[member] for member in ("name", "id") if member in error.fields}


def declared():
    """Each error of the interface, and its fields: name to type."""
    return {name: dict(re.findall(r"(\w+): ([^\s,)]+)", fields)) for name, fields in re.findall(
        r"^error (\w+) \((.*?)\)$", INTERFACE, re.MULTILINE | re.DOTALL)}


def check(error):
    """The error is one that the interface has, with just the fields that it has."""
    fields = declared()[error.name]
    assert set(error.fields) <= set(fields)
    assert {name for name, kind in fields.items() if kind[0] != "?"} <= set(error.fields)


def test_every_error_can_name_its_cvm():
    errors = declared()
    assert len(errors) == len(re.findall(r"^error ", INTERFACE, re.MULTILINE)) > 12
    assert [name for name, fields in errors.items() if not {"name", "id"} <= set(fields)] == [
        "EventsLost"]


@pytest.mark.parametrize("method, parameters, name", [
    ("Resume", {}, "WrongState"), ("Remove", {}, "WrongState"),
    ("Logs", {"svsm": True}, "InvalidSpec"), ("Wait", {"timeoutSec": 1}, "Timeout"),
])
def test_a_call_about_a_cvm(cvmd, method, parameters, name):
    """By whichever the caller names it: at once, and from a callback."""
    cvm = cvmd.launch("web")
    of_it = {"name": "web", "id": cvm["id"]}
    for given in ({"name": "web"}, {"id": cvm["id"]}):
        error = error_of(lambda asked=given: cvmd.call(method, **asked, **parameters))
        assert (error.name, about(error)) == (name, of_it)
        check(error)


def test_calls_of_one_connection_are_not_mixed_up(cvmd):
    ids = {name: cvmd.launch(name)["id"] for name in ("a", "b")}
    with cvmd.client() as client:
        for name in ("a", "nobody", "b", "a"):
            client.send("Resume", {"name": name})
        found = [about(error_of(client.receive)) for _ in range(4)]
        client.send("List", {"state": "odd"})
        assert error_of(client.receive).bad_parameter() == "state"
    assert found == [{"name": "a", "id": ids["a"]}, {"name": "nobody"},
                     {"name": "b", "id": ids["b"]}, {"name": "a", "id": ids["a"]}]


@pytest.mark.parametrize("fields, name", [
    ({"cpus": 0}, "InvalidSpec"), ({"colour": "red"}, "InvalidSpec"),
    ({"confidential": True}, "NotConfidential"), ({"memory": "8000G"}, "NoResources"),
])
def test_a_launch_that_is_refused_before_there_is_a_cvm(cvmd, fields, name):
    error = error_of(lambda: cvmd.launch("web", **fields))
    assert (error.name, about(error)) == (name, {"name": "web"})
    check(error)


@pytest.mark.parametrize("given", [None, NOBODY])
@pytest.mark.parametrize("fields, name, stage", [
    ({"kernel": {"path": "/nothing"}}, "InvalidSpec", None),
    ({"cmdline": "fake.exit=1"}, "LaunchFailed", "starting"),
    ({"cmdline": "fake.no-ready", "timeouts": {"readySec": 1}}, "Timeout", "ready"),
])
def test_a_launch_that_fails_later(cvmd, fields, name, stage, given):
    """The CVM is gone by then; its events and log lines are found by the same id."""
    spec = cvmd.spec("web", **fields)
    more = {"id": given} if given else {}
    error = error_of(lambda: cvmd.call("Launch", spec=spec, wait="ready", **more))
    assert (error.name, error.fields.get("stage")) == (name, stage), error
    check(error)
    assert error.fields["name"] == "web"
    assert error.fields["id"] == (given or error.fields["id"])
    with cvmd.client() as client:
        client.send("Watch", {"fromSequence": 0, "id": error.fields["id"]}, more=True)
        assert client.receive(more=True)[0]["event"]["name"] == "web"


def test_a_name_that_is_not_one_is_not_repeated(cvmd):
    for name in ("../x", "a" * 300, 7, None):
        spec = {**cvmd.spec("web"), "name": name}
        error = error_of(lambda given=spec: cvmd.call("Launch", spec=given))
        assert error.name == "InvalidSpec" and about(error) == {}


@pytest.mark.parametrize("method, parameters, parameter, reason", [
    ("List", {"owner": -1}, "owner", "from 0 to"), ("List", {"id": "x"}, "id", "UUID"),
    ("List", {"labels": {"a": 1}}, "labels", "object of strings"),
    ("List", {"color": 1}, "color", "unknown"),
    ("Status", {}, "name", "missing"), ("Status", {"id": "X"}, "id", "UUID"),
    ("Stop", {"name": "x", "force": 1}, "force", "true or false"),
    ("Stop", {"name": "x", "timeoutSec": 0}, "timeoutSec", "from 1 to 86400"),
    ("Wait", {"name": "x", "for": "odd"}, "for", "running, ready or stopped"),
    ("Launch", {"spec": {}, "wait": "odd"}, "wait", "running or ready"),
    ("Launch", {"spec": {}, "wait": "ready", "paused": True}, "wait", "paused"),
    ("Launch", {"spec": {}, "id": "1"}, "id", "UUID"),
    ("DescribeHost", {"platform": "vax"}, "platform", "vax"),
])
def test_reason_of_a_bad_parameter(shared, method, parameters, parameter, reason):
    error = error_of(lambda: shared.call(method, **parameters))
    assert error.bad_parameter() == parameter and reason in error.fields["reason"]


def test_cvmctl_says_the_reason(shared):
    done = shared.cvmctl("launch", "web", "--id", "1", check=False)
    assert done.returncode == 64 and "must be a UUID" in done.stderr
