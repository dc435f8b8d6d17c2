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
import pathlib
import signal
import socket
import time
import uuid

IDS = uuid.UUID("5c1f2a1e-5d0b-4c7e-9a3f-0d6a8f4be7c2")  # this program's own, for uuid5()
LABEL = "reconcile/set"  # tells the CVMs of this program from others
CALLS_AT_ONCE = 8
LOOK_SECONDS = 0.5  # how often the directory is read
RETRY_SECONDS = (1, 2, 4, 8, 16, 32, 60)  # after the first, second, … attempt
STEADY_SECONDS = 60  # the attempts of a CVM that has lived for so long are forgotten


class Refused(Exception):
    """An error reply, such as NoSuchCvm."""

    def __init__(self, error, fields):
        self.error = error.rpartition(".")[2]
        super().__init__(f"{self.error} {json.dumps(fields)}")


def replies(path, method, parameters, more=False, patience=None):
    """Calls a method on a connection of its own; yields the parameters of each reply, and {}
    whenever none has come for `patience` seconds. A message is a JSON object and a NUL byte."""
    message = {"method": f"io.cvmd.Manager.{method}", "parameters": parameters, "more": more}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(json.dumps(message).encode() + b"\0")
        connection.settimeout(patience)
        rest = b""
        while True:
            try:
                data = connection.recv(65536)
            except socket.timeout:
                yield {}
                continue
            if not data:
                raise ConnectionError("cvmd closed the connection")
            *messages, rest = (rest + data).split(b"\0")
            for reply in map(json.loads, messages):
                if "error" in reply:
                    raise Refused(reply["error"], reply.get("parameters"))
                yield reply.get("parameters", {})
                if not reply.get("continues"):
                    return


reported = {}  # name to the last line about it


def report(name, text):
    if reported.get(name) != text:
        reported[name] = text
        print(f"{name}: {text}", flush=True)


def refuse_constant(text):
    """Python reads NaN and Infinity, which are no JSON: cvmd would close the connection."""
    raise ValueError(f"{text} is not JSON")


def read_specs(directory, owner):
    """Name to spec, for each NAME.json; None stands for one that cannot be read."""
    specs = {}
    for file in sorted(pathlib.Path(directory).iterdir()):
        name = file.stem
        if file.suffix != ".json" or name.startswith("."):
            continue
        try:
            spec = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse_constant)
            if spec.setdefault("name", name) != name:
                raise ValueError(f"the name in it must be {name}")
            specs[name] = {**spec, "labels": {**spec.get("labels", {}), LABEL: owner}}
        except (OSError, ValueError, TypeError, AttributeError) as problem:
            specs[name] = None
            report(name, f"is left as it is: {file.name}: {problem}")
    return specs


def id_of(spec):
    return str(uuid.uuid5(IDS, json.dumps(spec, sort_keys=True)))


class Reconciler:
    """One thread decides, in run(). Those of the pool make calls, and change nothing here."""

    def __init__(self, path, directory, owner):
        self.path, self.directory, self.owner = path, directory, owner
        self.jobs = {}  # name to the future of the calls that are made for it
        self.attempts = {}  # name to (id, how many there were, when the next one may be)
        self.pool = concurrent.futures.ThreadPoolExecutor(CALLS_AT_ONCE)

    def run(self):
        while True:
            try:
                self.follow()
            except (OSError, Refused) as problem:
                report("cvmd", str(problem))
            time.sleep(0.2)

    def follow(self):
        """Watch first sends each CVM as it is, then `sequence`, then each event from there on:
        nothing is missed between the two. Ends when the connection does."""
        cvms, complete, due = {}, False, 0  # by id; whether these are all; the next comparison
        wanted = {"snapshot": True, "labels": {LABEL: self.owner}}
        for reply in replies(self.path, "Watch", wanted, True, LOOK_SECONDS):
            if cvm := reply.get("cvm"):
                cvms[cvm["id"]] = (cvm["name"], cvm["state"])
            elif event := reply.get("event"):
                if event["kind"] == "events-lost":
                    return  # the next snapshot shows what they said
                if event["kind"] == "removed":
                    cvms.pop(event["id"], None)
                elif event["kind"] == "state":
                    cvms[event["id"]] = (event["name"], event["newState"])
            elif "sequence" in reply and "ended" not in reply:
                complete = True
                report("cvmd", f"{len(cvms)} CVMs, then events from {reply['sequence']} on")
            if complete and (not reply or time.monotonic() >= due):
                self.compare({name: (id, state) for id, (name, state) in cvms.items()})
                due = time.monotonic() + LOOK_SECONDS

    def compare(self, there):
        """Begins what makes each CVM as its spec says."""
        try:
            specs = read_specs(self.directory, self.owner)
        except OSError as problem:  # this does not mean that nothing is wanted
            report(self.directory, str(problem))
            return
        for name in [name for name, job in self.jobs.items() if job.done()]:
            if not self.jobs.pop(name).result():
                self.attempts.pop(name, None)
        for name in {*specs, *there} - {*self.jobs}:
            spec, (id, state) = specs.get(name), there.get(name, (None, None))
            wanted = id_of(spec) if spec else None
            ended = state in (None, "stopped", "failed")
            unreadable = name in specs and not spec
            if not unreadable and (ended or wanted != id) and self.may_try(name, wanted):
                self.jobs[name] = self.pool.submit(self.settle, name, spec, id, ended)

    def may_try(self, name, id):
        now = time.monotonic()
        last, count, due = self.attempts.get(name, (id, 0, 0))
        if last != id or now > due + STEADY_SECONDS:
            count = due = 0
        if now >= due:
            pause = RETRY_SECONDS[min(count, len(RETRY_SECONDS) - 1)]
            self.attempts[name] = (id, count + 1, now + pause)
        return now >= due

    def settle(self, name, spec, id, ended):
        """In a thread of the pool: stops and removes the CVM that has this id, if any, and launches
        what the spec says. Each call can be repeated, and so can all of this: if it is
        interrupted, or what there is has changed meanwhile, the next comparison continues. Returns
        False if cvmd has gone, which is not the fault of this CVM."""
        try:
            for method in ["Stop", "Remove"][ended:] if id else []:
                report(name, f"{method} {id}")
                self.end(method, id)
            if spec:
                [reply] = replies(self.path, "Launch", {"spec": spec, "id": id_of(spec)})
                report(name, f"{reply['cvm']['state']}: {id_of(spec)}")
        except Refused as problem:
            report(name, str(problem))
        except OSError:
            return False
        return True

    def end(self, method, id):
        try:
            list(replies(self.path, method, {"id": id}))
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
