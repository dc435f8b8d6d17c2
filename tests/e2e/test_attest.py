# SPDX-License-Identifier: Apache-2.0
"""cvm-attest(7): the guest's evidence over TLS 1.3. Most of it by the program on this machine, with
a TPM of swtpm's and a fake TSM; and once by a guest."""
import json
import os
import pathlib
import pty
import shutil
import socket
import subprocess
import tty

import pytest

from harness import attest
from harness.agent import Agent

SSL = attest.SSL
pytestmark = pytest.mark.skipif(not shutil.which("swtpm"), reason="swtpm is not installed")
BUILD = pathlib.Path(os.environ.get("CVMD", pathlib.Path(__file__).resolve().parents[2] /
                                    "build/daemon/cvmd")).resolve().parents[1]
PROGRAM = BUILD / "tests/unit/hal/cvm-attest"


class Host:
    """The program, to which clients are passed as the agent does."""

    def __init__(self, *options):
        own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self.process = subprocess.Popen(
                ["/bin/bash", "-c", f'exec "$0" "$@" 3<&{other.fileno()}', PROGRAM, *options],
                pass_fds=[other.fileno()])
        self.socket = own

    def dial(self):
        own, other = socket.socketpair()
        with other:
            socket.send_fds(self.socket, [b"c"], [other.fileno()])
        return own

    def connect(self):
        return attest.Channel(self.dial())

    def close(self):
        """It ends with the agent."""
        self.socket.close()
        assert self.process.wait(60) == 0


@pytest.fixture
def tpm(tmp_path):
    """The path of a terminal that behaves like the device of a TPM."""
    master, slave = pty.openpty()
    for end in (master, slave):
        tty.setraw(end)
    process = subprocess.Popen(["swtpm", "chardev", "--tpm2", "--tpmstate", f"dir={tmp_path}",
                                "--fd", str(master), "--flags", "not-need-init,startup-clear"],
                               pass_fds=[master], stderr=subprocess.DEVNULL)
    yield os.ttyname(slave)
    process.kill()
    process.wait()
    os.close(master)
    os.close(slave)


@pytest.fixture
def host(tmp_path, tpm):
    started = []

    def start(*options):
        started.append(Host("--tpm", tpm, "--tsm", tmp_path / "tsm", *options))
        return started[-1]
    yield start
    for one in started:
        one.close()


def missing(evidence):
    return {miss["claim"]: miss["reason"] for miss in evidence["missing"]}


