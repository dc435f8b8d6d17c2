# SPDX-License-Identifier: Apache-2.0
"""Images by name: found, checked against their manifests, launched, measured, listed; and refused
when something about them is not as the manifest says."""
import json
import os
import shutil
import subprocess

import pytest

from harness import images
from harness.daemon import CVMD
from harness.image_folder import ImageFolder, described, sha256
from harness.users import ADMINS, ANN, USERS, by, reachable
from harness.varlink import VarlinkError

BIG = 1 << 30


@pytest.fixture
def place(tmp_path):
    return tmp_path / "images"


@pytest.fixture
def image(place):
    return ImageFolder(place, "web")


@pytest.fixture
def daemon(make_daemon, config, place):
    place.mkdir(exist_ok=True)
    return make_daemon({**config, "images": [str(place)]})


def launch(daemon, image, name="cvm", **fields):
    return daemon.launch(name, **{"kernel": None, "initramfs": None, **fields}, image=image)


def refused(daemon, image, **fields):
    with pytest.raises(VarlinkError) as refusal:
        launch(daemon, image, **fields)
    assert daemon.cvms() == [] or daemon.status("cvm")["state"] == "failed"
    error = refusal.value
    return error.name.rpartition(".")[2], error.fields


def invalid(daemon, image, **fields):
    """The field and the reason of an InvalidSpec."""
    name, said = refused(daemon, image, **fields)
    assert name == "InvalidSpec", said
    return said["field"], said["reason"]


def listed(daemon):
    return {one["name"]: one for one in daemon.call("ListImages")["images"]}


def test_launch_by_name(daemon, image):
    cvm = launch(daemon, "web")
    assert cvm["image"] == image.reference
    assert cvm["artifacts"] == {
        "kernel": sha256((image.path / "bzImage").read_bytes()),
        "initramfs": sha256((image.path / "initramfs.cpio").read_bytes())}
    shown = daemon.call("Status", name="cvm", withSpec=True)["cvm"]["spec"]
    assert shown["image"] == "web" and "kernel" not in shown
    measured = daemon.call("Measure", name="cvm")["measurement"]
    assert measured["inputs"]["image"] == image.reference
    status = daemon.cvmctl("status", "cvm").stdout
    assert image.reference in status
    daemon.discard("cvm")
    # The digest alone pins every file.
    assert launch(daemon, image.reference)["image"] == image.reference
    daemon.discard("cvm")


def test_digest_is_demanded(daemon, image):
    wanted = "0" * 64
    field, reason = invalid(daemon, f"web@sha256:{wanted}")
    assert field == "image" and wanted in reason and image.digest in reason
    for bad in ("web@sha256:12", "../web", "web@sha512:" + wanted, "", "a/b",
                "web@sha256:" + "g" * 64):
        field, reason = invalid(daemon, bad)
        assert field == "image" and "cvmctl images" in reason


def test_unknown(daemon, place):
    field, reason = invalid(daemon, "nothing")
    assert field == "image" and "no image 'nothing'" in reason and str(place) in reason
    assert "/etc/cvmd/images, /var/lib/cvmd/images" in reason


def test_not_beside_a_kernel(daemon, image):
    for kind in ("kernel", "initramfs"):
        field, reason = invalid(daemon, "web", **{kind: {"path": "/nothing"}})
        assert field == kind and "'image'" in reason


def test_too_little_memory(daemon, image):
    """Refused before anything is started, with what is needed."""
    image.describe(memoryMin=640 << 20)
    field, reason = invalid(daemon, "web", memory="512M")
    assert field == "memory" and "640M" in reason and "512M" in reason
    missing = daemon.call("Render", spec=daemon.spec("cvm", kernel=None, initramfs=None,
                                                     image="web", memory="512M"))["missing"]
    assert any("640M" in check["found"] for check in missing)
    assert launch(daemon, "web", memory="640M")["memory"] == 640 << 20


def test_debug(daemon, image):
    field, reason = invalid(daemon, "web", debug=True)
    assert field == "debug" and "'web'" in reason
    debug = (image.path / "initramfs.cpio").read_bytes() + bytes(512)
    (image.path / "initramfs-debug.cpio").write_bytes(debug)
    image.describe()
    assert launch(daemon, "web", debug=True)["artifacts"]["initramfs"] == sha256(debug)


