# SPDX-License-Identifier: Apache-2.0
"""cvmctl measure of a spec file and of a CVM: the values that launch and status show."""
import hashlib
import json
import os
import pathlib

import pytest

from harness import exits, images
from harness.peer import Peer, cvmctl, measurement, register

pytestmark = pytest.mark.qemu_driver("it measures what a spec says, for no driver")

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "templates"
# Platform: what it boots the kernel with.
PLATFORMS = {"sev-snp-ovmf": "firmware", "tdx": "firmware", "sev-snp": "igvm",
             "plain-uefi": "firmware"}
# Every register of a platform that can be predicted without ACPI tables.
PCRS = {f"PCR{n}-{bank}" for n in (4, 9) for bank in ("sha256", "sha384")}
REGISTERS = {"sev-snp-ovmf": {"LaunchDigest"}, "tdx": {"MRTD", "RTMR1", "RTMR2", "RTMR3"},
             "sev-snp": {"LaunchDigest", "LaunchDigestAllVcpus"} | PCRS, "plain-uefi": PCRS}
CMDLINE = "console=ttyS0 panic=-1"
CODE = images.code("2025.08-1", prefix=True, raw=True)
QEMU = "7.2.0"  # the fake's version


@pytest.fixture
def daemon(make_daemon, config, tmp_path):
    """Its templates of those names run an ordinary VM, and are measured as the real ones."""
    directory = tmp_path / "templates"
    directory.mkdir()
    for name in PLATFORMS:
        plain = json.loads((TEMPLATES / "plain.json").read_text())
        real = json.loads((TEMPLATES / f"{name}.json").read_text())
        plain.update(name=name, measure=real["measure"],
                     artifacts={kind: {} for kind in real["artifacts"]})
        plain["arguments"] = [part for part in plain["arguments"]
                              if "firmware" not in json.dumps(part)]
        (directory / f"{name}.json").write_text(json.dumps(plain))
    return make_daemon({**config, "templates": str(directory)})


@pytest.fixture
def files(tmp_path):
    data = {"kernel": images.kernel(), "initramfs": images.initramfs(),
            "firmware": images.firmware(0x10000, code_section=CODE), "igvm": images.igvm(CODE)}
    for name, content in data.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def spec(files, template, **fields):
    """A spec file with paths relative to it."""
    kinds = ("kernel", "initramfs", PLATFORMS[template])
    path = files / "spec.json"
    whole = {"name": "web", "platform": template, "cpus": 2, "memory": "64M", "cmdline": CMDLINE,
             **{kind: {"path": kind} for kind in kinds}, **fields}
    path.write_text(json.dumps({key: value for key, value in whole.items() if value is not None}))
    return path


def record(result):
    """As a CVM's record has the registers that have a value."""
    return {reg["name"] + (f"-{reg['algorithm']}" if reg["name"].startswith("PCR") else ""):
            reg["value"] for reg in result["registers"] if reg["state"] == "value"}


def measured(*args):
    done = cvmctl("measure", *args, "--json")
    assert done.code == 0, done.err
    return done.json


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("cmdline", [CMDLINE, None])
def test_status_shows_what_the_offline_command_shows(daemon, files, platform, cmdline):
    path = spec(files, platform, cmdline=cmdline)
    offline = record(measured("--file", path, "--qemu", QEMU))
    assert set(offline) == REGISTERS[platform]
    launched = json.loads(daemon.cvmctl("launch", "--file", path, "--json").stdout)
    shown = json.loads(daemon.cvmctl("status", "web", "--json").stdout)
    assert shown["state"] == "running"
    assert launched["measurement"] == shown["measurement"] == offline
    of_name = json.loads(daemon.cvmctl("measure", "web", "--json").stdout)
    assert of_name == measured("--file", path, "--qemu", QEMU)
    # The flags' form says the same.
    kinds = ("kernel", "initramfs", PLATFORMS[platform])
    flags = [word for kind in kinds for word in (f"--{kind}", files / kind)]
    assert record(measured("--platform", platform, *flags, "--cpus", 2, "--memory", "64M",
                           "--cmdline", cmdline or "console=null quiet",
                           "--qemu", QEMU)) == offline
    # Text has the values too.
    text = daemon.cvmctl("measure", "web").stdout
    for name, value in offline.items():
        assert f"{name.split('-')[0]} {name.split('-')[1] if '-' in name else 'sha384'} {value}" \
            in text.splitlines()


def of_web(daemon):
    return json.loads(daemon.cvmctl("measure", "web", "--json").stdout)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_later_daemon_knows_it(daemon, files, platform):
    daemon.cvmctl("launch", "--file", spec(files, platform))
    before = of_web(daemon)
    assert before["method"] and before["inputs"]["kernel"]["size"]
    daemon.kill()
    for kind in ("kernel", "initramfs", PLATFORMS[platform]):
        (files / kind).unlink()
    daemon.start()
    assert of_web(daemon) == before
    daemon.cvmctl("pause", "web")  # the record is written anew
    daemon.kill()
    daemon.start()
    assert of_web(daemon) == before
    daemon.cvmctl("stop", "--force", "web")
    assert of_web(daemon) == before


