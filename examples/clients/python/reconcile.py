#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the CVMs of this host as a directory of spec files says. README.md describes the rules.

The program keeps no state, and may be killed at any time: the directory says what is wanted, and
cvmd says what there is. The id of a CVM is computed from its spec. Therefore a Launch can be
repeated without starting a second CVM, and Stop and Remove never hit a successor.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import queue
import signal
import socket
import threading
import time
import typing
import uuid

IDS = uuid.UUID("5c1f2a1e-5d0b-4c7e-9a3f-0d6a8f4be7c2")  # this program's own, for uuid5()
LABEL = "reconcile/set"  # tells the CVMs of this program from others
CALLS_AT_ONCE = 8
LOOK_SECONDS = 1  # how often the directory is read
RETRY_SECONDS = (1, 2, 4, 8, 16, 32, 60)  # after the first, second, … attempt
STEADY_SECONDS = 60  # the attempts of a CVM that has lived for so long are forgotten


class Refused(Exception):
    """An error reply, such as NoSuchCvm."""

    def __init__(self, error, fields):
        self.error = error.rpartition(".")[2]
        super().__init__(f"{self.error} {json.dumps(fields)}")


class Cvm(typing.NamedTuple):
    id: str
    name: str
    state: str
    since: float

    def has_ended(self):
        return self.state in ("stopped", "failed")


def replies(path, method, parameters, more=False):
    """Calls a method on a connection of its own; yields the parameters of each reply. A message is
    a JSON object and a NUL byte."""
    message = {"method": f"io.cvmd.Manager.{method}", "parameters": parameters, "more": more}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(json.dumps(message).encode() + b"\0")
        rest = b""
        while data := connection.recv(65536):
            *messages, rest = (rest + data).split(b"\0")
            for reply in map(json.loads, messages):
                if "error" in reply:
                    raise Refused(reply["error"], reply.get("parameters"))
                yield reply.get("parameters", {})
                if not reply.get("continues"):
                    return
    raise ConnectionError("cvmd closed the connection")


reported = {}  # name to the last line about it


def refuse_constant(text):
    """Python reads NaN and Infinity, which are no JSON: cvmd would close the connection."""
    raise ValueError(f"{text} is not JSON")


def report(name, text):
    if reported.get(name) != text:
        reported[name] = text
        print(f"{name}: {text}", flush=True)


def read_specs(directory, owner):
    """Name to spec, for each NAME.json; None stands for one that cannot be read."""
    specs = {}
    for file in sorted(os.listdir(directory)):
        name, extension = os.path.splitext(file)
        if extension != ".json" or name.startswith("."):
            continue
        try:
            spec = json.loads(pathlib.Path(directory, file).read_text(encoding="utf-8"),
                              parse_constant=refuse_constant)
            if spec.setdefault("name", name) != name:
                raise ValueError(f"the name in it must be {name}")
            specs[name] = {**spec, "labels": {**spec.get("labels", {}), LABEL: owner}}
        except (OSError, ValueError, TypeError, AttributeError) as problem:
            specs[name] = None
            report(name, f"is left as it is: {file}: {problem}")
    return specs


def id_of(spec):
    return str(uuid.uuid5(IDS, json.dumps(spec, sort_keys=True)))