def test_changed_file(daemon, image):
    """As it is when a file changes after the manifest was read."""
    kernel = bytearray((image.path / "bzImage").read_bytes())
    was = sha256(kernel)
    kernel[-1] ^= 1
    (image.path / "bzImage").write_bytes(kernel)
    name, said = refused(daemon, "web")
    assert name == "ArtifactInvalid" and said["artifact"] == "bzImage"
    assert was in said["reason"] and sha256(kernel) in said["reason"]
    assert "manifest" in said["reason"]
    with (image.path / "bzImage").open("ab") as file:
        file.truncate(BIG)  # of another size: not read at all
    name, said = refused(daemon, "web", name="cvm-2")
    assert name == "ArtifactInvalid" and str(BIG) in said["reason"]


def test_huge_manifest(daemon, image):
    with image.manifest.open("ab") as file:
        file.truncate(BIG)
    field, reason = invalid(daemon, "web")
    assert field == "image" and "longer than 1048576 bytes" in reason
    assert "longer than" in listed(daemon)["web"]["unusable"]


@pytest.mark.parametrize("name", ("manifest.json", "bzImage"))
def test_links(daemon, image, tmp_path, name):
    """A file may not be elsewhere. The image's own directory may be."""
    elsewhere = tmp_path / "elsewhere"
    (image.path / name).rename(elsewhere)
    (image.path / name).symlink_to(elsewhere)
    field, reason = invalid(daemon, "web")
    assert field == "image" and f"/{name}' is a symbolic link" in reason
    (image.path / name).unlink()
    elsewhere.rename(image.path / name)
    image.path.rename(tmp_path / "web-1.0")
    image.path.symlink_to(tmp_path / "web-1.0")
    assert launch(daemon, "web", name="cvm-2")["image"] == image.reference


@pytest.mark.parametrize("name", ("manifest.json", "initramfs.cpio"))
def test_fifo(daemon, image, name):
    """Nothing waits for its writer."""
    (image.path / name).unlink()
    os.mkfifo(image.path / name)
    field, reason = invalid(daemon, "web")
    assert field == "image" and "FIFO" in reason
    assert ("unusable" in listed(daemon)["web"]) == (name == "manifest.json")


@pytest.mark.parametrize("text, reason", (
    ("", "not valid JSON"),
    ("[]", "an object"),
    ('{"files": {}}', "a kernel"),
    ('{"files": {"bzImage": {"size": 1, "sha256": "%s"}}}' % ("0" * 64), "an initramfs"),
    ('{"files": {"bzImage": {"size": 1, "sha256": "00"}}}', "a size and a sha256"),
    ('{"files": {"bzImage": {"size": -1, "sha256": "%s"}}}' % ("0" * 64), "a size and a sha256"),
    ('{"version": "\\u001b[2J", "files": {}}', "printable"),
    ('{"version": "%s", "files": {}}' % ("9" * 65), "1 to 64"),
    ('{"memoryMin": "1G", "files": {}}', "a number of bytes"),
    ('{"files": {"bzImage": {"size": 1, "sha256": "%s"}, "kernel": {"size": 1, "sha256": "%s"}}}'
     % ("0" * 64, "0" * 64), "both bzImage and kernel"),
    ("[" * 100000, "not valid JSON"),
))
def test_bad_manifests(daemon, image, text, reason):
    image.manifest.write_text(text)
    field, said = invalid(daemon, "web")
    assert field == "image" and reason in said
    assert reason in listed(daemon)["web"]["unusable"]


def test_list(daemon, image, place):
    image.describe(memoryMin=640 << 20)
    (place / ".hidden").mkdir()
    (place / "file").write_text("")
    (one,) = daemon.call("ListImages")["images"]
    kernel = (image.path / "bzImage").read_bytes()
    assert one == {
        "name": "web", "origin": str(image.path), "digest": image.digest, "version": "1.0",
        "release": "7.3.4-cvm", "memoryMin": 640 << 20,
        "kernel": {"name": "bzImage", **described(kernel)},
        "initramfs": {"name": "initramfs.cpio",
                      **described((image.path / "initramfs.cpio").read_bytes())}}
    assert json.loads(daemon.cvmctl("images", "--json").stdout) == [one]
    table = daemon.cvmctl("images").stdout
    assert " 640" in table and image.digest[:12] in table
    assert "web\t" in daemon.cvmctl("complete", "--", "launch", "--image", "w").stdout


