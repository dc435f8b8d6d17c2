# SPDX-License-Identifier: Apache-2.0
"""bindWorkload: what was launched is in the confidential object's own field, and is told."""
import base64
import hashlib
import json
import pathlib

import pytest

from harness import workload
from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("its platforms are templates of QEMU's command line")

PLAIN = pathlib.Path(__file__).resolve().parents[2] / "templates/plain.json"
SECRET = "token-of-the-guest"


@pytest.fixture
def binding(make_daemon, config):
    """A daemon with a platform `bound`: one that can run here and has a place for host data."""
    daemon = make_daemon(config, start=False)
    directory = daemon.directory / "templates"
    directory.mkdir(mode=0o755)
    template = json.loads(PLAIN.read_text())
    template.update(name="bound", strength=0, launchSecurity={"hostData": {"bind": "sha256"}})
    template["arguments"].append({"when": "security.hostData", "do": [
        {"smbios": {"type": "11", "value": "hostData=${security.hostData}"}}]})
    (directory / "bound.json").write_text(json.dumps(template))
    daemon.config["templates"] = str(directory)
    return daemon.start()


def fields(**more):
    return {"platform": "bound", "env": {"TOKEN": SECRET, "A": "b"}, "bindWorkload": True,
            "certs": {"key.pem": {"text": SECRET}}, **more}


def expected(daemon, spec):
    artifacts = {kind: hashlib.sha256(getattr(daemon, kind).read_bytes()).hexdigest()
                 for kind in ("kernel", "initramfs")}
    return workload.document(spec, artifacts, cmdline=spec.get("cmdline", "console=null quiet"))


def check(daemon, shown, argv, spec):
    document = expected(daemon, spec)
    assert shown == {"field": "hostData", "value": workload.digest(document),
                     "document": document}
    place = "hostData=" + base64.b64encode(bytes.fromhex(shown["value"])).decode()
    assert [word for word in argv if place in word]
    assert SECRET not in json.dumps(shown)


def test_launch_and_status_tell_what_render_showed(binding):
    spec = binding.spec("web", **fields())
    rendered = binding.call("Render", spec=spec)
    check(binding, rendered["binding"], rendered["argv"], spec)
    cvm = binding.launch("web", **fields())
    argv = pathlib.Path(f"/proc/{cvm['pid']}/cmdline").read_text().split("\0")
    check(binding, cvm["binding"], argv, spec)
    shown = binding.cvmctl("status", "web").stdout
    assert cvm["binding"]["value"] in shown and cvm["binding"]["document"] in shown
    # another daemon has it from the record
    binding.kill()
    binding.start()
    assert binding.status("web")["binding"] == cvm["binding"]
    binding.discard("web")


def test_flag_and_text_of_render(binding):
    done = binding.cvmctl("render", "web", "--platform", "bound", "--cpus", "1", "--memory", "64M",
                          "--kernel", binding.kernel, "--initramfs", binding.initramfs,
                          "--bind-workload")
    document = expected(binding, {**binding.spec("web"), "platform": "bound"})
    assert f"# hostData {workload.digest(document)} is the digest of {document}\n" in done.stdout


def test_not_bound_without_the_field(binding):
    cvm = binding.launch("web", platform="bound")
    assert "binding" not in cvm
    assert "hostData=" not in pathlib.Path(f"/proc/{cvm['pid']}/cmdline").read_text()
    binding.discard("web")


@pytest.mark.parametrize("more, field", [
    ({"platform": "plain"}, "bindWorkload"),
    ({"launchSecurity": {"hostData": base64.b64encode(bytes(32)).decode()}},
     "launchSecurity.hostData")])
def test_refused(binding, more, field):
    """By render and launch alike, and nothing is left of it."""
    for method in ("Render", "Launch"):
        with pytest.raises(VarlinkError) as refused:
            binding.call(method, spec=binding.spec("web", **fields(**more)))
        assert refused.value.name == "InvalidSpec"
        assert refused.value.fields["field"] == field
    assert binding.cvms() == []


def test_each_platform_with_a_place(binding):
    """What QEMU would be given, by the built-in templates."""
    firmware = binding.directory / "OVMF.fd"
    firmware.write_bytes(bytes(8192))
    for platform, option, algorithm in (("sev-snp-ovmf", "host-data=", "sha256"),
                                        ("tdx", '"mrconfigid":"', "sha384")):
        spec = binding.spec("web", **fields(platform=platform,
                                            firmware={"path": str(firmware)}))
        rendered = binding.call("Render", spec=spec)
        artifacts = {kind: hashlib.sha256(pathlib.Path(spec[kind]["path"]).read_bytes()).hexdigest()
                     for kind in ("kernel", "initramfs", "firmware")}
        document = workload.document(spec, artifacts, cmdline="console=null quiet")
        assert rendered["binding"]["document"] == document
        value = base64.b64encode(hashlib.new(algorithm, document.encode()).digest()).decode()
        assert [word for word in rendered["argv"] if option + value in word]
