# SPDX-License-Identifier: Apache-2.0
"""Each method of the interface file, called by who has no right to the CVM that it is called with:
nothing is told of it, and nothing done to it."""
import json
import os
import re

import pytest

from harness.daemon import TOP
from harness.processes import SLOWNESS
from harness.users import ADMIN, ADMINS, ANN, BOB, EVE, USERS, Failed, by, reachable
from harness.varlink import ConnectionClosed, VarlinkError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users")

INTERFACE = (TOP / "src/wire/io.cvmd.Manager.varlink").read_text()
METHODS = dict(re.findall(r"^method (\w+)\((.*?)\)\s*->", INTERFACE, re.MULTILINE | re.DOTALL))
OF_A_CVM = [method for method, takes in METHODS.items()
            if re.search(r"\bname: \?string,\s*id: \?string", takes)]
FLAGS = [{}, {"more": True}, {"upgrade": True}]


@pytest.fixture
def config(config):
    return {**config, "groups": {"users": USERS, "admins": ADMINS}}


@pytest.fixture
def cvmd(cvmd):
    return reachable(cvmd)


@pytest.fixture
def anns(cvmd):
    return by(ANN, lambda: cvmd.launch("anns", wait="ready", env={"TOKEN": "topsecret"},
                                       cmdline="its=own"))


def parameters(cvmd, method, anns):
    """What the method takes, as if the CVM were the caller's own."""
    values = {"name": "anns", "id": anns["id"], "fromSequence": 0, "follow": True, "force": True,
              "for": "running",
              "spec": cvmd.spec("anns" if method == "Launch" else "bobs")}
    return {name: values[name] for name in re.findall(r"(\w+):", METHODS[method])
            if name in values}


def answers(cvmd, method, anns):
    """What comes of the method, called in each of the ways that there are."""
    found = []
    for flags in FLAGS:
        with cvmd.client(timeout=SLOWNESS) as client:
            client.send(method, parameters(cvmd, method, anns), **flags)
            try:
                while True:
                    reply, continues = client.receive(more=True)
                    found.append(("reply", reply))
                    if not continues:
                        break
            except VarlinkError as error:
                found.append((error.name, error.fields))
            except (TimeoutError, ConnectionClosed):
                pass
    return found


def test_the_version_of_the_interface(shared):
    """GetInfo has the one that the description states, and names a page that is there."""
    info = shared.call("org.varlink.service.GetInfo")
    text = shared.call("org.varlink.service.GetInterfaceDescription",
                       interface="io.cvmd.Manager")["description"]
    stated, = re.findall(r"^# Version (\d+\.\d+) of the interface", text, re.MULTILINE)
    assert info["interfaceVersions"] == {"io.cvmd.Manager": stated}
    name, section = re.fullmatch(r"man:([\w.]+)\((\d)\)", info["url"]).groups()
    assert (TOP / f"man/{name}.{section}.scd").exists()


def test_the_interface_file_is_read():
    assert len(METHODS) == len(re.findall(r"^method ", INTERFACE, re.MULTILINE)) > 10
    assert {"Status", "Stop", "Console", "Logs"} <= set(OF_A_CVM)


@pytest.mark.parametrize("method", METHODS)
def test_by_another_user(cvmd, anns, method):
    found = by(BOB, lambda: answers(cvmd, method, anns))
    told = json.dumps(found)
    kinds = {kind for kind, _ in found}
    assert "topsecret" not in told and "its=own" not in told
    if method == "Launch":  # with the id of ann's, as one who retries would
        assert kinds == {"CvmExists", "org.varlink.service.InvalidParameter"}
    elif method in OF_A_CVM:
        refusal = ("NoSuchCvm", {"name": "anns", "id": anns["id"]})  # just what was asked
        assert refusal in found and "reply" not in kinds
    else:
        assert anns["id"] not in told
    assert by(ANN, lambda: cvmd.status("anns")) == anns


@pytest.mark.parametrize("method", OF_A_CVM)
def test_by_an_administrator(cvmd, anns, method):
    """The calls that are refused above are such as an administrator may make."""
    kinds = {kind for kind, _ in by(ADMIN, lambda: answers(cvmd, method, anns))}
    assert "NoSuchCvm" not in kinds and kinds & {"reply", "WrongState"}, kinds


@pytest.mark.parametrize("method", METHODS)
def test_by_who_is_in_no_group(cvmd, anns, method):
    with pytest.raises(Failed) as refusal:
        by(EVE, lambda: answers(cvmd, method, anns))
    assert refusal.value.kind == "PermissionError"
    assert by(ANN, lambda: cvmd.status("anns")) == anns