def test_of_an_earlier_versions_cvm(daemon, files):
    """Its record has the values alone."""
    daemon.cvmctl("launch", "--file", spec(files, "sev-snp-ovmf"))
    before = of_web(daemon)
    daemon.kill()
    (path,) = (daemon.state / "records").glob("*.json")
    kept = json.loads(path.read_text())
    del kept["measured"]
    path.write_text(json.dumps(kept))
    daemon.start()
    (reg,), (known,) = of_web(daemon)["registers"], before["registers"]
    assert reg == {key: known[key] for key in ("name", "algorithm", "state", "value")}
    assert of_web(daemon)["inputs"] == inputs_alone(files, "kernel", "initramfs", "firmware")


def inputs_alone(files, *kinds):
    """What is known without a document."""
    return {"cpus": "2", "memory": "64M",
            **{kind: {"sha256": hashlib.sha256((files / kind).read_bytes()).hexdigest()}
               for kind in kinds}}


def test_of_one_that_is_not_measured(cvmd, files):
    path = spec(files, "plain-uefi", platform="plain", firmware=None)
    cvmd.cvmctl("launch", "--file", path)
    assert of_web(cvmd) == {"platform": "plain", "registers": [],
                            "inputs": inputs_alone(files, "kernel", "initramfs")}


def test_settings_are_of_it(daemon, files):
    """What the launch was given beside the files: an attestation shows it, too."""
    daemon.cvmctl("launch", "--file", spec(files, "plain-uefi"))
    daemon.kill()
    (path,) = (daemon.state / "records").glob("*.json")
    kept = json.loads(path.read_text())
    kept["spec"]["launchSecurity"] = {"policy": "0x30000"}
    kept["binding"] = {"field": "hostData", "value": "ab" * 32, "document": "{}"}
    path.write_text(json.dumps(kept))
    daemon.start()
    shown = of_web(daemon)
    assert (shown["launchSecurity"], shown["binding"]) == ({"policy": "0x30000"}, kept["binding"])


def test_steps_without_end_are_not_kept(daemon, files):
    """An IGVM file may have as many pages as it likes: the record stays small."""
    file = images.Igvm(0x10000)
    file.platform(1, 2, vtl=2)
    for page in range(0, 2000, 2):
        file.page(1, page << 12)
    file.vp(1, images.vmsa())
    (files / "igvm").write_bytes(file.finish())
    path = spec(files, "sev-snp")
    offline = measured("--file", path, "--qemu", QEMU)
    assert max(len(reg.get("events", [])) for reg in offline["registers"]) > 900
    daemon.cvmctl("launch", "--file", path)
    assert record(of_web(daemon)) == record(offline)
    assert not any(reg.get("events") for reg in of_web(daemon)["registers"]
                   if reg["name"] == "LaunchDigest")


def test_options_replace_the_specs_fields(files):
    path = spec(files, "sev-snp-ovmf")
    other = files / "other"
    other.write_bytes(images.initramfs(7000))
    base = record(measured("--file", path))
    changed = [("--cpus", "3"), ("--cmdline", "x"), ("--initramfs", other), ("--initramfs", ""),
               ("--platform", "vtpm")]
    for option in changed:
        assert record(measured("--file", path, *option)) != base, option
    assert record(measured("--file", path, "--cpus", "2")) == base
    assert measured("--file", path, "--platform", "tdx")["platform"] == "tdx"


def test_a_spec_from_standard_input(files):
    path = spec(files, "sev-snp-ovmf")
    done = cvmctl("measure", "--file", "-", "--json", input=path.read_bytes(), cwd=files)
    assert record(done.json) == record(measured("--file", path))


@pytest.mark.parametrize("fields, words", [
    ({"platform": "auto"}, ["platform", "host", "--platform"]),
    ({"platform": None}, ["platform", "host"]),
    ({"kernel": {"name": "kernel"}}, ["kernel", "embedded:kernel", "give a file"]),
    ({"kernel": None}, ["kernel", "embedded:kernel"]),
    ({"initramfs": None, "debug": True}, ["initramfs", "initramfs-debug"]),
    ({"firmware": None}, ["firmware", "embedded:firmware-sev"]),
    ({"kernel": {"path": "kernel", "sha256": "0" * 64}}, ["0" * 64]),
    ({"kernel": {"path": "none-such"}}, ["none-such"]),
    ({"cpus": 0}, ["spec.json:", "cpus"]),
    ({"nonsense": 1}, ["nonsense"]),
    ({"igvm": {"path": "igvm"}}, ["igvm", "does not boot from such a file"]),
])
def test_specs_that_are_refused(files, fields, words):
    done = cvmctl("measure", "--file", spec(files, "sev-snp-ovmf", **fields))
    absent = fields.get("kernel") == {"path": "none-such"}
    assert (done.code, done.out) == (exits.NOT_FOUND if absent else exits.DATA, ""), done
    for word in words:
        assert word in done.err, done.err