def check_tpm(channel):
    """Quotes of this channel and a credential that only this TPM opens. Returns the evidence."""
    evidence, bound = channel.evidence()
    tpm = evidence["tpm"]
    ek, ak = attest.decode(tpm["ekPublic"]), attest.decode(tpm["akPublic"])
    restricted, sign, fixed = 1 << 16, 1 << 18, 1 << 1
    assert attest.Public(ak).attributes & (restricted | sign | fixed) == restricted | sign | fixed
    assert [quote["bank"] for quote in tpm["quotes"]] == ["sha256", "sha384"]
    for quote in tpm["quotes"]:
        assert attest.check_quote(quote, ak, bound) is None
        assert attest.check_quote(quote, ak, bytes(64)) == "binding"
        changed = {**quote, "pcrs": ["12" * (len(quote["pcrs"][0]) // 2), *quote["pcrs"][1:]]}
        assert attest.check_quote(changed, ak, bound) == "pcrs"
    good = attest.make_credential(ek, attest.name_of(ak), b"a secret")
    assert channel.activate(*good) == {"credential": attest.encode(b"a secret")}
    other = attest.make_credential(ek, attest.name_of(ak + b"x"), b"a secret")
    assert channel.activate(*other)["error"]["reason"] == "refused"
    return evidence


def test_tpm_and_relay(host):
    """What one connection gets is not good for another one, nor for another random."""
    program = host()
    with program.connect() as first, program.connect() as second:
        assert first.spki == second.spki and first.exporter != second.exporter
        evidence = check_tpm(first)
        assert missing(evidence) == {"tsm": "absent", "svsm": "absent", "tpm.eventLog": "absent",
                                     "tpm.ekCertificate": "absent"}
        assert evidence["vouchedBy"]["tpm"] == "guest"
        quote = evidence["tpm"]["quotes"][0]
        _, bound = second.evidence()
        ak = attest.decode(evidence["tpm"]["akPublic"])
        assert attest.check_quote(quote, ak, bound) == "binding"


def fake_entry(directory, name, **files):
    entry = directory / name
    entry.mkdir(parents=True)
    for attribute, data in files.items():
        (entry / attribute).write_bytes(data)
    return entry


def test_reports(host, tmp_path):
    """SEV-SNP below an SVSM; an older SVSM; TDX. The files are what configfs would show."""
    entry = fake_entry(tmp_path / "tsm", "cvm-attest", inblob=b"", outblob=b"R" * 1184,
                       auxblob=b"table", provider=b"sev_guest\n", privlevel=b"",
                       privlevel_floor=b"2\n")
    service = {"inblob": b"", "outblob": b"S" * 1184, "provider": b"sev_guest\n", "auxblob": b"",
               "service_provider": b"", "service_guid": b""}
    single = fake_entry(tmp_path / "tsm", "cvm-attest-vtpm", manifestblob=b"\0\x01EK",
                        service_manifest_version=b"", **service)
    every = fake_entry(tmp_path / "tsm", "cvm-attest-services", manifestblob=b"table", **service)
    program = host()
    with program.connect() as channel:
        evidence, bound = channel.evidence(claims=["tsm", "svsm"])
        assert evidence["reportPrivilegeLevel"] == 2 and "tpm" not in evidence
        assert attest.decode(evidence["report"]) == b"R" * 1184
        assert attest.decode(evidence["reportCertificates"]) == b"table"
        assert (entry / "inblob").read_bytes() == (single / "inblob").read_bytes() == bound
        assert (entry / "privlevel").read_bytes() == b"2"
        assert evidence["svsm"] == {"services": "vtpm", "manifestVersion": 0,
                                    "report": attest.encode(b"S" * 1184),
                                    "manifest": attest.encode(b"\0\x01EK")}
        assert (single / "service_provider").read_bytes() == b"svsm"
        assert (single / "service_guid").read_bytes() == b"c476f1eb-0123-45a5-9641-b4e7dde5bfe3"

        shutil.rmtree(single)
        (entry / "provider").write_bytes(b"tdx_guest\n")
        evidence, bound = channel.evidence()
        assert evidence["svsm"]["services"] == "all"
        assert (every / "inblob").read_bytes() == bound
        assert evidence["tpm"]["ekType"] == "rsa-2048" and "report" not in evidence
        assert attest.decode(evidence["quote"]) == b"R" * 1184
        assert missing(evidence)["ccel"] == "absent"


def test_an_rsa_key_opens_credentials_too(host, tmp_path):
    fake_entry(tmp_path / "tsm", "cvm-attest-services", inblob=b"", outblob=b"S", auxblob=b"",
               provider=b"sev_guest\n", service_provider=b"", service_guid=b"", manifestblob=b"M")
    with host().connect() as channel:
        assert check_tpm(channel)["tpm"]["ekType"] == "rsa-2048"


def test_the_first_request_decides_nothing_for_later_ones(host, tmp_path):
    """Without the SVSM's report any kind of key does; with it, the kind of the SVSM's TPM."""
    fake_entry(tmp_path / "tsm", "cvm-attest-services", inblob=b"", outblob=b"S", auxblob=b"",
               provider=b"sev_guest\n", service_provider=b"", service_guid=b"", manifestblob=b"M")
    program = host()
    with program.connect() as channel:
        assert channel.evidence(claims=["tpm"])[0]["tpm"]["ekType"] == "ecc-p256"
    with program.connect() as channel:
        assert check_tpm(channel)["tpm"]["ekType"] == "rsa-2048"
    with program.connect() as channel:  # which costs no client its keys again
        before = channel.evidence(claims=["tpm"])[0]["tpm"]
        assert before["ekType"] == "rsa-2048"
        assert channel.evidence()[0]["tpm"]["akPublic"] == before["akPublic"]


def test_no_tpm(host):
    with host("--tpm", "/nonexistent").connect() as channel:
        evidence, _ = channel.evidence()
        assert missing(evidence) == {"tsm": "absent", "svsm": "absent", "tpm": "absent"}
        assert channel.activate(b"1", b"2")["error"]["reason"] == "no-tpm"


@pytest.mark.parametrize("line, field", [
    (b"{}\n", "method"),
    (b'{"method":"evidence"}\n', "random"),
    (b'{"method":"evidence","random":"AAEC"}\n', "random"),
    (b'{"method":"evidence","random":"' + b"A" * 43 + b'=","claims":["gpu"]}\n', "claims"),
    (b'{"method":"evidence","nonce":1}\n', None),
    (b"[]\n", None),
    (b"\n", None),
])
def test_wrong_requests(host, line, field):
    with host().connect() as channel:
        error = channel.ask(line)["error"]
        assert error["reason"] == "invalid-request" and error.get("field") == field
        assert channel.evidence()[0]["version"] == 1


def test_clients_without_end(host):
    """One that sends without an end, older TLS, no TLS, and more than there are places for."""
    program = host()
    with program.connect() as channel:
        with pytest.raises((SSL.Error, SSL.SysCallError, BrokenPipeError)):
            for _ in range(4096):  # of 1 MiB: the guest must not take it
                channel.tls.sendall(b"x" * (1 << 20))
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    with program.dial() as sock:
        old = SSL.Connection(context, sock)
        old.set_connect_state()
        with pytest.raises(SSL.Error):
            old.do_handshake()
    with program.dial() as sock:
        sock.sendall(b"\x16garbage that is not a record")
        sock.settimeout(60)
        try:
            while sock.recv(100):
                pass
        except ConnectionResetError:
            pass
    silent = [program.dial() for _ in range(40)]
    with program.connect() as channel:
        assert channel.evidence(claims=["tpm"])[0]["tpm"]["quotes"]
    for sock in silent:
        sock.close()


def test_requests_are_counted(host):
    with host().connect() as channel:
        for _ in range(16):
            assert "error" in channel.ask({})
        assert channel.read_line() is None


def launch(daemon, name, kernel, initramfs, *more):
    daemon.cvmctl("launch", name, "--platform", "plain-uefi", "--memory", "512M", "--cpus", 1,
                  "--kernel", kernel, "--initramfs", initramfs, *more, timeout=300)


def judge(daemon, *args):
    """The verdict as JSON, and the outcome of each check by its name."""
    done = daemon.cvmctl(*args, "--json", check=False, timeout=120)
    assert done.stdout, done.stderr
    verdict = json.loads(done.stdout)
    results = {check["check"]: check["result"] for check in verdict["checks"]}
    return done.returncode, verdict, results


def check_cvmctl(daemon, files, tmp_path):
    """cvmctl attests the CVM and keeps what it saw. Only the origin of the EK is open: a TPM of
    swtpm's has no certificate. Another initramfs is refused, by the event that measures it."""
    kept = tmp_path / "evidence.json"
    status, verdict, live = judge(daemon, "attest", "tpm", "--expect", "tpm", "--evidence", kept)
    assert status == 21, verdict
    assert {name for name, result in live.items() if result != "right"} == {"ek-origin"}
    status, verdict, later = judge(daemon, "verify", "--evidence", kept, "--expect", "tpm")
    assert status == 21, verdict
    assert {name for name, result in later.items() if result != "right"} == {
        "ek-origin", "ak-binding", "freshness"}
    assert [link["reason"] for link in verdict["chain"] if link["link"].startswith("PCR")] == [
        "as the file says"] * 2
    text = daemon.cvmctl("attest", "tpm", "--expect", "tpm", check=False, timeout=120).stdout
    assert "\n    pass        PCR 4 (kernel)\n" in text
    assert "\n    pass        PCR 9 (command line, initramfs)\n" in text
    assert text.endswith("Verdict: not verified; not checked: ek-origin\n")

    changed = bytearray((files / "initramfs.cpio.gz").read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "initramfs").write_bytes(changed)
    launch(daemon, "other", files / "bzImage", tmp_path / "initramfs", "--paused")
    status, verdict, other = judge(daemon, "attest", "tpm", "--expect", "other")
    assert status == 20, verdict
    assert other["PCR4-sha256"] == "right" and other["PCR9-sha256"] == "wrong"
    text = daemon.cvmctl("attest", "tpm", "--expect", "other", check=False, timeout=120).stdout
    assert "is the first that differs: initramfs (" in text
    assert "\n    FAIL        PCR 9 (command line, initramfs): " in text


def test_guest(make_daemon, config, guest, tmp_path):
    """The program in the image, by the agent's port; the PCRs are those predicted. cvmctl judges
    the same."""
    files = guest("own")
    daemon = make_daemon(config)
    launch(daemon, "tpm", files / "bzImage", files / "initramfs.cpio.gz", "--wait", "ready")
    cvm = daemon.status("tpm")
    agent = Agent(cvm)
    assert agent.ask()["attest"] == 1
    with attest.Channel(socket.create_connection(agent.address)) as channel:
        evidence = check_tpm(channel)
    pcrs = {quote["bank"]: quote["pcrs"] for quote in evidence["tpm"]["quotes"]}
    assert {name: pcrs[name.split("-")[1]][int(name[3:].split("-")[0])]
            for name in cvm["measurement"]} == cvm["measurement"]
    assert b"Calling EFI Application" in attest.decode(evidence["tpm"]["eventLog"])
    check_cvmctl(daemon, files, tmp_path)
    assert agent.ask()["attest"] == 1
