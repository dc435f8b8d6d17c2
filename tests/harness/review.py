# SPDX-License-Identifier: Apache-2.0
"""What a launch refuses, a render lists: of the same spec, in the same words."""
import pytest

from harness.varlink import VarlinkError


def reason(refusal):
    """The words that tell this refusal from others of its kind."""
    fields = refusal.fields
    if refusal.name in ("InvalidSpec", "ArtifactInvalid"):
        return fields["reason"]
    if refusal.name == "HostNotReady":
        return fields["found"]
    return fields.get("resource") or fields["name"]


def refused_and_listed(daemon, spec, error, check, word=None):
    """The launch's error; render lists it as a check of that name, and holds nothing."""
    before = daemon.cvms()
    listed = {item["name"]: item for item in daemon.call("Render", spec=spec)["missing"]}
    with pytest.raises(VarlinkError) as refusal:
        daemon.call("Launch", spec=spec)
    assert refusal.value.name == error, refusal.value
    assert check in listed, listed
    assert not listed[check]["passed"] and listed[check]["needed"]
    said = reason(refusal.value)
    assert said in listed[check]["found"] or said == check, (said, listed[check])
    assert word is None or word in listed[check]["found"], listed[check]
    assert [cvm["name"] for cvm in daemon.cvms()] == [cvm["name"] for cvm in before]
    return refusal.value


def assert_launches(daemon, spec):
    """A render that lists nothing is of a launch that is not refused."""
    assert daemon.call("Render", spec=spec)["missing"] == []
    daemon.call("Launch", spec=spec)
    daemon.discard(spec["name"])
