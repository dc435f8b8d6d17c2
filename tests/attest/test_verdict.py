# SPDX-License-Identifier: Apache-2.0
"""cvmctl verify --evidence: the chain from a root to the kernel, and each link that can break."""
import base64
import copy
import hashlib
import json
import pathlib
import struct

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from harness import evidence, exits, tpm
from harness.peer import cvmctl

LINKS = ["root", "platform certificate", "report", "SVSM manifest", "EK", "AK", "quote",
         "PCR 4 (kernel)", "PCR 9 (command line, initramfs)"]
PAGE = pathlib.Path(__file__).resolve().parents[2] / "man/cvm-verify.7.scd"
SCHEMA = jsonschema.Draft7Validator(json.loads(
    PAGE.read_text().partition("## Schema")[2].split("```")[1].replace("\\\\", "\\")))
OF_TPM = ["root", "EK", "AK", "quote", *LINKS[-2:]]


@pytest.fixture(name="judge")
def judge_file(tmp_path, root, registers):
    """Exit status, answer and the links that do not hold, of a file's content."""
    def judge(document, *more, expected=None, trusted=root, **others):
        (tmp_path / "evidence").write_text(json.dumps(document))
        (tmp_path / "expect.json").write_text(json.dumps(
            {"registers": registers if expected is None else expected, **others}))
        done = cvmctl("verify", "--evidence", tmp_path / "evidence", "--expect",
                      tmp_path / "expect.json", "--at", "2026-06-01", "--json",
                      *(("--root-ca", trusted) if trusted else ()), *more)
        assert not done.err, done.err
        SCHEMA.validate(done.json)
        return done.code, done.json, {link["link"]: link["check"] for link in done.json["chain"]
                                      if link["result"] != "right"}
    return judge


def first_broken(answer):
    return next(link["link"] for link in answer["chain"] if link["result"] == "wrong")


def launch_digest(platform):
    return {"name": "LaunchDigest", "algorithm": "sha384", "state": "value",
            "value": platform.measurement}


def not_checked(answer):
    return {check["check"] for check in answer["checks"]
            if check["needed"] and check["result"] == "not-checked"}


def behind_the_ak(answer):
    """The links of PCRs are not more than what the file says."""
    links = {link["link"]: link for link in answer["chain"]}
    return all((links[name]["result"], links[name]["reason"]) == ("not-checked", "as the file says")
               for name in LINKS[-2:])


def test_a_tpm_with_a_certificate(judge, session, part, authority):
    code, answer, broken = judge(evidence.file_of(session, evidence.plain(part, authority)))
    assert (code, answer["report"]) == (exits.UNCHECKED, "tpm")
    assert (answer["verdict"], set(answer["except"])) == (
        "not-verified", {"ak-binding", "freshness", "revocation"})
    assert [link["link"] for link in answer["chain"]] == OF_TPM
    assert not_checked(answer) == {"ak-binding"} and behind_the_ak(answer)
    assert list(broken) == ["AK", *LINKS[-2:]]


@pytest.mark.parametrize("every", [False, True])
def test_an_svsm(judge, session, part, platform, registers, every):
    code, answer, broken = judge(
        evidence.file_of(session, evidence.svsm(platform, session, part, every)),
        expected=[launch_digest(platform), *registers])
    assert code == exits.UNCHECKED, answer
    assert set(answer["except"]) == {"ak-binding", "freshness", "revocation", "tcb-level"}
    assert [link["link"] for link in answer["chain"]] == LINKS
    assert not_checked(answer) == {"ak-binding"} and behind_the_ak(answer)
    assert list(broken) == ["AK", *LINKS[-2:]]


def test_a_processor_without_an_svsm(judge, session, platform):
    """The launch digest covers the kernel: a TPM of the guest's own is not needed."""
    shown = {"version": 1, "provider": "sev_guest", "report": evidence.text(platform.report(
        session.binding)), "reportCertificates": evidence.text(platform.table())}
    code, answer, broken = judge(evidence.file_of(session, shown, None),
                                 expected=[launch_digest(platform)])
    assert (code, broken) == (exits.VERIFIED_TEST_ROOT, {})
    assert "freshness" in answer["except"]
    assert [link["link"] for link in answer["chain"]] == LINKS[:3]


