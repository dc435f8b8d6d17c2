# SPDX-License-Identifier: Apache-2.0
"""A driver is a folder of daemon/driver and one line of its meson.build: no other file of the
daemon names a driver, or decides anything by a driver's name."""
import pathlib
import re

import pytest

DAEMON = pathlib.Path(__file__).resolve().parents[2] / "daemon"
# "qemu" alone is the hypervisor of every driver: what names its driver are these.
NAMES = re.compile(r"libvirt|driver/qemu/|driver_qemu|->driver, \"", re.IGNORECASE)
LEFT = {
    # cvmd.conf(5) is one file, read by one module before there is any driver.
    "local/config.c": {"libvirt"},
    "local/config.h": {"libvirt"},
    "local/config_fixed.c": {"libvirt"},
    # The one line.
    "driver/meson.build": {"libvirt"},
}


def folders(root):
    """The names of the drivers."""
    return {path.parent.name for path in root.glob("driver/*/meson.build")}


def problems(root):
    found = []
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_dir() or name.startswith(tuple(f"driver/{one}/" for one in folders(root))):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if {word.lower() for word in NAMES.findall(line)} - LEFT.get(name, set()):
                found.append(f"{name}:{number}: {line.strip()}")
    return found


def test_nothing_names_a_driver():
    assert not problems(DAEMON), "\n".join(problems(DAEMON))


def test_each_exception_is_used():
    assert [name for name in LEFT if not NAMES.search((DAEMON / name).read_text())] == []


def test_a_driver_is_one_line():
    text = (DAEMON / "driver/meson.build").read_text()
    assert re.findall(r"^subdir\('(\w+)'\)$", text, re.MULTILINE) == ["qemu", "libvirt"]
    assert folders(DAEMON) == {"qemu", "libvirt"}
    for driver in folders(DAEMON):
        inside = (DAEMON / "driver" / driver / "meson.build").read_text()
        assert re.search(rf"^ *drivers \+= '{driver}'$", inside, re.MULTILINE)
        assert len(re.findall(rf"\b{driver}\b", text)) == 1


def test_drivers_do_not_know_each_other():
    for driver in folders(DAEMON):
        text = "".join(path.read_text() for path in (DAEMON / "driver" / driver).glob("*.[ch]"))
        assert set(re.findall(r'"driver/(\w+)/', text)) == {driver}


@pytest.mark.parametrize("path, line", [
    ("launch/inputs.c", 'if (strcmp(spec->driver, "qemu") == 0)'),
    ("vm/vm.h", '#include "driver/qemu/driver_qemu.h"'),
    ("manager/manager.c", "home->libvirt_gid = 0;"), ("main.c", "/* for libvirt */")])
def test_a_name_is_noticed(tmp_path, path, line):
    inside = tmp_path / "driver/libvirt"
    inside.mkdir(parents=True)
    (inside / "meson.build").write_text("libvirt\n")
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"int x;\n{line}\n")
    assert problems(tmp_path) == [f"{path}:2: {line}"]
