# SPDX-License-Identifier: Apache-2.0
"""cvmctl verify: verdicts, exit status and JSON, on attestations of real machines."""
import base64
import copy
import hashlib
import json
import pathlib
import re
import struct

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness import exits, images
from harness.peer import Peer, cvmctl, measurement, refuse, register

pytestmark = pytest.mark.qemu_driver("it launches nothing")

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors"
DAY = ("--at", "2026-01-01")
MILAN = ("--report", VECTORS / "snp-milan.report", "--vcek", VECTORS / "snp-milan.vcek.der",
         "--cert-chain", VECTORS / "amd-milan.pem", *DAY)
QUOTE = ("--report", VECTORS / "tdx-v4.quote", *DAY)
REPORT = (VECTORS / "snp-milan.report").read_bytes()
VERIFIED, REFUSED = exits.VERIFIED_EXCEPT, exits.DATA
WRONG, NOT_VERIFIED = exits.REFUTED, exits.UNCHECKED


def verify(*args, **options):
    done = cvmctl("verify", *args, "--json", **options)
    assert not done.err
    return done.code, done.json


def checks(answer):
    return {check["check"]: check for check in answer["checks"]}


def wrong(answer):
    return [check["check"] for check in answer["checks"] if check["result"] == "wrong"]


def unchecked(answer):
    return [check["check"] for check in answer["checks"]
            if check["result"] == "not-checked" and check["needed"]]


@pytest.fixture
def expect(tmp_path):
    def write(**document):
        path = tmp_path / "expect.json"
        path.write_text(json.dumps(document))
        return ("--expect", path)
    return write


LAUNCH = register("LaunchDigest", REPORT[0x90:0xc0].hex())


def quote_registers():
    body = (VECTORS / "tdx-v4.quote").read_bytes()[48:]
    return [register("MRTD", body[136:184].hex())] + [
        register(f"RTMR{i}", body[328 + 48 * i:376 + 48 * i].hex()) for i in range(4)]


def test_snp(expect):
    code, answer = verify(*MILAN, *expect(registers=[LAUNCH]))
    assert (code, answer["report"], answer["verdict"]) == (VERIFIED, "sev-snp", "verified")
    assert not wrong(answer) and not unchecked(answer)
    never = checks(answer)["revocation"]
    assert (never["result"], never["needed"]) == ("not-checked", False)


@pytest.mark.parametrize("left_out,missing", [
    ("--vcek", ["signature", "certificates", "certificate-tcb", "chip-id"]),
    ("--cert-chain", ["certificates"]), ("--expect", ["LaunchDigest"])])
def test_partial_is_no_verdict(expect, left_out, missing):
    args = [*MILAN, *expect(registers=[LAUNCH])]
    at = args.index(left_out)
    code, answer = verify(*args[:at], *args[at + 2:])
    assert (code, answer["verdict"]) == (NOT_VERIFIED, "not-verified")
    assert unchecked(answer) == missing and not wrong(answer)


def test_snp_settings(expect):
    report_data = REPORT[0x50:0x90]
    security = {"policy": "0x30000", "hostData": base64.b64encode(REPORT[0xc0:0xe0]).decode()}
    args = (*MILAN, *expect(registers=[LAUNCH], launchSecurity=security, vmpl=0))
    nonce = base64.b64encode(report_data).decode()
    for given in (("--report-data", report_data.hex()), ("--nonce", nonce)):
        code, answer = verify(*args, *given)
        assert code == VERIFIED
        assert {"policy", "vmpl", "host-data", "report-data"} <= {
            check["check"] for check in answer["checks"] if check["result"] == "right"}
    code, answer = verify(*args, "--nonce", "AAEC")
    assert (code, wrong(answer)) == (WRONG, ["report-data"])
    security = {"policy": "0x20000", "hostData": base64.b64encode(bytes(31) + b"1").decode()}
    code, answer = verify(*MILAN, *expect(registers=[LAUNCH], launchSecurity=security, vmpl=1))
    assert (code, wrong(answer)) == (WRONG, ["policy", "vmpl", "host-data"])
    assert checks(answer)["policy"]["expected"] == "0x20000"
    assert checks(answer)["policy"]["found"] == "0x30000"


