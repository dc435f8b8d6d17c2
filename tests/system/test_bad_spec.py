# SPDX-License-Identifier: Apache-2.0
"""Every refusal of a spec is typed, names the field, and leaves nothing behind."""
import json

import pytest

from harness import exits, libvirt
from harness.varlink import ConnectionClosed, VarlinkError

DIGEST = "0" * 64
REFUSED = {
    # id: (fields of the spec, field that the error names)
    "unknown field": ({"colour": "red"}, "colour"),
    "unknown field within": ({"vsock": {"port": 1}}, "vsock.port"),
    "cpus of the wrong type": ({"cpus": "two"}, "cpus"),
    "cpus as a fraction": ({"cpus": 1.5}, "cpus"),
    "no cpus": ({"cpus": 0}, "cpus"),
    "negative cpus": ({"cpus": -1}, "cpus"),
    "too many cpus": ({"cpus": 513}, "cpus"),
    "memory as a fraction": ({"memory": 1.5}, "memory"),
    "memory without a unit that is known": ({"memory": "2X"}, "memory"),
    "memory too small": ({"memory": "63M"}, "memory"),
    "memory not in whole MiB": ({"memory": "67108865"}, "memory"),
    "memory beyond 64 bits": ({"memory": "99999999999T"}, "memory"),
    "negative memory": ({"memory": "-1G"}, "memory"),
    "no name": ({"name": None}, "name"),
    "empty name": ({"name": ""}, "name"),
    "name with a slash": ({"name": "a/b"}, "name"),
    "name of the directory above": ({"name": ".."}, "name"),
    "name through the directory above": ({"name": "a/../b"}, "name"),
    "name with two dots": ({"name": "a..b"}, "name"),
    "name with a newline": ({"name": "a\nb"}, "name"),
    "name of 300 bytes": ({"name": "n" * 300}, "name"),
    "name of 64 bytes": ({"name": "n" * 64}, "name"),
    "name that begins with a dash": ({"name": "-rf"}, "name"),
    "name that is not ASCII": ({"name": "é"}, "name"),
    "name of the wrong type": ({"name": ["web"]}, "name"),
    "platform with a path": ({"platform": "../../etc/passwd"}, "platform"),
    "platform that there is not": ({"platform": "sgx"}, "platform"),
    "driver that there is not": ({"driver": "xen"}, "driver"),
    "newline in an env value": ({"env": {"A": "x\nB=y"}}, "env.A"),
    "newline in an env name": ({"env": {"A\nB": "x"}}, "env.A\nB"),
    "space in an env name": ({"env": {"A B": "x"}}, "env.A B"),
    "equals sign in an env name": ({"env": {"A=B": "x"}}, "env.A=B"),
    "env name that begins with a digit": ({"env": {"1A": "x"}}, "env.1A"),
    "empty env name": ({"env": {"": "x"}}, None),
    "env value of the wrong type": ({"env": {"A": 1}}, "env.A"),
    "env of the wrong type": ({"env": ["A=1"]}, "env"),
    "more env than there may be": ({"env": {"A": "x" * (4 << 20)}}, "env"),
    "newline in the command line": ({"cmdline": "quiet\nroot=/dev/sda"}, "cmdline"),
    "command line too long": ({"cmdline": "x" * 2048}, "cmdline"),
    "two sources of a certificate": ({"certs": {"a": {"text": "", "path": "/a"}}}, "certs.a"),
    "no source of a certificate": ({"certs": {"a": {}}}, "certs.a"),
    "certificate above": ({"certs": {"../a": {"text": ""}}}, "certs.../a"),
    "certificate that is no base64": ({"certs": {"a": {"base64": "*"}}}, "certs.a.base64"),
    "certificate by a relative path": ({"certs": {"a": {"path": "a"}}}, "certs.a.path"),
    "certificate that is not there": ({"certs": {"a": {"path": "/none"}}}, "certs.a"),
    "certificate that is a directory": ({"certs": {"a": {"path": "/"}}}, "certs.a"),
    "certificate without an end": ({"certs": {"a": {"path": "/dev/zero"}}}, "certs.a"),
    "share without a source": ({"shares": [{"tag": "a"}]}, "shares[0]"),
    "share of a reserved tag": ({"shares": [{"tag": "env_share", "path": "/"}]}, "shares[0].tag"),
    "share with a comma in its tag": ({"shares": [{"tag": "a,b", "path": "/"}]}, "shares[0].tag"),
    "share of a long tag": ({"shares": [{"tag": "t" * 32, "path": "/"}]}, "shares[0].tag"),
    "two shares of one tag": (
        {"shares": [{"tag": "a", "path": "/"}, {"tag": "a", "path": "/"}]}, "shares[1].tag"),
    "share that is a file": ({"shares": [{"tag": "a", "path": "/etc/passwd"}]}, "shares[0].path"),
    "share that is not there": ({"shares": [{"tag": "a", "path": "/none"}]}, "shares[0].path"),
    "share of an unsent descriptor": ({"shares": [{"tag": "a", "fd": 0}]}, "shares"),
    "forward to port 0": ({"forwards": [{"guestPort": 0}]}, "forwards[0].guestPort"),
    "forward to port 65536": ({"forwards": [{"guestPort": 65536}]}, "forwards[0].guestPort"),
    "forward from a name": (
        {"forwards": [{"guestPort": 1, "address": "localhost"}]}, "forwards[0].address"),
    "forward with an option in it": (
        {"forwards": [{"guestPort": 1, "address": "127.0.0.1,id=x"}]}, "forwards[0].address"),
    "forward by sctp": (
        {"forwards": [{"guestPort": 1, "protocol": "sctp"}]}, "forwards[0].protocol"),
    "two forwards from one port": (
        {"forwards": [{"guestPort": 1, "hostPort": 6150}, {"guestPort": 2, "hostPort": 6150}]},
        "forwards[1].hostPort"),
    "network that there is not": ({"network": "macvtap"}, "network"),
    "CID of the host": ({"vsock": {"cid": 2}}, "vsock.cid"),
    "timeout of no seconds": ({"timeouts": {"startSec": 0}}, "timeouts.startSec"),
    "timeout of over a day": ({"timeouts": {"quitSec": 86401}}, "timeouts.quitSec"),
    "kernel by name and path": ({"kernel": {"name": "kernel", "path": "/a"}}, "kernel"),
    "kernel by a relative path": ({"kernel": {"path": "bzImage"}}, "kernel.path"),
    "kernel of half a digest": ({"kernel": {"path": "/a", "sha256": "00"}}, "kernel.sha256"),
    "kernel of an unsent descriptor": ({"kernel": {"fd": 0}}, "kernel"),
    "one descriptor twice": ({"kernel": {"fd": 0}, "initramfs": {"fd": 0}}, "initramfs.fd"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(shared, what):
    fields, field = REFUSED[what]
    with pytest.raises(VarlinkError) as refusal:
        shared.launch("web", **fields) if "name" not in fields else shared.call(
            "Launch", spec={**{k: v for k, v in shared.spec("web").items() if k != "name"},
                            **{k: v for k, v in fields.items() if v is not None}})
    error = refusal.value
    assert error.name == "InvalidSpec", error
    assert set(error.fields) - {"name", "id"} == {"field", "reason", "errors"}
    named = "name" not in fields
    assert error.fields.get("name") == ("web" if named else None)
    assert named or "id" not in error.fields
    first = error.fields["errors"][0]
    assert first["reason"]
    assert [first["field"], first["reason"]] == [error.fields["field"], error.fields["reason"]]
    if field is not None:
        assert error.fields["field"] == field
    assert shared.cvms() == []


def faults(error):
    """[field, suggestion or None] of each fault."""
    return [[fault["field"], fault.get("suggestion")] for fault in error.fields["errors"]]


@pytest.mark.parametrize("method", ["Launch", "Render"])
@pytest.mark.parametrize("fields, expected", [
    ({"memroy": "2G", "cpus": 0, "shares": [{"tag": "a"}, {"tga": "b", "path": "/"}],
      "restart": {"policy": "alway"}},
     [["memroy", "memory"], ["cpus", None], ["shares[0]", None], ["shares[1].tga", "tag"],
      ["shares[1].tag", None], ["restart.policy", "always"]]),
    ({"platform": "plian"}, [["platform", "plain"]]),
    # each is valid, but not on this platform
    pytest.param({"platform": "plain", "bindWorkload": True, "svsm": {"log": True},
                  "launchSecurity": {"policy": "0x30000", "vcekDisabled": "true"}},
                 [["bindWorkload", None], ["svsm", None], ["launchSecurity.policy", None],
                  ["launchSecurity.vcekDisabled", None]],
                 marks=pytest.mark.qemu_driver("driver libvirt adds what it cannot do")),
])
def test_all_faults_are_listed(shared, method, fields, expected):
    with pytest.raises(VarlinkError) as refusal:
        shared.call(method, spec=shared.spec("web", **fields))
    assert refusal.value.name == "InvalidSpec" and faults(refusal.value) == expected
    assert not {"line", "column"} & set(refusal.value.fields["errors"][0])
    assert shared.cvms() == []


def test_more_faults_than_are_listed(shared):
    with pytest.raises(VarlinkError) as refusal:
        shared.launch("web", **{f"memory{i}": 1 for i in range(10000)})
    errors = refusal.value.fields["errors"]
    assert len(errors) == 33 and errors[31]["field"] == "memory31"
    assert errors[32] == {"field": "", "reason": "9968 more errors are not listed"}


def test_a_number_beyond_64_bits(shared):
    """No C integer holds it: it is refused with the call, before it is a spec."""
    with pytest.raises(VarlinkError) as refusal:
        shared.launch("web", cpus=1 << 70)
    assert refusal.value.bad_parameter() == "spec.cpus"
    assert shared.cvms() == []


@pytest.mark.parametrize("kind", ["bridge", "tap"])
def test_a_network_that_nobody_allowed(shared, kind):
    with pytest.raises(VarlinkError) as refusal:
        shared.launch("web", network=f"{kind}:{kind}0")
    assert refusal.value.name == "HostNotReady", refusal.value
    assert refusal.value.fields["check"] == kind and "cvmd.conf" in refusal.value.fields["fix"]
    assert shared.cvms() == []


@pytest.mark.parametrize("fields, parameter", [
    ({"name": "a\0b"}, "spec.name"),
    ({"env": {"A": "x\0y"}}, "spec.env.A"),
    ({"env": {"A\0B": "x"}}, "spec.env.A\ufffdB"),
    ({"certs": {"ca.pem": {"text": "\0"}}}, "spec.certs.ca.pem.text"),
    ({"shares": [{"tag": "a", "path": "/a"}, {"tag": "b", "path": "/\0"}]}, "spec.shares[1].path"),
])
def test_nul_is_never_taken(shared, tmp_path, fields, parameter):
    """The daemon names the parameter, and goes on; cvmctl says in which file and line it is."""
    spec = {**shared.spec("web"), **fields}
    with shared.client() as client:
        with pytest.raises(VarlinkError) as refusal:
            client.call("Launch", spec=spec)
        assert refusal.value.bad_parameter() == parameter
        assert client.call("List")["cvms"] == []
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec))
    done = shared.cvmctl("launch", "--file", path, check=False)
    assert done.returncode == exits.DATA and f"{path}:1:" in done.stderr
    assert shared.cvms() == []