def test_first_place_wins(make_daemon, config, tmp_path):
    first, second = (ImageFolder(tmp_path / place, "web") for place in ("one", "two"))
    second.describe(version="2.0")
    daemon = make_daemon({**config, "images": [str(tmp_path / "one"), str(tmp_path / "two")]})
    assert listed(daemon)["web"]["digest"] == first.digest != second.digest
    assert launch(daemon, "web")["image"] == first.reference


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be several users")
def test_below_the_state_directory(make_daemon, config):
    """Where users may pass through, read images, and read nothing of the daemon's own."""
    daemon = make_daemon({**config, "groups": {"users": USERS, "admins": ADMINS}}, start=False)
    place = daemon.state / "images"
    daemon.config["images"] = [str(place)]
    daemon.directory.chmod(0o711)
    daemon.start()
    reachable(daemon)
    image = ImageFolder(place, "web")
    daemon.launch("other", wait="ready")
    assert daemon.state.stat().st_mode & 0o777 == 0o711
    assert by(ANN, lambda: launch(daemon, "web"))["image"] == image.reference
    assert by(ANN, lambda: list(listed(daemon))) == ["web"]
    for path in daemon.state.iterdir():
        assert path.name == "images" or not path.stat().st_mode & 0o077, path
    shutil.rmtree(place)


def test_many(daemon, image, place):
    """A list is bounded, and says so; any image can be launched."""
    for number in range(10000):
        (place / f"a{number:05}").mkdir()
    reply = daemon.call("ListImages")
    assert [one["name"] for one in reply["images"]] == [f"a{number:05}" for number in range(256)]
    assert reply["leftOut"] == 10001 - 256
    assert "9745 more" in daemon.cvmctl("images").stderr
    assert launch(daemon, "web")["image"] == image.reference


def test_restart(daemon, image):
    """The CVM keeps what it booted from: with the daemon's memory from there, later from the files,
    if they are still the same."""
    cvm = launch(daemon, "web")
    reference = image.reference
    image.describe(version="2.0")
    assert daemon.call("Restart", name="cvm")["cvm"]["image"] == reference
    daemon.kill()
    daemon.start()
    assert daemon.status("cvm")["image"] == reference
    daemon.call("Restart", name="cvm", force=True)
    again = daemon.status("cvm")
    assert again["artifacts"] == cvm["artifacts"] and again["image"] == image.reference
    daemon.kill()
    daemon.start()
    (image.path / "initramfs.cpio").write_bytes(
        (image.path / "initramfs.cpio").read_bytes() + bytes(512))
    image.describe()
    with pytest.raises(VarlinkError) as refusal:
        daemon.call("Restart", name="cvm", force=True)
    assert "has another initramfs now" in str(refusal.value.fields)


def test_measured_offline(daemon, image, tmp_path):
    """By directory, with the same values as from the files, and the image stated."""
    (image.path / "bzImage").write_bytes(images.kernel())
    image.describe()
    options = ("--platform", "vtpm", "--qemu", "7.2", "--cmdline", "quiet", "--json")
    by_files = json.loads(daemon.cvmctl(
        "measure", *options, "--kernel", image.path / "bzImage", "--initramfs",
        image.path / "initramfs.cpio").stdout)
    by_image = json.loads(daemon.cvmctl("measure", *options, "--image", image.path).stdout)
    assert by_image["inputs"].pop("image") == image.reference
    assert by_image == by_files
    said = daemon.cvmctl("measure", *options, "--image", image.path, "--kernel", "x", check=False)
    assert said.returncode and "--image has its own kernel" in said.stderr
    (image.path / "bzImage").write_bytes(bytes(4096))
    said = daemon.cvmctl("measure", *options, "--image", image.path, check=False)
    assert said.returncode and "bzImage" in said.stderr


def test_bad_configuration(config, tmp_path):
    path = tmp_path / "cvmd.conf"
    for bad in (["relative"], ["/x"] * 17, "/x", [1]):
        path.write_text(json.dumps({**config, "images": bad}))
        done = subprocess.run([CVMD, "--check-config", "--config", path], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)
        assert done.returncode and "field 'images'" in done.stderr