def test_binding(expect):
    """What bindWorkload has bound a CVM to, as its Status has it."""
    for value, code in ((REPORT[0xc0:0xe0].hex(), VERIFIED), ("12" * 32, WRONG)):
        document = expect(measurement={"LaunchDigest": LAUNCH["value"]},
                          binding={"field": "hostData", "value": value, "document": "{}"})
        got, answer = verify(*MILAN, *document)
        assert (got, wrong(answer)) == (code, [] if code == VERIFIED else ["host-data"])
    config = (VECTORS / "tdx-v4.quote").read_bytes()[48 + 184:][:48].hex()
    for value, code in ((config, VERIFIED), ("12" * 48, WRONG)):
        document = expect(registers=quote_registers(),
                          binding={"field": "mrConfigId", "value": value})
        assert verify(*QUOTE, *document)[0] == code


def test_tdx(expect):
    code, answer = verify(*QUOTE, *expect(registers=quote_registers()))
    assert (code, answer["report"], answer["verdict"]) == (VERIFIED, "tdx", "verified")
    for i in range(5):
        registers = quote_registers()
        registers[i]["value"] = "12" * 48
        code, answer = verify(*QUOTE, *expect(registers=registers))
        assert (code, wrong(answer)) == (WRONG, [registers[i]["name"]])
    registers = [{"name": "RTMR0", "algorithm": "sha384", "state": "not-predictable",
                  "reason": "no tables"} if reg["name"] == "RTMR0" else reg
                 for reg in quote_registers()]
    code, answer = verify(*QUOTE, *expect(registers=registers))
    assert (code, unchecked(answer)) == (NOT_VERIFIED, ["RTMR0"])
    assert checks(answer)["RTMR0"]["reason"] == "no tables"


def test_tdx_shows_its_platform():
    """Fields by their offsets in the quote: Intel, "TDX DCAP Quoting Library API", A.3."""
    quote = (VECTORS / "tdx-v4.quote").read_bytes()
    body, enclave = 48, 48 + 584 + 4 + 64 + 64 + 6
    _, answer = verify(*QUOTE)
    assert answer["shown"] == {
        "version": 4, "teeTcbSvn": quote[body:body + 16].hex(),
        "attributes": hex(int.from_bytes(quote[body + 120:body + 128], "little")),
        "xfam": hex(int.from_bytes(quote[body + 128:body + 136], "little")),
        "qeIsvSvn": int.from_bytes(quote[enclave + 258:enclave + 260], "little")}
    assert (answer["shown"]["xfam"], answer["shown"]["qeIsvSvn"]) == ("0x61ae7", 4)
    lines = cvmctl("verify", *QUOTE).out.splitlines()
    assert {"shown       xfam 0x61ae7", "shown       qeIsvSvn 4"} <= set(lines)


def test_expected_elsewhere(expect):
    """What the attestation does not show is no reason to pass."""
    registers = [LAUNCH, register("PCR4", "00" * 32, "sha256"), register("MRTD", "00" * 48)]
    code, answer = verify(*MILAN, *expect(registers=registers))
    assert (code, unchecked(answer)) == (NOT_VERIFIED, ["PCR4-sha256", "MRTD"])


def test_launch_digest_of_all_vcpus(expect):
    registers = [register("LaunchDigest", "12" * 48),
                 {**LAUNCH, "name": "LaunchDigestAllVcpus"}]
    assert verify(*MILAN, *expect(registers=registers))[0] == VERIFIED
    registers[1]["value"] = "13" * 48
    code, answer = verify(*MILAN, *expect(registers=registers))
    assert (code, wrong(answer)) == (WRONG, ["LaunchDigest"])


def test_dates(expect):
    args = (*MILAN[:-1], "{}", *expect(registers=[LAUNCH]))
    for day, code in (("2023-04-03", WRONG), ("2023-04-05", VERIFIED), ("2030-04-05", WRONG)):
        assert verify(*(day if arg == "{}" else arg for arg in args))[0] == code


