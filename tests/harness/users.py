# SPDX-License-Identifier: Apache-2.0
"""Doing something as another user, in a child process."""
import os
import pickle
import traceback


class Failed(Exception):
    """The child's exception could not be brought over; its text is."""


def as_user(uid, gid, groups, function):
    """Calls function() with these ids; its result or exception is handed over by pickle."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            try:
                outcome = (True, function())
            except Exception as problem:
                outcome = (False, (type(problem).__name__, problem.args,
                                   getattr(problem, "name", None),
                                   getattr(problem, "fields", None), traceback.format_exc()))
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(outcome, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    done, value = pickle.loads(data)
    if done:
        return value
    failed = Failed(value[4])
    failed.kind, failed.name, failed.fields = value[0], value[2], value[3]
    raise failed