class Reconciler:
    """The members belong to the thread in run(). Others put into the inbox what run() is to call:
    a function and its arguments."""

    def __init__(self, path, directory, owner):
        self.path, self.directory, self.owner = path, directory, owner
        self.cvms = None  # by id; None: unknown, because cvmd is not there
        self.busy = set()  # names for which a thread of the pool makes calls
        self.attempts = {}  # name to (id, how many there were, when the next one may be)
        self.inbox = queue.Queue()
        self.pool = concurrent.futures.ThreadPoolExecutor(CALLS_AT_ONCE)

    def run(self):
        threading.Thread(target=self.follow, daemon=True).start()
        while True:
            try:
                function, *arguments = self.inbox.get(timeout=LOOK_SECONDS)
                function(*arguments)
                while not self.inbox.empty():
                    function, *arguments = self.inbox.get()
                    function(*arguments)
            except queue.Empty:
                pass
            if self.cvms is not None:
                self.compare()

    def follow(self):
        """A thread: tells run() what there is, and begins again when the connection ends."""
        while True:
            try:
                self.watch()
            except (OSError, Refused) as problem:
                report("cvmd", str(problem))
            self.inbox.put((self.replace, None))
            time.sleep(0.2)

    def watch(self):
        """Watch first sends each CVM as it is, then `sequence`, then each event from there on:
        nothing is missed between the two."""
        cvms = {}
        wanted = {"snapshot": True, "labels": {LABEL: self.owner}}
        for reply in replies(self.path, "Watch", wanted, more=True):
            if cvm := reply.get("cvm"):
                cvms[cvm["id"]] = Cvm(cvm["id"], cvm["name"], cvm["state"], time.monotonic())
            elif event := reply.get("event"):
                if event["kind"] == "events-lost":
                    return  # the next snapshot shows what they said
                self.inbox.put((self.note, event))
            elif "ended" not in reply:
                self.inbox.put((self.replace, cvms))
                report("cvmd", f"{len(cvms)} CVMs, then events from {reply['sequence']} on")

    def replace(self, cvms):
        self.cvms = cvms

    def note(self, event):
        id, kind = event["id"], event["kind"]
        if kind == "removed":
            self.cvms.pop(id, None)
        elif kind == "state":
            self.cvms[id] = Cvm(id, event["name"], event["newState"], time.monotonic())

    def compare(self):
        """Begins what makes each CVM as its spec says."""
        try:
            specs = read_specs(self.directory, self.owner)
        except OSError as problem:  # this does not mean that nothing is wanted
            report(self.directory, str(problem))
            return
        there = {cvm.name: cvm for cvm in self.cvms.values()}
        for name in {*specs, *there} - self.busy:
            spec, cvm = specs.get(name), there.get(name)
            if name in specs and not spec:
                continue
            if spec and cvm and cvm.id == id_of(spec) and not cvm.has_ended():
                if time.monotonic() > cvm.since + STEADY_SECONDS:
                    self.attempts.pop(name, None)
            elif self.may_try(name, id_of(spec)):
                self.busy.add(name)
                self.pool.submit(self.settle, name, spec, cvm)

    def may_try(self, name, id):
        last, count, due = self.attempts.get(name, (id, 0, 0))
        if last != id:
            count = due = 0
        if time.monotonic() < due:
            return False
        pause = RETRY_SECONDS[min(count, len(RETRY_SECONDS) - 1)]
        self.attempts[name] = (id, count + 1, time.monotonic() + pause)
        return True

    def settle(self, name, spec, cvm):
        """In a thread of the pool. Each call can be repeated, and so can all of this: if it is
        interrupted, or what there is has changed meanwhile, the next comparison continues."""
        try:
            if cvm and not cvm.has_ended():
                report(name, f"stopping {cvm.id}")
                self.end("Stop", cvm)
            if cvm:
                report(name, f"removing {cvm.id}")
                self.end("Remove", cvm)
            if spec:
                [reply] = replies(self.path, "Launch", {"spec": spec, "id": id_of(spec)})
                report(name, f"{reply['cvm']['state']}: {id_of(spec)}")
        except Refused as problem:
            report(name, str(problem))
        except OSError:  # cvmd has gone, which is not the fault of this CVM
            self.inbox.put((self.attempts.pop, name, None))
        self.inbox.put((self.busy.discard, name))

    def end(self, method, cvm):
        try:
            list(replies(self.path, method, {"id": cvm.id}))
        except Refused as problem:
            if problem.error != "NoSuchCvm":
                raise


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--socket", default="/run/cvmd/io.cvmd.Manager", help="of cvmd")
    parser.add_argument("--set", default="default", help="a name for what is in the directory")
    parser.add_argument("directory")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    Reconciler(options.socket, options.directory, options.set).run()


if __name__ == "__main__":
    main()
