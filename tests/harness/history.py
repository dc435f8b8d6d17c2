# SPDX-License-Identifier: Apache-2.0
"""The proof that no event's number is used twice and none is lost, over deaths of the daemon."""
from .varlink import ConnectionClosed


class History:
    """begin() while the daemon lives, check() once it does again: what was told before still is
    so, and the numbers have no gap. Requires a client that sees the CVMs of all users."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.watcher = None
        self.next = 0

    def begin(self):
        self.watcher = self.daemon.client()
        self.watcher.send("Watch", {"snapshot": True}, more=True)
        reply = {}
        while "sequence" not in reply:
            reply, _ = self.watcher.receive(more=True)
        self.next = reply["sequence"]

    def told(self):
        """The events that came before the daemon's death, by number."""
        events = {}
        try:
            while True:
                event = self.watcher.receive(more=True)[0]["event"]
                events[event["sequence"]] = event
        except ConnectionClosed:
            pass
        self.watcher.close()
        return events

    def check(self):
        """Returns the number of events that were told before the death."""
        told = self.told()
        upto = self.daemon.call("List")["sequence"]
        kept = {}
        if upto > self.next:
            with self.daemon.client() as client:
                for reply in client.stream("Watch", fromSequence=self.next):
                    event = reply["event"]
                    kept[event["sequence"]] = event
                    if event["sequence"] >= upto - 1:
                        break
        assert list(kept) == list(range(self.next, upto)), (self.next, upto, list(kept))
        assert list(told) == list(range(self.next, self.next + len(told)))
        for number, event in told.items():
            assert kept.get(number) == event, (number, event, kept.get(number))
        return len(told)
