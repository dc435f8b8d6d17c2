# SPDX-License-Identifier: Apache-2.0
"""cvmctl measure --tree and --svg: from each input by its events to registers."""
import json
import pathlib
import re
import struct

import pytest

from harness import exits, xml
from harness.measured import Files, measure
from harness.peer import Peer, cvmctl, measurement, register
from harness.screens import on_terminal

pytestmark = pytest.mark.qemu_driver("it launches nothing")

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
CMDLINE = ["--cmdline", "console=ttyS0 panic=-1"]
PROFILE = ["--profile", "edk2=202502,boot=menu,mrtd=page,kernel=raw,options=prefix,separator=rtmr1"]


@pytest.fixture
def files(tmp_path):
    return with_variables(Files(tmp_path))


def with_variables(files):
    """The firmware's store of variables is empty, so that RTMR0 can be predicted."""
    image = bytearray(files.data["firmware"])
    struct.pack_into("<H", image, 48, 0x48)
    image[0x48:0x1000] = b"\xff" * (0x1000 - 0x48)
    struct.pack_into("<I", image, 0x48 + 16, 0x1000 - 0x48)
    files.write("firmware", bytes(image))
    return files


def methods(files):
    """What to give for each method, with all inputs that it has."""
    boot = [*files.options("kernel", "initramfs"), *CMDLINE]
    acpi = files.directory / "acpi"
    acpi.mkdir(exist_ok=True)
    for name in ("table-loader", "rsdp", "tables"):
        (acpi / name).write_bytes(name.encode() * 100)
    return {
        "sev-snp-ovmf": [*files.options("firmware"), *boot, "--cpus", "2"],
        "sev-snp-igvm": [*files.options("igvm"), *boot, "--cpus", "2", "--profile",
                         "kernel=raw,options=prefix"],
        "tdx": [*files.options("firmware"), *boot, *PROFILE, "--acpi", acpi, "--memory", "2G"],
        "vtpm": [*boot, "--profile", "kernel=raw,options=prefix"],
    }


def events(result):
    """(register, algorithm, number, event): its digest and inputs."""
    return {(reg["name"], reg["algorithm"], number, event["event"]):
            (event.get("digest"), frozenset(event.get("inputs", ())))
            for reg in result["registers"] for number, event in enumerate(reg.get("events", ()), 1)}


def changed_byte(data, at=-1):
    data = bytearray(data)
    data[at] ^= 1
    return bytes(data)


@pytest.mark.parametrize("changed", ["kernel", "initramfs", "cmdline"])
@pytest.mark.parametrize("method", ["sev-snp-ovmf", "sev-snp-igvm", "tdx", "vtpm"])
def test_an_event_changes_with_its_inputs_alone(files, method, changed):
    args = methods(files)[method]
    before = events(measure(method, *args))
    if changed == "cmdline":
        args = [("console=ttyS0 panic=-2" if arg == CMDLINE[1] else arg) for arg in args]
    else:
        files.write(changed, changed_byte(files.data[changed]))
    after = events(measure(method, *args))
    renamed = {key: (key[0], key[1], key[2], key[3].replace("panic=-1", "panic=-2"))
               if changed == "cmdline" else key for key in before}
    assert {renamed[key] for key in before} == set(after)
    seen = False
    for key, (digest, inputs) in before.items():
        new, same = after[renamed[key]]
        assert same == inputs
        if key[0].startswith("LaunchDigest"):  # its digest is that after the step: the first counts
            seen = seen or (key[0] == "LaunchDigest" and changed in inputs)
            assert (new != digest) == (seen and method == "sev-snp-ovmf"), key
        elif digest:
            assert (new != digest) == (changed in inputs), key
    assert any(changed in inputs for _, inputs in before.values())


@pytest.mark.parametrize("file", ["table-loader", "rsdp", "tables"])
def test_files_of_acpi(files, file):
    args = methods(files)["tdx"]
    before = events(measure("tdx", *args))
    (files.directory / "acpi" / file).write_bytes(b"else")
    after = events(measure("tdx", *args))
    changed = {key for key, value in before.items() if after[key] != value}
    assert {before[key][1] for key in changed} == {frozenset({f"acpi/{file}"})}
    assert [key[3] for key in changed] == [
        f"etc/{'' if file == 'table-loader' else 'acpi/'}{file}"]


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("method", ["sev-snp-ovmf", "tdx", "vtpm"])
def test_screens(files, method, columns):
    args = ("measure", "--platform", method, *methods(files)[method], "--tree")
    lines = on_terminal(columns, *args)
    assert lines == (GOLDEN / f"tree-{method}-{columns}.txt").read_text().splitlines()
    assert max(map(len, lines)) <= columns
    plain = on_terminal(columns, *args, environment={"LC_ALL": "C"})
    assert "".join(plain).isascii() and len(plain) == len(lines)
    assert any("\x1b[1m" in line for line in on_terminal(columns, *args,
                                                         environment={"NO_COLOR": ""}))