def test_render_refuses_the_same(shared):
    with pytest.raises(VarlinkError) as refusal:
        shared.call("Render", spec=shared.spec("web", cpus=0))
    assert (refusal.value.name, refusal.value.fields["field"]) == ("InvalidSpec", "cpus")


def test_memory_above_what_the_host_has(shared):
    with pytest.raises(VarlinkError) as refusal:
        shared.launch("web", memory="16T")
    error = refusal.value
    assert error.name == "NoResources", error
    assert error.fields["resource"] == "memory"
    assert error.fields["wanted"] == 16 << 40 > error.fields["available"] > 0


def test_cvmctl_names_the_field_and_ends_with_4(shared):
    done = shared.cvmctl("launch", "web", "--platform", "plain", "--env", "A B=x", check=False)
    assert done.returncode == exits.DATA
    assert len(done.stderr.splitlines()) == 1 and "env.A B" in done.stderr


@pytest.mark.parametrize("text, place", [
    ('{"name": "web"', "1"),
    ('{"name": "web",\n "cpus": 0}', "cpus"),
    ('{"name": "web",\n\n "colour": 1}', "colour"),
    ('{"name": "web", "name": "two"}', "name"),
    ('["web"]', ""),
    ("", ""),
    ("[" * 10000, ""),
])
def test_spec_file(shared, tmp_path, text, place):
    spec = tmp_path / "spec.json"
    spec.write_text(text)
    done = shared.cvmctl("launch", "--file", spec, check=False)
    assert done.returncode == exits.DATA, done.stderr
    assert place in done.stderr and len(done.stderr.splitlines()) == 1