def test_only_the_guest_vouches(judge, session, part, platform, registers, authority):
    """A report of the guest's own VMPL says nothing of a TPM, whatever the TPM signs: one with a
    certificate may be that of another machine."""
    shown = evidence.svsm(platform, session, part)
    del shown["svsm"]
    for certificate in (None, authority.certify_ek(base64.b64decode(part["ekPublic"]))):
        if certificate:
            shown["tpm"]["ekCertificate"] = evidence.text(certificate)
        code, answer, broken = judge(evidence.file_of(session, shown),
                                     expected=[launch_digest(platform), *registers])
        assert (code, broken["EK"]) == (exits.UNCHECKED, "ek-origin")
        assert not_checked(answer) == {"ek-origin", "ak-binding"}


def test_no_certificate(judge, session, part):
    code, answer, broken = judge(evidence.file_of(session, evidence.plain(part)))
    assert (code, broken["EK"]) == (exits.UNCHECKED, "ek-origin")
    assert "only the guest's kernel vouches" in str(answer["chain"])


def test_no_root(judge, session, part, authority):
    code, _, broken = judge(evidence.file_of(session, evidence.plain(part, authority)),
                            trusted=None)
    assert (code, broken["root"]) == (exits.UNCHECKED, "certificates")


def test_no_challenge(judge, session, part, authority):
    """Nobody says that EK and AK are of one TPM."""
    code, answer, broken = judge(evidence.file_of(session, evidence.plain(part, authority), None))
    assert (code, broken["AK"]) == (exits.UNCHECKED, "ak-binding")
    assert behind_the_ak(answer)


@pytest.fixture(name="honest")
def all_of_plain(session, part, authority):
    return evidence.file_of(session, evidence.plain(part, authority))


def test_another_kernel(judge, honest, registers):
    expected = copy.deepcopy(registers)
    expected[0]["value"] = hashlib.sha256(b"other").hexdigest()
    code, answer, broken = judge(honest, expected=expected)
    assert (code, first_broken(answer)) == (exits.REFUTED, "PCR 4 (kernel)")
    assert broken["PCR 4 (kernel)"] == "PCR4-sha256"


def test_another_channel(judge, honest):
    for member in ("random", "spki", "exporter"):
        other = copy.deepcopy(honest)
        other["channel"][member] = evidence.text(bytes(32))
        code, answer, _ = judge(other)
        assert (code, first_broken(answer)) == (exits.REFUTED, "quote"), member


def test_a_forged_ak(judge, device, session, part, authority):
    """The EK is a real one's, the AK is the forger's: at best it is what the file says."""
    own = evidence.tpm_part(device, session, ak_template=tpm.ecc(
        tpm.AK & ~tpm.RESTRICTED, scheme=tpm.ECDSA))
    forged = evidence.plain(part, authority)
    forged["tpm"].update({name: own[name] for name in ("akPublic", "quotes")})
    code, answer, broken = judge(evidence.file_of(session, forged))
    assert (code, first_broken(answer), broken["AK"]) == (exits.REFUTED, "AK", "ak")