def event_log(events):
    """Of a TPM with two banks: (PCR, type, data measured)."""
    banks = ((0x0b, 32, "sha256"), (0x0c, 48, "sha384"))
    head = struct.pack("<16sIBBBBI", b"Spec ID Event03", 0, 0, 2, 0, 2, len(banks))
    head += b"".join(struct.pack("<HH", *bank[:2]) for bank in banks) + b"\0"
    log = struct.pack("<II20sI", 0, 3, b"", len(head)) + head
    for pcr, kind, data in events:
        log += struct.pack("<III", pcr, kind, len(banks))
        for number, _, name in banks:
            log += struct.pack("<H", number) + hashlib.new(name, data).digest()
        log += struct.pack("<I", len(data)) + data
    return log


def extend(events, bank="sha256"):
    value = bytes(hashlib.new(bank).digest_size)
    for data in events:
        value = hashlib.new(bank, value + hashlib.new(bank, data).digest()).digest()
    return value.hex()


STEPS = (b"kernel", b"action", b"separator")


def steps(names):
    return [{"event": name.decode(), "digest": hashlib.sha256(name).hexdigest()} for name in names]


@pytest.mark.parametrize("form", ["answer", "pcrread"])
def test_pcrs(form, tmp_path, expect):
    value = extend(STEPS)
    if form == "answer":
        text = json.dumps({"agent": {"version": "0.1.0"}, "pcrs": {
            "sha1": {"4": "00" * 20}, "sha256": {"0": "00" * 32, "4": value}}}) + "\n"
    else:
        text = f"  sha256:\n    0 : 0x{'0' * 64}\n    4 : 0x{value.upper()}\n"
    log = tmp_path / "log"
    log.write_bytes(event_log([(4, 0x80000003, STEPS[0]), (4, 0x80000007, STEPS[1]),
                               (4, 4, STEPS[2])]))
    args = ("--report", "-", "--event-log", log)
    reg = register("PCR4", value, "sha256", events=steps(STEPS))
    code, answer = verify(*args, *expect(registers=[reg]), input=text.encode())
    assert (code, answer["report"], unchecked(answer)) == (NOT_VERIFIED, "pcrs", ["pcr-signature"])
    right = {check["check"] for check in answer["checks"] if check["result"] == "right"}
    assert right == {"PCR4-sha256", "log PCR4-sha256", "events PCR4-sha256"}
    other = (STEPS[0], b"another", STEPS[2])
    reg = register("PCR4", extend(other), "sha256", events=steps(other))
    code, answer = verify(*args, *expect(registers=[reg]), input=text.encode())
    assert (code, wrong(answer)) == (WRONG, ["PCR4-sha256", "events PCR4-sha256"])
    assert checks(answer)["events PCR4-sha256"]["reason"] == (
        "event 2 is the first that differs: another (in the log EV_EFI_ACTION)")


def test_a_log_and_a_cvm(tmp_path):
    """The first event that differs from those of a CVM of the daemon."""
    log = tmp_path / "log"
    log.write_bytes(event_log([(4, 0x80000003, STEPS[0]), (4, 0x80000007, STEPS[1])]))
    text = f"  sha256:\n    4 : 0x{extend(STEPS[:2])}\n"
    other = (STEPS[0], b"another")
    expected = measurement(register("PCR4", extend(other), "sha256", events=steps(other)))
    with Peer(Measure={"measurement": expected}) as peer:
        done = peer.cvmctl("verify", "--report", "-", "--event-log", log, "--expect", "web",
                           "--json", input=text.encode())
    assert (done.code, wrong(done.json)) == (WRONG, ["PCR4-sha256", "events PCR4-sha256"])
    assert checks(done.json)["events PCR4-sha256"]["reason"].startswith(
        "event 2 is the first that differs: another")


def test_agent_with_report(expect):
    """The report in the agent's answer is the attestation."""
    answer = {"report": {"provider": "sev_guest", "outblob": base64.b64encode(REPORT).decode()}}
    args = ("--report", "-", *MILAN[2:], *expect(registers=[LAUNCH]))
    code, result = verify(*args, input=json.dumps(answer).encode())
    assert (code, result["report"]) == (VERIFIED, "sev-snp")
    answer = {"report": {"error": "no such interface"}}
    done = cvmctl("verify", *args, input=json.dumps(answer).encode())
    assert done.code == REFUSED and "no such interface" in done.err


