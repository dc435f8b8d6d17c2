# SPDX-License-Identifier: Apache-2.0
"""Attacks by guests, and by who launches them for that."""
import socket

from harness import varlink
from hostile.descriptors import answered

FLOODS = ["fake.console-bytes=2000000000", "fake.notify-lines=100000000", "fake.qmp-flood",
          "fake.notify-garbage fake.notify-part", "fake.qmp-garbage-ms=50",
          "fake.ignore-powerdown fake.ignore-quit fake.console-bytes=2000000000"]


def of_floods(link, daemon, _directory):
    """Console, notifications and QMP as fast as the daemon reads, in two CVMs each."""
    answers = []
    for at, cmdline in enumerate(FLOODS * 2):
        answers.append(answered(daemon, "Launch",
                                {"spec": daemon.spec(f"anns{at}", cmdline=cmdline)}))
    link.stopped(1)
    link.say(answers=answers)
    link.stopped(3600)


def of_consoles(link, daemon, _directory):
    """Consoles and logs of a guest that writes without end, for clients that do not read."""
    spec = daemon.spec("anns", cmdline="fake.console-bytes=2000000000")
    assert answered(daemon, "Launch", {"spec": spec}) == ""
    clients = []
    for number in range(100):
        client = varlink.Client(daemon.socket)
        if number % 2:
            client.send("Logs", {"name": "anns", "follow": True}, more=True)
        else:
            client.send("Console", {"name": "anns"}, upgrade=True)
        clients.append(client)
    link.stopped(1)
    link.say(clients=len(clients))
    link.stopped(3600)


def of_marks(link, daemon, _directory):
    """Text that reorders, hides or commands wherever it is shown."""
    spec = daemon.spec("anns", cmdline="fake.notify-lines=1")
    assert answered(daemon, "Launch", {"spec": spec, "wait": "ready"}) == ""
    while not daemon.status("anns").get("guestStatus"):
        link.stopped(0.05)
    shown = [daemon.cvmctl(*words).stdout for words in (("list",), ("status", "anns"),
                                                        ("status", "anns", "--json"))]
    link.say(shown=shown)
    link.stopped(3600)


def of_a_guest(link, _daemon, ports):
    """With a CVM's uid: which of the host's own ports it reaches."""
    reached = []
    for port in ports:
        with socket.socket() as client:
            client.settimeout(1)
            try:
                client.connect(("127.0.0.1", port))
                reached.append(port)
            except OSError:
                pass
    link.say(reached=reached)
    link.stopped(3600)
