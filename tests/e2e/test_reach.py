# SPDX-License-Identifier: Apache-2.0
"""What a guest reaches by each network, tried from inside it."""
import shutil

import pytest

from harness import netns
from harness.agent import Agent
from harness.shell import Shell

HOST = 2179  # a port of 127.0.0.1, where a service of the host's own listens


@pytest.fixture
def world(make_daemon):  # which is to be looked over last
    with netns.with_outside(), netns.answering("127.0.0.1", HOST, "reached the loopback"), \
            netns.resolving("127.0.0.1", "198.18.0.77"):
        yield


def launch(daemon, name, network):
    return daemon.launch(name, kernel=None, initramfs=None, memory="256M", debug=True, wait="ready",
                         network=network, timeouts={"readySec": 300})


def reach(shell, address, port):
    """What a service said to the guest. A longer line would be wrapped in its
    echo, and passt may keep the end of a connection to itself."""
    return shell.run(f"timeout 9 nc {address} {port} </dev/null 2>&1||:")


def ask_agent(shell, port):
    """What another CVM's agent says by its forward."""
    return shell.run(f"echo {{}} | timeout 9 nc 10.0.2.2 {port} 2>&1||:")


@pytest.fixture
def own_resolver(monkeypatch, tmp_path):
    """What the daemon starts asks the one of 127.0.0.1."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (tmp_path / "resolv.conf").chmod(0o644)
    script = f'mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && exec "$@"'
    monkeypatch.setattr("harness.daemon.WRAPPER", ["unshare", "-m", "sh", "-c", script, "sh"])


def finds_names(shell):
    return "198.18.0.77" in shell.run("nslookup web.test 10.0.2.3 2>&1 || :")


@pytest.mark.skipif(not shutil.which("nft", path="/usr/sbin"), reason="no nft (package nftables)")
@pytest.mark.parametrize("network", ["user", "passt"])
def test_the_host_is_denied(world, own_resolver, make_daemon, config, network):
    """By default: out and to the resolver, but neither to the loopback nor to other CVMs."""
    if network == "passt" and not shutil.which("passt"):
        pytest.skip("no passt here (package passt)")
    daemon = make_daemon(config | {"network": {}})
    other = launch(daemon, "other", "isolated")
    web = launch(daemon, "web", network)
    assert Agent(web).ask()["uptimeMs"] > 0 and Agent(other).ask()["uptimeMs"] > 0
    shell = Shell(daemon, "web")
    shell.log_in()
    assert "reached the outside" in reach(shell, "198.18.0.2", 2180)
    for address in ("10.0.2.2", "198.18.0.1"):
        assert "reached" not in reach(shell, address, HOST)
    assert "uptimeMs" not in ask_agent(shell, other["forwards"][0]["hostPort"])
    assert network == "passt" or finds_names(shell)
    shell.close()


def test_isolated(world, own_resolver, make_daemon, config):
    """The forwards work, and nothing else does; a guest with network 'user' reaches all of it."""
    daemon = make_daemon(config | {"network": {"hostAccess": "allow"}})
    other = launch(daemon, "other", "user")
    shell = Shell(daemon, "other")
    shell.log_in()
    assert "reached the loopback" in reach(shell, "10.0.2.2", HOST)
    assert "reached the outside" in reach(shell, "198.18.0.2", 2180)
    assert "uptimeMs" in ask_agent(shell, other["forwards"][0]["hostPort"])
    assert finds_names(shell)
    shell.close()

    web = launch(daemon, "web", "isolated")
    assert Agent(web).ask()["uptimeMs"] > 0
    port = other["forwards"][0]["hostPort"]
    shell = Shell(daemon, "web")
    shell.log_in()
    for address, number in (("10.0.2.2", HOST), ("10.0.2.2", port), ("198.18.0.2", 2180)):
        assert "reached" not in reach(shell, address, number)
    assert "uptimeMs" not in ask_agent(shell, port)
    assert not finds_names(shell)
    shell.close()