@pytest.mark.parametrize("form", ["answer", "pcrread"])
def test_text_as_long_as_a_report(form, expect):
    """What is a report and what is text is not told by the size alone."""
    value = extend(STEPS)
    if form == "answer":
        text = json.dumps({"agent": {}, "pcrs": {"sha256": {"4": value}}}).ljust(len(REPORT))
    else:
        text = f"  sha256:\n    4 : 0x{value}\n".ljust(len(REPORT))
    code, answer = verify("--report", "-", *expect(registers=[register("PCR4", value, "sha256")]),
                          input=text.encode())
    assert (code, answer["report"]) == (NOT_VERIFIED, "pcrs")
    assert checks(answer)["PCR4-sha256"]["result"] == "right"


def test_settings_of_pcrs(expect):
    """PCRs show none: what is expected of them is listed."""
    value = extend(STEPS)
    text = f"  sha256:\n    4 : 0x{value}\n"
    security = {"policy": "0x30000", "mrOwner": base64.b64encode(bytes(48)).decode()}
    _, answer = verify("--report", "-", input=text.encode(), *expect(
        registers=[register("PCR4", value, "sha256")], launchSecurity=security, vmpl=0))
    assert unchecked(answer) == ["pcr-signature", "policy", "vmpl", "mr-owner"]


def test_measured_is_expected(tmp_path):
    """What measure prints is taken as it is."""
    firmware = tmp_path / "firmware"
    firmware.write_bytes(images.firmware())
    made = cvmctl("measure", "--platform", "tdx", "--firmware", firmware, "--json")
    assert made.code == 0
    path = tmp_path / "made.json"
    path.write_bytes(made.raw)
    code, answer = verify(*QUOTE, "--expect", path)
    assert (code, wrong(answer)) == (WRONG, ["MRTD"])
    assert unchecked(answer) == ["RTMR0", "RTMR1", "RTMR2"]
    assert checks(answer)["RTMR3"]["result"] == "right"


def test_a_cvm_is_expected():
    """--expect NAME: what the daemon has of it."""
    with Peer(Measure={"measurement": measurement(LAUNCH)}) as peer:
        done = peer.cvmctl("verify", *MILAN, "--expect", "web", "--json")
        assert [(call.method, call.parameters) for call in peer.calls] == [
            ("Measure", {"name": "web"})]
    assert (done.code, done.json["verdict"]) == (VERIFIED, "verified")
    other = measurement(LAUNCH, launchSecurity={"policy": "0x30001"})
    with Peer(Measure={"measurement": other}) as peer:
        done = peer.cvmctl("verify", *MILAN, "--expect", "web", "--json")
    assert (done.code, wrong(done.json)) == (WRONG, ["policy"])
    with Peer(Measure=refuse("NoSuchCvm", name="web")) as peer:
        done = peer.cvmctl("verify", *MILAN, "--expect", "web")
    assert done.code == exits.NOT_FOUND and not done.raw


def test_text(expect):
    rest = " (TCB and revocation not checked)\n"
    left = " except: revocation, tcb-level\n"
    done = cvmctl("verify", *MILAN, *expect(registers=[LAUNCH]))
    assert done.code == VERIFIED and done.out.endswith(f"\nVerdict: verified{left}")
    assert done.out.startswith(
        "evidence    report\nshown       version 2\nshown       product Milan\n")
    assert "\nshown       platformInfo 0x1: smt\n" in done.out
    done = cvmctl("verify", *MILAN)
    assert done.code == NOT_VERIFIED
    assert done.out.endswith(
        f"Verdict: not verified; not checked: LaunchDigest{rest}")
    done = cvmctl("verify", *MILAN, *expect(registers=[register("LaunchDigest", "12" * 48)]))
    assert done.code == WRONG and done.out.endswith(f"Verdict: failed: LaunchDigest{rest}")
    done = cvmctl("verify", "--report", "-", input=b"sha256:\n  4 : 0x" + b"0" * 64)
    assert done.out.endswith("Verdict: not verified; not checked: pcr-signature\n")


