# SPDX-License-Identifier: Apache-2.0
"""systemd's client, which drops a connection on the least deviation from the protocol."""
import json
import shutil

from harness.daemon import TOP
from harness.man_host import blocks


def documents(text):
    """The JSON texts that varlinkctl prints one after the other."""
    decoder, found, text = json.JSONDecoder(), [], text.strip().replace("\x1e", "")
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].strip()
    return found


def call(clients, method, more=False, check=True, **parameters):
    options = ["--more"] if more else []
    return clients.varlinkctl("call", "--json=short", *options, clients.socket,
                              f"io.cvmd.Manager.{method}", json.dumps(parameters), check=check)


def test_the_interface_is_valid(clients):
    shutil.copy(TOP / "src/wire/io.cvmd.Manager.varlink", clients.daemon.directory)
    clients.varlinkctl("validate-idl", "/mnt/io.cvmd.Manager.varlink")


def test_info(clients):
    info = documents(clients.varlinkctl("info", "--json=short", clients.socket).stdout)[0]
    assert info["product"] == "cvmd" and info["url"] == "man:io.cvmd.Manager(7)"
    assert set(info["interfaces"]) == {"io.cvmd.Manager", "org.varlink.service"}
    text = clients.varlinkctl("introspect", clients.socket, "org.varlink.service").stdout
    assert "interfaceVersions: ?[string]string" in text


def test_introspect(clients):
    text = clients.varlinkctl("introspect", clients.socket, "io.cvmd.Manager").stdout
    for part in ("method Launch(", "type Spec", "# Version 1.1 of the interface",
                 "accepts one of them, or both", "\n\n# Launches a CVM.",
                 "\n\n# There is no such CVM", "error InvalidSpec", "Unknown fields are refused"):
        assert part in text


def test_list_methods(clients):
    listed = clients.varlinkctl("list-methods", clients.socket).stdout
    source = (TOP / "src/wire/io.cvmd.Manager.varlink").read_text()
    for line in source.splitlines():
        if line.startswith("method "):
            assert f"io.cvmd.Manager.{line[7:line.index('(')]}" in listed


def test_life_of_a_cvm(clients):
    spec = clients.daemon.spec("web")
    launched = documents(call(clients, "Launch", spec=spec).stdout)[0]["cvm"]
    assert (launched["name"], launched["state"]) == ("web", "running")
    assert [cvm["id"] for cvm in documents(call(clients, "List").stdout)[0]["cvms"]] == [
        launched["id"]]
    stopped = documents(call(clients, "Stop", name="web", force=True).stdout)[0]["cvm"]
    assert stopped["state"] == "stopped"
    assert documents(call(clients, "Remove", name="web").stdout) == [{}]


def test_launch_with_more_shows_stages(clients):
    replies = documents(call(clients, "Launch", more=True, spec=clients.daemon.spec("web")).stdout)
    assert [reply.get("stage") for reply in replies[:4]] == ["admitted", "artifacts", "rendered",
                                                             "starting"]
    assert replies[-1]["cvm"]["state"] == "running"


def test_errors_are_typed(clients):
    done = call(clients, "Status", check=False, name="nobody")
    assert done.returncode != 0
    assert "io.cvmd.Manager.NoSuchCvm" in done.stderr
    done = call(clients, "Launch", check=False, spec=clients.daemon.spec("web", cpus=0))
    assert "io.cvmd.Manager.InvalidSpec" in done.stderr
    assert documents(done.stdout)[0]["name"] == "web"


def test_a_reason_beside_the_standard(clients):
    """InvalidParameter has a field that org.varlink.service does not declare elsewhere."""
    done = call(clients, "Wait", check=False, name="web", **{"for": "odd"})
    assert "org.varlink.service.InvalidParameter" in done.stderr
    assert documents(done.stdout) == [{"parameter": "for",
                                       "reason": "must be running, ready or stopped"}]


def test_examples_of_the_page(clients):
    """io.cvmd.Manager(7); a log that is followed ends with the CVM, which the next line stops."""
    clients.needs_guest()
    setting, *lines = blocks("io.cvmd.Manager.7")[0].replace("\\\n\t", "").splitlines()
    assert setting.startswith("S=unix:/run/cvmd/") and len(lines) == 4
    script = "".join(f"{line}{' &' if 'follow' in line else ''}\n" for line in lines)
    assert script.count("&") == 1
    clients.run("bash", "-ec", f"S=unix:{clients.socket}\n{script}wait $!")
    assert clients.daemon.status("web")["state"] == "stopped"
