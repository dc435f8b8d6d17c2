# SPDX-License-Identifier: Apache-2.0
"""The real guest on networks other than QEMU's own: passt, a bridge, a tap."""
import pathlib
import shutil
import subprocess

import pytest

from harness import netns
from harness.agent import GIVEN, Agent, assert_environment
from harness.processes import SLOWNESS, children, command, eventually

GUEST = "198.18.0.2"
LEASES = f"""start {GUEST}
end {GUEST}
interface br0
max_leases 1
lease_file {{directory}}/leases
pidfile {{directory}}/pid
opt subnet 255.255.255.0
opt router 198.18.0.1
"""


def launch(daemon, **fields):
    spec = daemon.spec("web", kernel=None, initramfs=None, memory="256M",
                       env=GIVEN | {"WHERE": "here"},
                       **fields)
    with daemon.client(timeout=300 * SLOWNESS) as client:
        return client.call("Launch", {"spec": spec, "wait": "ready"})["cvm"]


@pytest.mark.skipif(not shutil.which("passt"), reason="no passt here (package passt)")
def test_passt(cvmd):
    cvm = launch(cvmd, network="passt")
    assert_environment(Agent(cvm).look(), {"WHERE": "here"})
    passt = [pid for pid in children(cvmd.process.pid) if "passt" in command(pid)]
    assert len(passt) == 1
    status = pathlib.Path(f"/proc/{passt[0]}/status").read_text(encoding="ascii")
    assert int(status.split("Uid:")[1].split()[0]) == (cvm.get("uid") or 0)
    cvmd.kill()  # neither QEMU nor passt needs it
    assert_environment(Agent(cvm).look(), {"WHERE": "here"})
    cvmd.start()
    assert_environment(Agent(cvm).look(), {"WHERE": "here"})
    cvmd.stop("web")
    cvmd.wait_gone(passt[0])


@pytest.fixture
def bridged(make_daemon, config, tmp_path, request):
    """A daemon on a network where a DHCP server has the one address for the guest. The parameter is
    options of the bridge."""
    if not shutil.which("busybox"):
        pytest.skip("no DHCP server here (package busybox-static)")
    with netns.bridge("br0", "198.18.0.1/24", *getattr(request, "param", ())):
        netns.ip("tuntap", "add", "dev", "tap7", "mode", "tap")
        netns.ip("link", "set", "tap7", "master", "br0", "up")
        config["network"] = {"bridges": ["br0"], "taps": ["tap7"]}
        leases = tmp_path / "udhcpd.conf"
        leases.write_text(LEASES.format(directory=tmp_path))
        (tmp_path / "leases").touch()
        with subprocess.Popen(["busybox", "udhcpd", "-f", leases]) as server:
            yield make_daemon(config)
            server.kill()


def answer(seconds):
    """The agent's, at the guest's own address."""
    agent = Agent({"forwards": [{"guestPort": 7002, "address": GUEST, "hostPort": 7002}]})

    def ask():
        try:
            return agent.look(timeout=10 * SLOWNESS)
        except OSError:
            return None

    return eventually(ask, "the agent answers", seconds)


@pytest.mark.parametrize("network", ["bridge:br0", "tap:tap7"])
def test_a_bridge(bridged, network):
    """The guest has an address of its own, and no port of the host leads to it."""
    cvm = launch(bridged, network=network)
    assert cvm["forwards"] == []
    assert_environment(answer(30), {"WHERE": "here"})
    bridged.stop("web")


# With the spanning tree, a port that has joined listens and learns for four seconds each.
SPANNING_TREE = ("stp_state", "1", "forward_delay", "400")


@pytest.mark.parametrize("bridged", [SPANNING_TREE], indirect=True, ids=["stp"])
def test_a_bridge_that_forwards_late(bridged):
    """Nobody hears the guest when it first asks for an address."""
    launch(bridged, network="bridge:br0")
    assert_environment(answer(45), {"WHERE": "here"})
    bridged.stop("web")