def forged_plain(session, part, authority, registers, template=tpm.AKS["ecc"], starts=(0, 0)):
    """An AK that is a file's: its attributes are right, and it signs any PCRs. starts: what the
    quotes say of how often the TPM was started."""
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    public = template[:-4] + b"".join(
        tpm.sized(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    signer = b"\0\x0b" + hashlib.sha256(struct.pack(">I", tpm.NULL) + tpm.name_of(public)).digest()
    shown = evidence.plain(part, authority)
    shown["tpm"]["akPublic"] = evidence.text(public)
    for quote, start in zip(shown["tpm"]["quotes"], starts):
        bank = evidence.BANKS[quote["bank"]]
        values = [bytes(tpm.HASHES[bank]().digest_size).hex()] * 24
        for register in registers:
            if register["algorithm"] == quote["bank"]:
                values[int(register["name"][3:])] = register["value"]
        digest = hashlib.sha256(b"".join(map(bytes.fromhex, values))).digest()
        attest = (b"\xffTCG\x80\x18" + tpm.sized(signer) + tpm.sized(session.qualifier)
                  + bytes(8) + struct.pack(">Q", start) + bytes(9)
                  + tpm.selection({bank: range(24)}) + tpm.sized(digest))
        numbers = utils.decode_dss_signature(key.sign(attest, ec.ECDSA(hashes.SHA256())))
        signature = struct.pack(">HH", tpm.ECDSA, tpm.SHA256) + b"".join(
            tpm.sized(number.to_bytes(32, "big")) for number in numbers)
        quote.update(attest=evidence.text(attest), signature=evidence.text(signature), pcrs=values)
    return shown


def test_a_forged_file(judge, session, part, authority, registers):
    """Whatever a file says of its activation, it is not verified."""
    shown = evidence.file_of(session, forged_plain(session, part, authority, registers))
    code, answer, broken = judge(shown)
    assert (code, answer["verdict"], broken["AK"]) == (exits.UNCHECKED, "not-verified",
                                                       "ak-binding")
    assert not_checked(answer) == {"ak-binding"} and behind_the_ak(answer)


@pytest.mark.parametrize("template", [
    tpm.ecc(tpm.AK), tpm.ecc(tpm.AK, scheme=tpm.ECDSA, bits=128),
    tpm.ecc(tpm.AK | 1 << 19, scheme=tpm.ECDSA), tpm.ecc(tpm.AK | 1 << 31, scheme=tpm.ECDSA)],
    ids=["no scheme", "AES", "x509sign", "reserved"])
def test_an_ak_of_another_kind(judge, session, part, authority, registers, template):
    shown = forged_plain(session, part, authority, registers, template)
    code, answer, broken = judge(evidence.file_of(session, shown))
    assert (code, first_broken(answer), broken["AK"]) == (exits.REFUTED, "AK", "ak")


@pytest.mark.parametrize("start", [1, 1 << 32], ids=["restart", "reset"])
def test_quotes_of_two_starts(judge, session, part, authority, registers, start):
    shown = forged_plain(session, part, authority, registers, starts=(0, start))
    code, answer, broken = judge(evidence.file_of(session, shown))
    assert (code, first_broken(answer), broken["quote"]) == (exits.REFUTED, "quote", "quote-start")


def test_swapped_sessions(judge, device, session, part, authority):
    other = evidence.tpm_part(device, evidence.Session(b"other"), ak_template=tpm.AKS["ecc"])
    for names in (["quotes"], ["akPublic"], ["quotes", "akPublic"]):
        mixed = evidence.plain(part, authority)
        mixed["tpm"].update({name: other[name] for name in names})
        code, answer, _ = judge(evidence.file_of(session, mixed))
        assert (code, first_broken(answer)) == (exits.REFUTED, "quote"), names


def test_anothers_certificate(judge, device, session, part, authority):
    other = device.create_primary(tpm.rsa(tpm.EK, bits=128), tpm.OWNER)
    device.flush(other[0])
    shown = evidence.plain(part, authority)
    shown["tpm"]["ekCertificate"] = evidence.text(authority.certify_ek(other[1]))
    code, answer, broken = judge(evidence.file_of(session, shown))
    assert (code, first_broken(answer), broken["EK"]) == (exits.REFUTED, "EK", "ek-certificate")


def test_a_certificate_of_another_purpose(judge, session, part, authority):
    shown = evidence.plain(part, authority)
    shown["tpm"]["ekCertificate"] = evidence.text(authority.certify_ek(
        base64.b64decode(part["ekPublic"]), evidence.ObjectIdentifier("1.3.6.1.5.5.7.3.1")))
    code, answer, _ = judge(evidence.file_of(session, shown))
    assert (code, first_broken(answer)) == (exits.REFUTED, "EK")


def test_a_certificate_of_an_authority(judge, session, part, authority):
    """Who has such a certificate could make others."""
    shown = evidence.plain(part, authority)
    shown["tpm"]["ekCertificate"] = evidence.text(authority.certify_ek(
        base64.b64decode(part["ekPublic"]), ca=True))
    code, answer, broken = judge(evidence.file_of(session, shown))
    assert (code, first_broken(answer), broken["EK"]) == (exits.REFUTED, "EK", "ek-certificate")


def test_another_authority(judge, session, part):
    code, answer, broken = judge(evidence.file_of(
        session, evidence.plain(part, evidence.Authority())))
    assert (code, first_broken(answer), broken["root"]) == (exits.REFUTED, "root", "certificates")


@pytest.mark.parametrize("change, link", [
    ({"vmpl": 2}, "report"), ({"manifest": b"another"}, "SVSM manifest")])
def test_an_svsm_that_is_none(judge, session, part, platform, registers, change, link):
    shown = evidence.svsm(platform, session, part, **change)
    code, answer, _ = judge(evidence.file_of(session, shown),
                            expected=[launch_digest(platform), *registers])
    assert (code, first_broken(answer)) == (exits.REFUTED, link)


@pytest.mark.parametrize("changed, of_channel", [
    (None, False), ((0x90, bytes(48)), True), ((0x1a0, b"another chip"), True)],
    ids=["channel", "launch digest", "chip"])
def test_a_report_beside_an_svsm(judge, session, part, platform, registers, changed, of_channel):
    """What the guest shows of itself is of the same guest and channel as the SVSM's report."""
    shown = evidence.svsm(platform, session, part)
    data = session.binding if of_channel else bytes(64)
    shown["report"] = evidence.text(platform.report(data, 2, changed))
    code, answer, broken = judge(evidence.file_of(session, shown),
                                 expected=[launch_digest(platform), *registers])
    assert (code, first_broken(answer), broken["report"]) == (exits.REFUTED, "report",
                                                              "guest-report")


def test_no_report_beside_an_svsm(tmp_path, session, part, platform):
    shown = evidence.svsm(platform, session, part)
    shown["report"] = evidence.text(b"garbage" * 40)
    (tmp_path / "evidence").write_text(json.dumps(evidence.file_of(session, shown)))
    done = cvmctl("verify", "--evidence", tmp_path / "evidence")
    assert done.code == exits.DATA and not done.out


@pytest.mark.parametrize("of_guest", ["the kernel that is expected", "another kernel"])
def test_one_bank(judge, honest, registers, of_guest):
    """Who hands over the evidence does not choose which bank is compared."""
    expected = copy.deepcopy(registers)
    if of_guest == "another kernel":
        for register in expected:
            if register["algorithm"] == "sha384":
                register["value"] = "ab" * 48
    missing = {"PCR4-sha384", "PCR9-sha384"}
    shown = copy.deepcopy(honest)
    del shown["evidence"]["tpm"]["quotes"][1]
    code, answer, _ = judge(shown, expected=expected)
    assert code == exits.UNCHECKED and not_checked(answer) >= missing
    code, answer, _ = judge(shown, expected=expected[2:])  # nothing is compared
    assert code == exits.UNCHECKED and not_checked(answer) >= missing
    without = [{"name": one["name"], "algorithm": "sha384", "state": "unknown", "reason": "-"}
               for one in expected[2:]]
    code, answer, _ = judge(shown, expected=expected[:2] + without)  # it has no value there
    assert not not_checked(answer) & missing
    code, answer, _ = judge(shown, expected=expected[:2])
    assert not not_checked(answer) & missing


def test_a_quote_without_the_kernel(judge, device, session, part, authority):
    """A quote of other PCRs is none of these."""
    ek, _ = device.create_primary(tpm.EK_RSA)
    ak, public = device.create_primary(tpm.AKS["rsa"], tpm.NULL)
    shown = evidence.plain(part, authority)
    shown["tpm"]["akPublic"] = evidence.text(public)
    for quote, pcrs in zip(shown["tpm"]["quotes"], (range(24), [23])):
        bank = evidence.BANKS[quote["bank"]]
        attest, signature = device.quote(ak, session.qualifier, {bank: pcrs})
        values = device.pcrs(bank, range(24))
        quote.update(attest=evidence.text(attest), signature=evidence.text(signature),
                     pcrs=[values[i].hex() for i in range(24)])
    device.flush(ak)
    device.flush(ek)
    code, answer, _ = judge(evidence.file_of(session, shown))
    assert code == exits.UNCHECKED
    assert not_checked(answer) >= {"PCR4-sha384", "PCR9-sha384"}


def test_no_kernel_is_expected(judge, session, part, authority, platform, registers):
    """What a TPM or an SVSM shows is not verified without the kernel."""
    for document, expected in (
            (evidence.plain(part, authority), []),
            (evidence.svsm(platform, session, part), [launch_digest(platform)])):
        code, answer, _ = judge(evidence.file_of(session, document), expected=expected)
        assert code == exits.UNCHECKED
        assert not_checked(answer) >= {"PCR4-sha256", "PCR9-sha256"}
        assert "the kernel is not judged" in str(answer["checks"])
        code, answer, _ = judge(evidence.file_of(session, document),
                                expected=[*expected, registers[0]])  # PCR 4 alone
        assert code == exits.UNCHECKED and "PCR9-sha256" in not_checked(answer)


def pem_of(certificate):
    return x509.load_der_x509_certificate(base64.b64decode(certificate)).public_bytes(
        serialization.Encoding.PEM)


BROKEN = {
    "no evidence": lambda file: file.pop("evidence"),
    "another version": lambda file: file["evidence"].update(version=2),
    "a channel of 31 bytes": lambda file: file["channel"].update(random=evidence.text(bytes(31))),
    "no base64": lambda file: file["evidence"]["tpm"].update(akPublic="!"),
    "an EK of 1025 bytes": lambda file: file["evidence"]["tpm"].update(
        ekPublic=evidence.text(bytes(1025))),
    "no quotes": lambda file: file["evidence"]["tpm"].update(quotes=[]),
    "two of a bank": lambda file: file["evidence"]["tpm"]["quotes"].__setitem__(
        1, file["evidence"]["tpm"]["quotes"][0]),
    "23 PCRs": lambda file: file["evidence"]["tpm"]["quotes"][0]["pcrs"].pop(),
    "nothing signed": lambda file: file["evidence"].pop("tpm"),
    "a date that is none": lambda file: file["activation"].update(date="\x1b[2J"),
    "a date without digits": lambda file: file["activation"].update(date="-:TZ"),
    "a day that is none": lambda file: file["activation"].update(date="2026-02-30T00:00:00Z"),
    "an hour that is none": lambda file: file["activation"].update(date="2026-02-01T24:00:00Z"),
    "a date and more": lambda file: file["activation"].update(date="2026-02-01T00:00:00Z0"),
    "a cut EK": lambda file: file["evidence"]["tpm"].update(ekPublic=evidence.text(
        base64.b64decode(file["evidence"]["tpm"]["ekPublic"])[:-1])),
    "a certificate and more": lambda file: file["evidence"]["tpm"].update(
        ekCertificate=evidence.text(base64.b64decode(
            file["evidence"]["tpm"]["ekCertificate"]) + b"\0")),
    "a certificate in PEM": lambda file: file["evidence"]["tpm"].update(
        ekCertificate=evidence.text(pem_of(file["evidence"]["tpm"]["ekCertificate"]))),
    "two certificates in PEM": lambda file: file["evidence"]["tpm"].update(
        ekCertificate=evidence.text(2 * pem_of(file["evidence"]["tpm"]["ekCertificate"]))),
    "a log that is none": lambda file: file["evidence"]["tpm"].update(eventLog="AAAA"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_files(honest, tmp_path, root, what):
    BROKEN[what](honest)
    path = tmp_path / "evidence"
    path.write_text(json.dumps(honest))
    done = cvmctl("verify", "--evidence", path, "--root-ca", root)
    assert done.code == exits.DATA and not done.out
    assert len(done.err.splitlines()) == 1, done.err


def test_options(tmp_path):
    for more in (["--report", "x"], ["--nonce", "AA=="], ["--event-log", "x"]):
        done = cvmctl("verify", "--evidence", "x", *more)
        assert done.code == exits.USAGE, done.err


def test_a_person_can_follow(honest, tmp_path, root, registers):
    (tmp_path / "evidence").write_text(json.dumps(honest))
    (tmp_path / "expect.json").write_text(json.dumps({"registers": registers}))
    done = cvmctl("verify", "--evidence", tmp_path / "evidence", "--root-ca", root, "--expect",
                  tmp_path / "expect.json", "--at", "2026-06-01")
    lines = done.out.splitlines()
    chain = [line.strip() for line in lines[lines.index("chain") + 1:-1]]
    assert chain[0] == "pass        root: up to the given root"
    assert chain[2].startswith("not checked AK: ak-binding, as seen by the attester of 2026-01-01")
    assert "not checked PCR 4 (kernel): PCR4-sha256, as the file says" in chain
    assert lines[-1] == ("Verdict: not verified; not checked: ak-binding (all else is verified "
                         "under a test root except: revocation, ak-binding, freshness)")
    (tmp_path / "expect.json").write_text('{"registers": []}')
    done = cvmctl("verify", "--evidence", tmp_path / "evidence", "--root-ca", root, "--expect",
                  tmp_path / "expect.json", "--at", "2026-06-01")
    assert done.out.endswith("; not checked: ak-binding, PCR4-sha256, PCR9-sha256\n")  # no TCB
