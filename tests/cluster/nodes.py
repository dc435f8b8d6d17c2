# SPDX-License-Identifier: Apache-2.0
"""Three nodes of a real cluster (Corosync, Pacemaker), each a Debian 12 that systemd has booted, on
a bridge in a network namespace of their own, with cvmd and fake-qemu installed."""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import xml.etree.ElementTree

from harness import artifacts, booting, netns
from harness.daemon import CVMCTL, FAKE_QEMU, TOP
from harness.processes import eventually

HERE = pathlib.Path(__file__).parent
BUILD = pathlib.Path(CVMCTL).parents[1]
NODES = ("alpha", "beta", "gamma")
SETTLED_SECONDS = 90
CVMD_CONF = {
    "accelerator": "tcg",
    "qemu": {"default": "/usr/libexec/fake-qemu"},
    "timeouts": {"startSec": 30, "readySec": 30, "powerdownSec": 5, "quitSec": 5},
    "network": {"hostAccess": "allow"},
}
# Two times are short: a node is lost after a second, and a cluster without a coordinator waits two.
COROSYNC = """totem {{
    version: 2
    cluster_name: cvmd
    transport: udpu
    crypto_cipher: none
    crypto_hash: none
    token: 1000
}}
quorum {{
    provider: corosync_votequorum
}}
logging {{
    to_syslog: yes
}}
nodelist {{
{}}}
"""
NODE_UNIT = """[Unit]
Before=corosync.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip address add {address}/24 dev host0
ExecStart=ip link set host0 up
[Install]
WantedBy=multi-user.target
"""
# A fence agent as Pacemaker calls one: options by standard input, a line each. It asks who can kill
# a node from outside.
FENCE = """#!/usr/bin/python3
import socket, sys
given = dict(line.rstrip("\\n").split("=", 1) for line in sys.stdin if "=" in line)
action = given.get("action", "reboot")
if action == "metadata":
    print('''<?xml version="1.0"?><resource-agent name="fence_test" shortdesc="kills a node">
<longdesc>Kills a node from outside.</longdesc>
<parameters><parameter name="action" required="1"><content type="string" default="reboot"/>
</parameter><parameter name="port"><content type="string"/></parameter></parameters>
<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="status"/>
<action name="monitor"/><action name="list"/><action name="metadata"/></actions>
</resource-agent>''')
    sys.exit(0)
with socket.socket(socket.AF_UNIX) as client:
    client.connect("/node/fence")
    client.sendall((action + " " + (given.get("port") or given.get("nodename", "-"))).encode())
    client.shutdown(socket.SHUT_WR)
    sys.exit(int(client.makefile().read()))
"""


class Node(booting.Machine):
    """One node while it is up."""

    def qemus(self):
        """The names of the CVMs that have a QEMU on this node."""
        found = self.run("pgrep", "-a", "-x", "fake-qemu", check=False).stdout
        return sorted(word.partition(",")[0] for line in found.splitlines()
                      for before, word in zip(line.split(), line.split()[1:]) if before == "-name")


