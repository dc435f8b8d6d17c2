# SPDX-License-Identifier: Apache-2.0
"""The EXAMPLES of the man pages other than cvmctl(1), as they stand there.

What this machine cannot have is replaced: a pinned digest by that of the file that is there, and
an answer of an SEV-SNP guest by one that was recorded. Clients of io.cvmd.Manager(7) that Debian 12
does not have are run by lane conformance.
"""
import base64
import hashlib
import json
import pathlib
import re
import shutil

import pytest

from harness import exits, images
from harness.daemon import CVMD
from harness.man_host import ManHost, blocks, pages

TOP = pathlib.Path(__file__).resolve().parents[2]
VECTORS = TOP / "tests/vectors"
CONFIG = {"accelerator": "tcg", "network": {"hostAccess": "allow"}, "memory": "512M",
          "timeouts": {"startSec": 60, "readySec": 300, "powerdownSec": 10, "quitSec": 10}}
FIRMWARE = "/usr/share/ovmf/OVMF.amdsev.fd"
# what specs name, in the mount namespace of the daemon
FILES = {"/srv/images/bzImage": images.kernel(), "/srv/images/coconut-qemu.igvm": images.igvm(),
         "/srv/images/initramfs.cpio.gz": images.initramfs(), FIRMWARE: images.firmware(),
         **{f"/srv/{name}.pem": b"x\n" for name in ("web/ca", "payments/cert", "payments/key",
                                                    "payments/ca")}}
# one that listens, answers one request with the content of a file, and ends
AGENT = """
import socket
with socket.create_server(("127.0.0.1", 6100)) as server:
    print("listens", flush=True)
    client, _ = server.accept()
    client.recv(4096)
    client.sendall(open("answer", "rb").read() + b"\\n")
    client.close()
"""


@pytest.fixture(name="host", scope="module")
def host_fixture(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pages")
    for name, data in (("bzImage", images.kernel()), ("OVMF.fd", images.firmware()),
                       ("initramfs.cpio.gz", images.initramfs())):
        (directory / name).write_bytes(data)
    (template,) = blocks("cvm-template.5")
    files = {**{path: data for path, data in FILES.items() if path != FIRMWARE},
             "/etc/cvmd/templates/lab.json": template.encode()}
    with ManHost(directory, CONFIG, files) as host:
        host.run(f"mount -t tmpfs -o mode=755 tmpfs /usr/share/ovmf; cp OVMF.fd {FIRMWARE}; "
                 "mkdir -p /srv/web/data /srv/web/results /srv/payments/data")
        yield host


def test_each_page_is_tried():
    here = pathlib.Path(__file__)
    text = here.read_text() + (here.parent / "test_man_examples.py").read_text()
    assert pages() == {*re.findall(r' blocks\("([\w.-]+)"\)', text)}


def pin(text):
    """The spec with the digests of FILES."""
    for path, data in FILES.items():
        text = re.sub(f'(?s)("path": "{re.escape(path)}",\\s*"sha256": ")[0-9a-f]+',
                      lambda found, data=data: found[1] + hashlib.sha256(data).hexdigest(), text)
    return text


@pytest.mark.xdist_group("man-pages")
def test_specs(host):
    found = blocks("cvm-spec.5")
    specs = [text for text in found if text.startswith('{\n  "name"')]
    assert len(specs) == 4 and len(found) == 7
    for text in specs:
        (host.directory / "spec.json").write_text(pin(text))
        rendered = json.loads(host.run("cvmctl render --file spec.json --json"))
        spec = json.loads(text)
        assert any(spec["name"] in word for word in rendered["argv"])
        # all of the spec is here; of a confidential platform the host is missing
        missing = {check["name"] for check in rendered["missing"]}
        assert not missing & {"kernel", "initramfs", "firmware", "igvm"}, rendered["missing"]
        assert (missing <= {"vhost-vsock"} or
                spec.get("platform") in ("sev-snp", "sev-snp-ovmf")), missing
    (host.directory / "web.yaml").write_text(found[-1])
    web = json.loads(host.run("cvmctl render --file web.yaml --json"))
    assert any("8702" in word for word in web["argv"])
    document, python = found[4].replace("\n", ""), found[5]
    digest = hashlib.sha256(document.encode())
    page = (TOP / "man/cvm-spec.5.scd").read_text()
    assert digest.hexdigest() in page and base64.b64encode(digest.digest()).decode() in page
    exec(python, {"text": document, "report": digest.digest()})  # pylint: disable=exec-used


@pytest.mark.xdist_group("man-pages")
def test_a_template(host):
    host.run("cvmctl launch lab --platform lab --wait ready")
    assert host.daemon.status("lab")["platform"] == "lab"
    host.run("cvmctl stop --force lab; cvmctl remove lab")


@pytest.mark.xdist_group("man-pages")
def test_an_attestation(host):
    """A report of another guest, and an older one: all of the text is right, and it is refuted."""
    for program in ("nc", "ip", "unshare"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    (text,) = blocks("cvm-verify.7")
    script = re.sub(r"^\$ ", "", text, flags=re.MULTILINE)
    assert script.count("cvmctl") == 2 and "nc -N 127.0.0.1 6100" in script
    report = base64.b64encode((VECTORS / "snp-milan.report").read_bytes()).decode()
    (host.directory / "answer").write_text(
        json.dumps({"report": {"provider": "sev_guest", "outblob": report}}))
    shutil.copy(VECTORS / "snp-milan.vcek.der", host.directory / "vcek.der")
    shutil.copy(VECTORS / "amd-milan.pem", host.directory / "cert_chain.pem")
    (host.directory / "agent.py").write_text(AGENT)
    # a network of its own, where port 6100 is free
    out = host.run("ip link set lo up; coproc python3 agent.py; read -r _ <&${COPROC[0]}\n"
                   + script, code=exits.REFUTED,
                   shell=("unshare", "--net", "bash", "-euo", "pipefail", "-c"))
    lines = {line.split()[1].rstrip(":"): line.split()[0] for line in out.splitlines()
             if re.match(r"(?:FAIL|pass) ", line)}
    assert lines["signature"] == "pass" and lines["report-data"] == "FAIL", out
    assert lines["LaunchDigest"] == "FAIL", out


@pytest.mark.xdist_group("man-pages")
def test_a_configuration(host):
    (text,) = blocks("cvmd.conf.5")
    (host.directory / "cvmd.conf").write_text(text)
    process = host.start(f"{CVMD} --check-config --config cvmd.conf")
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, (out, errors)
    # of what is not on every host it warns
    warned = [line for line in (out + errors).splitlines() if "/opt/coconut" in line]
    assert len(warned) == 1, (out, errors)


@pytest.mark.xdist_group("man-pages")
def test_a_client_without_a_library(host):
    found = blocks("io.cvmd.Manager.7")
    assert len(found) == 3 and "varlinkctl" in found[0] and "import varlink" in found[1]
    out = host.run(found[2], shell=("python3", "-B", "-c"))
    assert "'state': 'running'" in out and host.daemon.status("web")["platform"] == "plain"
    host.run("cvmctl stop --force web; cvmctl remove web")