def test_a_root_of_ones_own(expect, tmp_path):
    """AMD's intermediate key, certified by another root."""
    chain = (VECTORS / "amd-milan.pem").read_bytes()
    given = re.findall(rb"-----BEGIN.*?END CERTIFICATE-----\n", chain, re.DOTALL)
    ask = x509.load_pem_x509_certificate(given[0])
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test root")])

    def certify(subject, public):
        authority = x509.BasicConstraints(ca=True, path_length=None)
        return x509.CertificateBuilder(
            issuer_name=name, subject_name=subject, public_key=public,
            serial_number=x509.random_serial_number(), not_valid_before=ask.not_valid_before,
            not_valid_after=ask.not_valid_after).add_extension(authority, True).sign(
                key, hashes.SHA384()).public_bytes(serialization.Encoding.PEM)
    (tmp_path / "root").write_bytes(certify(name, key.public_key()))
    (tmp_path / "ask").write_bytes(certify(ask.subject, ask.public_key()))
    args = [*MILAN[:4], "--cert-chain", tmp_path / "ask", *DAY, *expect(registers=[LAUNCH])]
    code, answer = verify(*args)
    assert code == NOT_VERIFIED and answer["testRoot"] is False
    code, answer = verify(*args, "--root-ca", tmp_path / "root")
    assert (code, answer["verdict"]) == (exits.VERIFIED_TEST_ROOT, "verified"), answer
    assert answer["testRoot"] is True and answer["except"] == ["revocation", "tcb-level"]
    assert cvmctl("verify", *args, "--root-ca", tmp_path / "root").out.endswith(
        "\nVerdict: verified under a test root except: revocation, tcb-level\n")
    # one that is named and AMD's own is no test root
    (tmp_path / "ark").write_bytes(given[1])
    code, answer = verify(*MILAN, *expect(registers=[LAUNCH]), "--root-ca", tmp_path / "ark")
    assert (code, answer["testRoot"]) == (VERIFIED, False)


def table(**certificates):
    """What SNP_GET_EXT_REPORT puts behind a report."""
    guids = {"VCEK": "63da758de6644564adc5f4b93be8accd", "ASK": "4ab7b379bbac4fe4a02f05aef327c782",
             "ARK": "c0b406a4a80349529743" "3fb6014cd0ae"}
    head, body = b"", b""
    for name, data in certificates.items():
        head += bytes.fromhex(guids[name]) + struct.pack(
            "<II", 24 * (len(certificates) + 1) + len(body), len(data))
        body += data
    return head + bytes(24) + body


@pytest.mark.parametrize("encode", [bytes, lambda data: data.hex("\n", 32).encode(),
                                    base64.encodebytes])
def test_certificates_behind_the_report(encode, expect):
    """They take the place of those that are not given, and the output says so."""
    behind = table(VCEK=(VECTORS / "snp-milan.vcek.der").read_bytes(),
                   ASK=(VECTORS / "amd-milan.pem").read_bytes())
    args = ("--report", "-", *DAY, *expect(registers=[LAUNCH]))
    code, answer = verify(*args, input=encode(REPORT + behind))
    assert (code, answer["verdict"]) == (VERIFIED, "verified")
    assert answer["evidence"]["form"] == "extended-report"
    assert answer["evidence"]["certificates"] == ["VCEK", "ASK"]
    done = cvmctl("verify", *args, input=encode(REPORT + behind))
    assert "; certificates taken from this file, because none were given: VCEK, ASK\n" in done.out
    code, answer = verify(*args, *MILAN[2:6], input=encode(REPORT + behind))
    assert (code, answer["evidence"]["certificates"]) == (VERIFIED, [])
    other = table(VCEK=(VECTORS / "snp-debug.vcek.der").read_bytes(),
                  ASK=(VECTORS / "amd-turin.pem").read_bytes())
    code, answer = verify(*args, input=encode(REPORT + other))
    assert (code, wrong(answer)) == (WRONG, ["signature", "certificates", "certificate-tcb",
                                             "chip-id"])


@pytest.mark.parametrize("args", [
    MILAN, QUOTE, MILAN[:2], ("--report", "-"), (*MILAN[:1], VECTORS / "snp-debug.report")])