@pytest.mark.parametrize("method", ["sev-snp-ovmf", "sev-snp-igvm", "tdx", "vtpm"])
def test_a_pipe_gets_all_of_it(files, method):
    args = methods(files)[method]
    result = measure(method, *args)
    out = cvmctl("measure", "--platform", method, *args, "--tree").out
    for reg in result["registers"]:
        assert reg.get("value", reg.get("reason")) in out
    for (name, _, number, what), (digest, inputs) in events(result).items():
        assert what in out and out.count(digest or f"{name}, event {number}\n") >= len(inputs)
    drawn = xml.texts(cvmctl("measure", "--platform", method, *args, "--svg", "-").raw)
    for *_, what in events(result):
        assert what[:40] in drawn
    for reg in result["registers"]:
        assert reg["name"] in drawn


def test_an_event_is_below_each_of_its_inputs(files):
    args = methods(files)["sev-snp-ovmf"]
    lines = cvmctl("measure", "--platform", "sev-snp-ovmf", *args, "--tree").out.splitlines()
    below, current = {}, None
    for line in lines:
        if line[0] not in "├└│ ":
            current = line.split(":")[0]
        elif "kernel hashes" in line:
            below[current] = line
    assert set(below) == {"kernel", "initramfs", "cmdline"}


def test_of_a_cvm():
    """What the daemon has; also of a record that does not say what events are made from."""
    said = [{"event": "kernel", "digest": "ab" * 32, "inputs": ["kernel", "something-newer"]},
            {"event": "separator", "digest": "cd" * 32}]
    document = measurement(register("PCR4", "ef" * 32, "sha256", events=said),
                           inputs={"kernel": {"sha256": "12" * 32}, "cpus": "2"})
    with Peer(Measure={"measurement": document}) as peer:
        assert peer.cvmctl("measure", "web", "--tree").out.splitlines() == [
            f"kernel: sha256 {'12' * 32}", "└─ kernel",
            f"   └─ PCR4-sha256, event 1 {'ab' * 32}", "cpus: 2", "the same for all CVMs",
            "└─ separator", f"   └─ PCR4-sha256, event 2 {'cd' * 32}",
            "Registers", f"└─ PCR4-sha256 {'ef' * 32}"]


def test_texts_are_safe(tmp_path):
    bad = "\x1b[2J\u202e<script>&'\"\n" + "\ufffe" + "x" * 300
    document = measurement(register("PCR4", "ef" * 32, "sha256", reason=bad,
                                    events=[{"event": bad, "inputs": ["cmdline"]}] * 9),
                           inputs={"cmdline": bad})
    with Peer(Measure={"measurement": document}) as peer:
        lines = on_terminal(60, "--socket", peer.path, "measure", "web", "--tree")
        assert max(map(len, lines)) <= 60 and "\x1b" not in "".join(lines)
        drawing = peer.cvmctl("measure", "web", "--svg", "-")
        assert "<script>" in xml.texts(drawing.raw)
        file = tmp_path / "link.svg"
        file.symlink_to("elsewhere")
        assert peer.cvmctl("measure", "web", "--svg", file).code == exits.DATA


@pytest.mark.parametrize("args", [("--tree", "--json"), ("--svg", "f", "--format", "corim"),
                                  ("--tree", "--svg", "f")])
def test_one_form_at_a_time(files, args, tmp_path):
    done = cvmctl("measure", "--platform", "vtpm", *files.options("kernel"), *args, cwd=tmp_path)
    assert (done.code, done.out) == (exits.USAGE, "") and not (tmp_path / "f").exists()


def test_a_difference_is_coloured_on_a_terminal_only(tmp_path):
    report = tmp_path / "pcrs"
    report.write_text(f"  sha256:\n    4 : 0x{'12' * 32}\n    9 : 0x{'34' * 32}\n")
    expect = tmp_path / "expect.json"
    expect.write_text(json.dumps(measurement(register("PCR4", "ab" * 32, "sha256"),
                                             register("PCR9", "34" * 32, "sha256"))))
    args = ("verify", "--report", report, "--expect", expect)
    colour = {"NO_COLOR": ""}
    for columns in (60, 80, 120):
        plain = on_terminal(columns, *args, code=exits.REFUTED)
        lines = on_terminal(columns, *args, code=exits.REFUTED, environment=colour)
        assert "\x1b" not in "".join(plain)
        assert max(len(line) for line in plain if line.startswith("    ")) <= columns
        at = next(i for i, line in enumerate(lines) if line.endswith(" PCR4-sha256"))
        assert lines[at].startswith("\x1b[31mFAIL")
        green = [line for line in lines if re.search("\x1b\\[32m[ab]+\x1b", line)]
        red = [line for line in lines if re.search("\x1b\\[31m[12]+\x1b", line)]
        assert len(green) == len(red) == (2 if columns < 77 else 1)
        assert any(line.startswith("\x1b[32mpass") and "PCR9" in line for line in lines)
        assert not any("34" * 8 in line and "\x1b" in line for line in lines)
    piped = cvmctl(*args).out
    assert f"    expected {'ab' * 32}\n    found    {'12' * 32}\n" in piped and "\x1b" not in piped
