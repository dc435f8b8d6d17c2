# SPDX-License-Identifier: Apache-2.0
"""cvmctl render: what it sends, and what it shows of the reply."""
import subprocess

import pytest

from harness.peer import Peer, environment

pytestmark = pytest.mark.qemu_driver("it launches nothing: cvmctl and a scripted daemon")

PLAN = {
    "argv": ["/usr/bin/qemu-system-x86_64", "-machine", "q35", "-append", "console=null quiet",
             "-kernel", "/proc/self/fd/3", "-name", "it's", "-smp", "2", "-nodefaults"],
    "descriptors": [{"number": 3, "what": "kernel"}, {"number": 4, "what": "console"},
                    {"number": 5, "what": "initramfs", "sha256": "cd" * 32},
                    {"number": 6, "what": "share:data"}],
    "missing": [{"name": "kvm", "found": "no /dev/kvm", "needed": "KVM", "passed": False,
                 "fix": "modprobe kvm_amd"}],
}


def test_render(tmp_path):
    kernel = tmp_path / "a kernel"
    kernel.write_text("k")
    args = ["render", "--kernel", kernel, "--share", f"data={tmp_path}", "--cpus", "2"]
    with Peer(Render=PLAN) as peer:
        done = peer.cvmctl(*args)
        assert peer.cvmctl(*args, "--shell").out == done.out
        found = peer.cvmctl(*args, "--json")
        (call, *_) = peer.calls
    assert call.parameters == {"spec": {
        "name": "cvm", "cpus": 2, "kernel": {"fd": 0, "path": str(kernel)},
        "shares": [{"tag": "data", "readOnly": True, "fd": 1, "path": str(tmp_path)}]}}
    assert call.fds == [b"k", ["a kernel"]] and not call.more
    assert done.code == 0
    assert done.out == f"""\
# descriptor 4: console
# descriptor 5: initramfs, SHA-256 {'cd' * 32}
/usr/bin/qemu-system-x86_64 \\
  -machine q35 \\
  -append 'console=null quiet' \\
  -kernel /proc/self/fd/3 \\
  -name 'it'\\''s' \\
  -smp 2 \\
  -nodefaults \\
  3<'{kernel}' \\
  6<{tmp_path}
"""
    assert "modprobe kvm_amd" in done.err and "no /dev/kvm" in done.err
    assert found.err == "" and found.json == {**PLAN, "descriptors": [
        {"number": 3, "what": "kernel", "path": str(kernel)}, *PLAN["descriptors"][1:3],
        {"number": 6, "what": "share:data", "path": str(tmp_path)}]}


def test_render_can_be_pasted(tmp_path):
    words = ["a b", "it's", "", "$HOME `x` \\", "tab\there", "new\nline", "\x1b[31mä€\u009b", "-x",
             "*", "#", "~", "!", "\\'\x01"]
    (tmp_path / "f i'le").write_text("content")
    plan = {"argv": ["python3", "-c", "import sys,os;print([sys.argv[1:],os.read(7,99)])", *words],
            "descriptors": [{"number": 7, "what": "kernel"}], "missing": []}
    with Peer(Render=plan) as peer:
        done = peer.cvmctl("render", "--kernel", tmp_path / "f i'le")
    assert not set(done.out) & set("\x1b\u009b\x01") and done.err == ""
    run = subprocess.run(["bash", "-c", done.out], stdout=subprocess.PIPE, check=True,
                         env=environment())
    assert run.stdout.decode() == f"{[words, b'content']}\n"


def test_render_of_a_file_that_is_elsewhere(tmp_path):
    with Peer(Render=PLAN) as peer:
        assert peer.cvmctl("render", "x", "--igvm", tmp_path / "none").code == 0
        assert peer.calls[0].parameters["spec"] == {
            "name": "x", "igvm": {"path": f"{tmp_path}/none"}}
