# SPDX-License-Identifier: Apache-2.0
"""Memory: what the host has, less what it has promised."""
import pytest

from harness.varlink import VarlinkError

MIB = 1 << 20


def available():
    for line in open("/proc/meminfo", encoding="ascii"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    raise AssertionError("no MemAvailable")


def refused(cvmd, name, mebibytes):
    with pytest.raises(VarlinkError) as refusal:
        cvmd.launch(name, memory=f"{mebibytes}M")
    assert refusal.value.name == "NoResources"
    assert refusal.value.fields["resource"] == "memory"
    return refusal.value.fields


def test_two_that_do_not_fit_beside_each_other(cvmd):
    most = available() * 6 // 10
    cvmd.launch("first", memory=f"{most}M")
    fields = refused(cvmd, "second", most)
    assert fields["holders"] == ["first"]
    assert fields["wanted"] == most * MIB > fields["available"]
    # fake-qemu takes next to nothing: all of the promise is still owed
    assert fields["available"] < (available() - most // 2) * MIB
    assert [cvm["name"] for cvm in cvmd.cvms()] == ["first"]

    cvmd.launch("small", memory="64M")
    cvmd.call("Stop", name="first", force=True)
    cvmd.launch("second", memory=f"{most}M")


def test_a_promise_outlives_the_daemon(cvmd):
    most = available() * 6 // 10
    cvmd.launch("first", memory=f"{most}M")
    cvmd.kill()
    cvmd.start()
    assert refused(cvmd, "second", most)["holders"] == ["first"]
