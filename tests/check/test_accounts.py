# SPDX-License-Identifier: Apache-2.0
"""The private users of tests/harness/accounts.py."""
import os
import pathlib
import pwd
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
NAME = "cvmd-test-nobody-has"
IN_A_NAMESPACE = f"""
import grp, pwd, sys
from harness import accounts
accounts.add_user({NAME!r}, sys.argv[1])
user = pwd.getpwnam({NAME!r})
assert grp.getgrgid(user.pw_gid).gr_name == {NAME!r}
assert pwd.getpwnam("root").pw_uid == 0
"""

sys.path.insert(0, str(TESTS))
from harness.accounts import with_user  # noqa: E402

PASSWD, GROUP = "root:x:0:0::/root:/bin/sh\n", "root:x:0:\n"


def test_both_are_added():
    passwd, group = with_user(PASSWD, GROUP, "libvirt-qemu")
    assert passwd == PASSWD + "libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin\n"
    assert group == GROUP + "libvirt-qemu:x:64055:\n"


def test_a_machine_that_has_them_keeps_them():
    made = with_user(PASSWD, GROUP, "x")
    assert with_user(*made, "x") == made


def test_a_group_that_is_there_is_the_users():
    passwd, group = with_user(PASSWD, GROUP + "x:x:7:root", "x")
    assert "\nx:x:64055:7:" in passwd and group == GROUP + "x:x:7:root"


def test_a_number_that_is_taken_is_left_alone():
    passwd, _ = with_user(PASSWD + "y:x:64055:1::/:/bin/sh", GROUP + "z:x:64056:\n", "x")
    assert passwd.endswith("\nx:x:64057:64057::/nonexistent:/usr/sbin/nologin\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace requires root")
def test_the_machine_has_it_in_the_namespace_only(tmp_path):
    subprocess.run(["unshare", "--mount", "--propagation", "private", sys.executable, "-B", "-c",
                    IN_A_NAMESPACE, tmp_path], check=True, env={"PYTHONPATH": str(TESTS)})
    assert NAME not in {user.pw_name for user in pwd.getpwall()}