def test_without_vcpus_nothing_is_guessed(files):
    """The daemon's default is its configuration's."""
    (reg,) = measured("--file", spec(files, "sev-snp-ovmf", cpus=None))["registers"]
    assert reg["state"] == "not-given" and "--cpus" in reg["reason"]


@pytest.mark.parametrize("option", [("--file", "x"), ("--platform", "tdx"), ("--cpus", "1")])
def test_a_cvm_was_measured_already(option):
    done = cvmctl("measure", "web", *option)
    assert done.code == exits.USAGE and option[0] in done.err


GOOD = register("MRTD", "ab" * 48, reason="as it is", events=[{"event": "firmware"}])


@pytest.mark.parametrize("document, word", [
    ({"registers": None}, "registers"), ({"registers": {}}, "registers"),
    ({"inputs": None}, "inputs"), ({"inputs": []}, "inputs"), ({"profile": []}, "profile"),
    ({"registers": [register("MRTD", "ab")]}, "registers"),
    ({"registers": [register("RTMR1", "zz" * 48)]}, "registers"),
    ({"registers": [register("PCR4", "ab" * 48, "sha256")]}, "registers"),
    ({"registers": [register("PCR4", "ab" * 48, "sha1")]}, "registers"),
    ({"registers": [register("PCR\x1b", "ab" * 48)]}, "registers"),
    ({"registers": [register("", "ab" * 48)]}, "registers"),
    ({"registers": [register("A" * 33, "ab" * 48)]}, "registers"),
    ({"registers": [{**GOOD, "state": "perhaps"}]}, "registers"),
    ({"registers": [{**GOOD, "events": {}}]}, "registers"),
    ({"registers": [{**GOOD, "events": [{}]}]}, "registers"),
    ({"registers": [{**GOOD, "events": [{"event": "x", "digest": 1}]}]}, "registers"),
    ({"registers": [{**GOOD, "events": [{"event": "x", "digest": "ab"}]}]}, "registers"),
    ({"inputs": {"kernel": 7}}, "inputs"), ({"inputs": {"kernel": {"sha256": "ab"}}}, "inputs"),
    ({"inputs": {"a b": "c"}}, "inputs"),
    ({"inputs": {"kernel": {"sha256": "ab" * 32, "size": -1, "sha384": "ab" * 48}}}, "inputs"),
    ({"inputs": {"kernel": {"sha256": "ab" * 32, "size": 1}}}, "inputs"),
])
def test_answers_that_are_not_understood(document, word):
    with Peer(Measure={"measurement": {**measurement(GOOD), **document}}) as peer:
        done = peer.cvmctl("measure", "web")
    assert done.code == 1 and f"has {word} that this cvmctl does not know" in done.err


def test_answers_as_text():
    hostile = {"event": "\x1b[2J", "digest": "cd" * 48}
    document = measurement(
        {**GOOD, "events": [{"event": "firmware"}, hostile]},
        {"name": "RTMR0", "algorithm": "sha384", "state": "not-given", "reason": "\x1b[3J"},
        inputs={"cmdline": "\x1b[4J", "kernel": {"sha256": "ef" * 32}},
        profile={"mrtd": {"value": "\x1b[5J", "source": "x"}})
    with Peer(Measure={"measurement": document}) as peer:
        done = peer.cvmctl("measure", "web")
    assert done.code == 0 and "\x1b" not in done.out
    assert done.out.splitlines()[:4] == [f"MRTD sha384 {'ab' * 48}", "    as it is", "    firmware",
                                         "    \\x1b[2J"]
    assert f"        {'cd' * 48}\n" in done.out and f"Input kernel: sha256 {'ef' * 32}" in done.out


def test_files_are_read_with_the_callers_eyes(files):
    """A FIFO in the place of a kernel is refused at once."""
    os.mkfifo(files / "fifo")
    done = cvmctl("measure", "--file", spec(files, "sev-snp-ovmf", kernel={"path": "fifo"}))
    assert done.code == exits.DATA and "regular" in done.err


@pytest.mark.parametrize("form", [[], ["--tree"], ["--svg", "-"], ["--format", "corim"]])
def test_a_cvm_of_which_nothing_is_measured(form):
    nothing = {"version": 1, "platform": "plain", "registers": [], "inputs": {}}
    with Peer(Measure={"measurement": nothing}) as peer:
        done = peer.cvmctl("measure", "web", *form)
        offline = cvmctl("measure", "--platform", "plain")
        assert (done.code, done.out, done.err) == (exits.DATA, "", offline.err)
        assert peer.cvmctl("measure", "web", "--json").json["registers"] == []


def test_measure_of_nothing_names_what_is_required():
    assert "a CVM's name, --platform or --file" in cvmctl("measure").err
