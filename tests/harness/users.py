# SPDX-License-Identifier: Apache-2.0
"""Doing something as another user, in a child process."""
import grp
import os
import pickle
import traceback

# Groups that every Debian has, in the place of cvm and cvm-admin.
USERS, ADMINS = "users", "operator"
ANN, BOB, EVE, ADMIN = 61001, 61002, 61003, 61004
GROUPS = {ANN: [USERS], BOB: [USERS], EVE: [], ADMIN: [USERS, ADMINS]}


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


def by(uid, function):
    """Likewise, as one of the people above."""
    return as_user(uid, uid, [grp.getgrnam(name).gr_gid for name in GROUPS[uid]], function)


def connect_as(uid, groups, connect):
    """Returns what connect() does with these ids: a connection of theirs that this process keeps,
    where one that as_user() makes goes with its child."""
    own = os.getgroups()
    os.setgroups(groups)
    os.setegid(uid)
    os.seteuid(uid)
    try:
        return connect()
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(own)


def connect_by(uid, connect):
    return connect_as(uid, [grp.getgrnam(name).gr_gid for name in GROUPS[uid]], connect)


def reachable(daemon):
    """Lets other users reach a daemon's socket and its artifacts; returns the daemon."""
    daemon.directory.chmod(0o755)
    daemon.kernel.chmod(0o644)
    daemon.initramfs.chmod(0o644)
    return daemon


def refused(uid, function):
    """The error with which the daemon refuses what this user does."""
    try:
        by(uid, function)
    except Failed as refusal:
        return refusal
    raise AssertionError("it was not refused")