def test_spec_file_that_is_not_utf8(shared, tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_bytes(b'{"name": "w\xffeb"}')
    done = shared.cvmctl("launch", "--file", spec, check=False)
    assert done.returncode == exits.DATA and str(spec) in done.stderr


@pytest.mark.not_valgrind("valgrind does not know mount_setattr(2)")
def test_what_is_odd_but_allowed(shared, tmp_path):
    """Spaces, quotes, commas and equals signs go where they belong and nowhere else."""
    odd = tmp_path / "a,b=c d'\"e"
    odd.mkdir()
    kernel = odd / "bz,Image=1"
    kernel.write_bytes(shared.kernel.read_bytes())
    cvm = shared.launch(
        "a.b-c_d", kernel={"path": str(kernel)}, env={"A": "x y,z=\"q\"\\$`'"},
        shares=None if libvirt.USED else [{"tag": "odd", "path": str(odd)}],
        cmdline='console=null a="b c",d=e')
    assert cvm["state"] == "running"
    shared.discard("a.b-c_d")


def test_a_deep_spec(shared):
    deep = json.loads("[" * 200 + "]" * 200)
    with shared.client() as client:
        client.send("Launch", {"spec": {"name": "web", "env": deep}})
        try:
            client.receive()
        except VarlinkError as error:
            assert error.name in ("InvalidSpec", "org.varlink.service.InvalidParameter")
        except ConnectionClosed:
            pass  # too deep for any message
    assert shared.cvms() == []