class Cluster:
    """The nodes, up or not, and who kills one that Pacemaker wants to be fenced."""

    def __init__(self, directory, root):
        self.directory = directory
        self.root = root
        self.up = {}  # name: (process, Node, log)
        self.fenced = []  # names, with the moment
        self.lock = threading.Lock()
        self.trees = self.make_trees()
        self.fence = self.serve_fencing()

    # Before the boot

    def make_trees(self):
        """What all nodes have, installed from this build, and what each has alone."""
        common = self.directory / "common"
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir",
                        common], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        place = common / "usr/libexec/fake-qemu"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(pathlib.Path(FAKE_QEMU).read_bytes())
        place.chmod(0o755)
        agents = common / "usr/lib/ocf/resource.d/cvmd"
        agents.mkdir(parents=True, exist_ok=True)
        (agents / "cvm").write_bytes((TOP / "cluster/cvm").read_bytes())
        (agents / "cvm").chmod(0o755)
        fence = common / "usr/sbin/fence_test"
        fence.parent.mkdir(parents=True, exist_ok=True)
        fence.write_text(FENCE)
        fence.chmod(0o755)
        guest = common / "srv/guest"
        guest.mkdir(parents=True)
        artifacts.kernel(guest / "kernel")
        artifacts.initramfs(guest / "initramfs")
        (common / "etc/cvmd/cvms").mkdir(parents=True)
        (common / "etc/cvmd/cvmd.conf").write_text(json.dumps(CVMD_CONF))
        members = "".join(
            f"    node {{\n        name: {name}\n        nodeid: {number}\n"
            f"        ring0_addr: {self.address(name)}\n    }}\n"
            for number, name in enumerate(NODES, 1))
        (common / "etc/corosync").mkdir()
        (common / "etc/corosync/corosync.conf").write_text(COROSYNC.format(members))
        trees = {}
        for name in NODES:
            own = self.directory / name
            (own / "etc/systemd/system").mkdir(parents=True)
            (own / "etc/hostname").write_text(name + "\n")
            (own / "etc/systemd/system/node.service").write_text(
                NODE_UNIT.format(address=self.address(name)))
            trees[name] = (common, own)
        return trees

    @staticmethod
    def address(name):
        return f"10.77.0.{1 + NODES.index(name)}"

    def spec(self, name, **fields):
        """The same for each node; before the boot."""
        spec = {"name": name, "platform": "plain", "cpus": 1, "memory": "64M",
                "kernel": {"path": "/srv/guest/kernel"}, **fields,
                "initramfs": {"path": "/srv/guest/initramfs"}}
        path = self.directory / "common/etc/cvmd/cvms" / f"{name}.json"
        path.write_text(json.dumps(spec))

    # Up and down

    def boot(self, *names):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(self.boot_one, name) for name in names]:
                done.result()

    def boot_one(self, name):
        log = tempfile.TemporaryFile()
        shared = self.directory / "node"
        process, node = booting.boot(
            Node, HERE / "boot", self.root, ":".join(map(str, self.trees[name])), shared, log=log,
            seconds=120, units=("cvmd.socket", "corosync.service", "pacemaker.service"),
            name=f"cvmd-lane-{os.getpid()}-{name}")
        with self.lock:
            self.up[name] = (process, node, log)

    def kill(self, name):
        """As a power failure does."""
        with self.lock:
            process, node, log = self.up.pop(name)
        os.kill(node.leader, signal.SIGKILL)
        process.wait(60)
        log.close()

    def end(self):
        with self.lock:
            up, self.up = self.up, {}
        for process, node, log in up.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(node.leader, signal.SIGKILL)
            process.wait(60)
            log.close()
        self.fence.close()

    def nodes(self):
        with self.lock:
            return {name: node for name, (_, node, _) in self.up.items()}

    # Fencing

    def serve_fencing(self):
        shared = self.directory / "node"
        shared.mkdir()
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(shared / "fence"))
        os.chmod(shared / "fence", stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
        server.listen()
        threading.Thread(target=self.fence_on_request, args=[server], daemon=True).start()
        return server

    def fence_on_request(self, server):
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                action, _, name = client.makefile().read().partition(" ")
                client.sendall(str(self.fence_one(action, name)).encode())

    def fence_one(self, action, name):
        """The exit status of the fence agent."""
        if action in ("monitor", "list", "start", "stop"):
            return 0
        if name not in NODES:
            return 1
        if action == "status":
            return 0 if name in self.nodes() else 2
        if action in ("off", "reboot"):
            if name in self.nodes():
                self.kill(name)
            self.fenced.append((name, time.time()))
        return 0

    # What the cluster says

    def ask(self, *command, **options):
        return next(iter(self.nodes().values())).run(*command, **options)

    def monitor(self):
        return xml.etree.ElementTree.fromstring(
            self.ask("crm_mon", "--one-shot", "--output-as=xml", "--inactive").stdout)

    def online(self):
        return {node.get("name") for node in self.monitor().findall("nodes/node")
                if node.get("online") == "true" and node.get("pending") != "true"}

    def places(self):
        """Where each CVM runs, as Pacemaker says."""
        return {resource.get("id"): sorted(node.get("name") for node in resource.iter("node"))
                for resource in self.monitor().findall("resources//resource")
                if resource.get("role") == "Started" and resource.get("failed") == "false"
                and resource.get("resource_agent") == "ocf:cvmd:cvm"}

    def qemus(self):
        """What runs in truth: for each CVM the nodes that have a QEMU of it."""
        found = {}
        for node, machine in self.nodes().items():
            for name in machine.qemus():
                found.setdefault(name, []).append(node)
        return {name: sorted(nodes) for name, nodes in found.items()}

    def settle(self, names, nodes, seconds=SETTLED_SECONDS):
        """Waits until each of the CVMs runs on just one of the nodes, and Pacemaker and the
        processes agree."""
        def settled():
            places, qemus = self.places(), self.qemus()
            return (places == qemus and sorted(places) == sorted(names)
                    and all(len(at) == 1 and at[0] in nodes for at in places.values()) and places)
        return eventually(settled, lambda: f"{self.places()} is {self.qemus()}\n"
                          f"{self.ask('crm_mon', '-1', '-r', '-A', '-t', '-f').stdout}",
                          seconds, 0.5)


@contextlib.contextmanager
def cluster(root, specs):
    """The cluster with these CVMs: {name: fields of its spec}."""
    with tempfile.TemporaryDirectory(prefix="cvmd-") as directory, netns.private():
        netns.ip("link", "add", "cluster", "type", "bridge")
        netns.ip("link", "set", "cluster", "up")
        found = Cluster(pathlib.Path(directory), root)
        try:
            for name, fields in specs.items():
                found.spec(name, **fields)
            found.boot(*NODES)
            eventually(lambda: found.online() == set(NODES), "all nodes are online", 120, 1)
            yield found
        finally:
            found.end()