def test_schema(args):
    """What is printed is what the page says, and nothing else would pass."""
    page = (pathlib.Path(__file__).resolve().parents[2] / "man/cvm-verify.7.scd").read_text()
    schema = json.loads(page[page.index("## Schema"):].split("```\n")[1].replace("\\\\", "\\"))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    _, answer = verify(*args, input=b"sha256:\n  4 : 0x" + b"0" * 64)
    validator.validate(answer)
    for path in ((), ("evidence",), ("shown",), ("shown", "platformInfo"), ("checks", 0)):
        bad = copy.deepcopy(answer)
        place = bad
        for step in path:
            place = place.get(step) if isinstance(place, dict) else place[step]
            if place is None:
                break
        if place is not None:
            place["more"] = "x"
            assert not validator.is_valid(bad), path


def test_misspelt_expectation(expect):
    done = cvmctl("verify", *MILAN, *expect(registers=[LAUNCH], vmlp=0))
    assert (done.code, done.raw) == (REFUSED, b"")
    assert "unknown member 'vmlp'; did you mean 'vmpl'?" in done.err


@pytest.mark.parametrize("kind", ["Cvm", "Measurement"])
def test_members_of_the_interface_are_allowed(kind, expect):
    """What the daemon says of a CVM may be saved and expected; what it may say later does not
    matter where it is asked."""
    interface = (pathlib.Path(__file__).resolve().parents[2]
                 / "src/wire/io.cvmd.Manager.varlink").read_text()
    body = interface[interface.index(f"type {kind} ("):].split("\n)", maxsplit=1)[0]
    names = re.findall(r"^  (\w+): ", body, re.M)
    assert len(names) > 5
    document = {name: None for name in names}
    document |= ({"measurement": {"LaunchDigest": LAUNCH["value"]}} if kind == "Cvm"
                 else {"registers": [LAUNCH]})
    assert verify(*MILAN, *expect(**document))[0] == VERIFIED
    newer = measurement(LAUNCH) | {"aMemberOfTomorrow": 1}
    with Peer(Measure={"measurement": newer}) as peer:
        assert peer.cvmctl("verify", *MILAN, "--expect", "web", "--json").code == VERIFIED


def test_hostile_texts_are_escaped(expect):
    reg = {"name": "LaunchDigest", "algorithm": "sha384", "state": "not-given",
           "reason": "\x1b[2J"}
    done = cvmctl("verify", *MILAN, *expect(registers=[reg]))
    assert done.code == NOT_VERIFIED and "\x1b" not in done.out


@pytest.mark.parametrize("args,code,part", [
    ((), exits.USAGE, "--report or --evidence is required"),
    (("--report", "/nonexistent"), exits.NOT_FOUND, "No such file"),
    (("--report", "/dev/null"), exits.DATA, "empty"),
    ((*QUOTE, "--vcek", VECTORS / "snp-milan.vcek.der"), exits.DATA, "its own certificates"),
    ((*MILAN, "--vcek", VECTORS / "amd-milan.pem"), exits.USAGE, "vcek"),
    ((*MILAN[:2], "--vcek", VECTORS / "amd-milan.pem"), exits.USAGE, "one certificate"),
    ((*MILAN[:2], "--vcek", VECTORS / "snp-milan.report"), exits.DATA, "no certificate"),
    ((*MILAN, "--event-log", VECTORS / "amd-milan.pem"), exits.DATA, "event log"),
    ((*MILAN, "--report-data", "00"), exits.USAGE, "128 hex digits"),
    ((*MILAN, "--nonce", "x"), exits.USAGE, "--nonce"),
    ((*MILAN, "--nonce", "AAEC", "--report-data", "00" * 64), exits.USAGE, "exclude each other"),
    ((*MILAN[:-1], "yesterday"), exits.USAGE, "--at"),
    ((*MILAN[:-1], "2026-02-30"), exits.USAGE, "--at"),
    ((*MILAN, "--expect", "/nonexistent"), exits.NOT_FOUND, "No such file"),
    ((*MILAN, "--expect", VECTORS / "amd-milan.pem"), exits.DATA, "amd-milan.pem"),
])
def test_refusals(args, code, part):
    done = cvmctl("verify", *args)
    assert (done.code, done.raw) == (code, b"") and part in done.err, done.err
