# SPDX-License-Identifier: Apache-2.0
"""Which modules change which group of a Vm's members (daemon/vm/vm.h)."""
import pathlib
import re

import pytest

DAEMON = pathlib.Path(__file__).resolve().parents[2] / "daemon"
WRITERS = {
    "reserved": {"vm/vm_reserved.c", "launch/reserve.c"},
    "boot": {"vm/vm_boot.c"},
    "process": {"vm/vm_process.c"},
    "guest": {"vm/vm_guest.c"},
    "cause": {"vm/vm_state.c"},
    "restart": {"vm/vm_restart.c", "launch/restart.c"},
    "stages": {"vm/vm_stages.c"},
}
GROUPS = "|".join(WRITERS)
MEMBER = rf"\w+->({GROUPS})\.\w+(?:\[[^]]*\]|\.\w+|->\w+)*"
CHANGES = re.compile(rf"{MEMBER}\s*(?:[-+|&]?=(?!=)|\+\+|--)|(?:\+\+|--){MEMBER}"
                     rf"|\b(?:TAKE_PTR|TAKE_FD|free|close)\(&?{MEMBER}|\bclosep\(&{MEMBER}"
                     rf"|&{MEMBER}(?=\)|, )")
# What is handed out by address to be read, or filled with what comes over the notify port.
LENT = {"guest.status_timer", "guest.notify"}


def changes(text):
    for match in CHANGES.finditer(text):
        group = next(filter(None, match.groups()))
        member = re.search(rf"{group}\.\w+", match.group()).group()
        if not (match.group().startswith("&") and member in LENT):
            yield group, match.group()


@pytest.mark.parametrize("text,group", [
    ("vm->guest.ready = true;", "guest"), ("vm->restart.in_row++;", "restart"),
    ("free(TAKE_PTR(vm->process.scope));", "process"), ("f(x, &vm->process.driver)", "process"),
    ("vm->reserved.forwards[i].host_port = 1;", "reserved"), ("--vm->boot.bytes[k];", "boot"),
    ("if (vm->guest.ready == early)", None), ("vm_guest_end(&vm->guest);", None),
])
def test_a_change_is_seen(text, group):
    assert [found for found, _ in changes(text)][:1] == ([group] if group else [])


def test_groups_are_changed_by_their_modules():
    bad = []
    for path in sorted(DAEMON.glob("**/*.c")):
        name = str(path.relative_to(DAEMON))
        bad += [f"{name}: {what}" for group, what in changes(path.read_text())
                if name not in WRITERS[group]]
    assert not bad, "\n".join(bad)
