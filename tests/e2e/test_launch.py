# SPDX-License-Identifier: Apache-2.0
"""A guest boots, sees exactly what it was given, and is stopped without a trace."""
import json
import os
import pathlib
import re
import signal

import pytest

from harness import artifacts
from harness.agent import GIVEN, KEY, Agent, assert_certs, assert_environment, proof, sha256
from harness.processes import eventually, state

TRICKY = {
    "A": 'x y,z="q"',
    "EMPTY": "",
    "SHELL_": "$HOME `id` \\ ! ' \" ; # % *",
    "SPACES": "  in front and behind  ",
    "TAB": "a\tb",
    "UTF_8": "héllo ☃",
}


def launch(cvmd, name, *options, memory="256M", cpus=1):
    """By cvmctl, to READY; returns the CVM."""
    done = cvmd.cvmctl("launch", name, "--platform", "plain", "--memory", memory, "--cpus", cpus,
                       "--env", f"CVM_AGENT_KEY={KEY}", *options, "--wait", "ready", "--json",
                        timeout=300)
    cvm = json.loads(done.stdout.splitlines()[-1])
    cvm = cvm.get("cvm", cvm)
    assert cvm["ready"] and cvm["state"] == "running"
    return cvm


def test_the_whole_way(cvmd, tmp_path):
    certs = artifacts.certificates(tmp_path / "certs")
    env = [part for name, value in TRICKY.items() for part in ("--env", f"{name}={value}")]
    cvm = launch(cvmd, "web", *env, "--certs", certs)

    answer = Agent(cvm).look()
    assert_environment(answer, TRICKY)
    assert_certs(answer, certs)
    assert answer["cmdline"].startswith("console=null quiet")
    assert answer["cpus"] == 1 and answer["memory"] < 256 << 20

    shares = cvmd.runtime / "shares" / cvm["id"]
    assert shares.exists()
    status = json.loads(cvmd.cvmctl("status", "web", "--json").stdout)
    assert status.get("cvm", status)["readyAt"] >= status.get("cvm", status)["startedAt"]
    cvmd.cvmctl("logs", "web")
    timeline = cvmd.call("Timeline", name="web")
    ran = timeline["cvm"]["readyAt"] - timeline["stages"][-1]["at"]
    assert 0 < timeline["guestUptimeUsec"] < ran
    rows = [line.split()[0] for line in cvmd.cvmctl("timeline", "web").stdout.splitlines()]
    assert rows[-4:] == ["resumed", "firmware", "kernel,", "READY"]

    cvmd.cvmctl("stop", "web")
    stopped = cvmd.status("web")
    # The guest heard the power button: nothing had to be killed.
    assert stopped["state"] == "stopped"
    assert stopped["ending"]["reason"] in ("power-off", "stopped"), stopped
    assert "signal" not in stopped["ending"] or stopped["ending"]["signal"] is None
    assert not shares.exists()
    assert state(cvm["pid"]) in (None, "Z")


@pytest.mark.parametrize("value", ["abc", "m" * (1 << 20)], ids=["3 bytes", "1 MiB"])
def test_environment_of_any_size(cvmd, value):
    cvm = cvmd.launch("web", wait="ready", kernel=None, initramfs=None, memory="256M",
                      env=GIVEN | {"BIG": value})
    assert_environment(Agent(cvm).look(), {"BIG": value})


def test_strangers_learn_nothing_of_what_was_given(cvmd, tmp_path):
    """Any user of the host reaches the port: no name, and nothing by which a value can be tried."""
    certs = artifacts.certificates(tmp_path / "certs")
    agent = Agent(launch(cvmd, "web", "--env", "DB_PASSWORD=sommer2024", "--certs", certs))
    wrong = proof(key="00" * 32)
    answers = [agent.ask(request) for request in ("{}", '{"nonce":"AAEC"}', wrong)]
    assert (answers[0]["environmentCount"], answers[0]["certsCount"]) == (2, 3)
    assert list(answers[2]) == ["error"]
    for said in map(json.dumps, answers):
        for secret in ("DB_PASSWORD", "sommer", sha256("sommer2024"), "key.pem", "hmac",
                       *(sha256(path.read_bytes()) for path in certs.iterdir())):
            assert secret not in said
    # An answer is about its nonce: an old one is not an answer to another.
    again = [agent.ask(proof(nonce)) for nonce in (b"one", b"two")]
    assert again[0]["environment"] != again[1]["environment"]


def test_nothing_given(cvmd):
    cvm = launch(cvmd, "web")
    answer = Agent(cvm).look()
    assert_environment(answer, {})
    assert {cert["name"] for cert in answer["certs"]} == {"ca.pem", "cert.pem", "key.pem"}


def test_two_cpus_and_another_command_line(cvmd):
    cvm = launch(cvmd, "web", "--cmdline", "console=null quiet a=\"b c\" d,e=f", cpus=2)
    answer = Agent(cvm).ask()
    assert answer["cpus"] == 2
    assert 'a="b c" d,e=f' in answer["cmdline"]


def test_the_confidential_guest_boots_too(cvmd, guest):
    """Its kernel and initramfs by path, on the platform that every machine has."""
    files = guest("confidential")
    cvm = launch(cvmd, "web", "--kernel", files / "bzImage",
                 "--initramfs", files / "initramfs.cpio.gz", "--env", "A=b", memory="512M")
    answer = Agent(cvm).look()
    assert_environment(answer, {"A": "b"})
    major, minor = map(int, answer["kernel"].split(".")[:2])
    assert (major, minor) >= (6, 16)
    assert cvm["artifacts"]["kernel"] == sha256((files / "bzImage").read_bytes())


# Any of a hundred: of a console's bytes QEMU drops those that a busy host does not read in time.
KERNEL_LINE = re.compile(r"^\[ *\d+\.\d+\] \w", re.M)


def test_debug_has_a_console(cvmd):
    cvm = launch(cvmd, "web", "--debug")
    assert "ttyS0" in Agent(cvm).ask()["cmdline"]
    eventually(lambda: KERNEL_LINE.search(cvmd.cvmctl("logs", "web").stdout),
               "the kernel's messages are in the log")
    assert cvm["debug"]


def test_no_console_without_debug(cvmd):
    launch(cvmd, "web")
    assert not KERNEL_LINE.search(cvmd.cvmctl("logs", "web").stdout)


def test_pause_and_resume(cvmd):
    cvm = launch(cvmd, "web")
    agent = Agent(cvm)
    cvmd.cvmctl("pause", "web")
    with pytest.raises(OSError):
        agent.ask(timeout=2)
    cvmd.cvmctl("resume", "web")
    assert agent.ask()["uptimeMs"] > 0


def test_paused_before_its_first_instruction(cvmd):
    cvm = cvmd.launch("web", paused=True, kernel=None, initramfs=None, memory="256M",
                      env=GIVEN)
    assert cvm["state"] == "paused" and not cvm["ready"]
    cvmd.call("Resume", name="web")
    assert_environment(Agent(cvmd.wait_ready("web", seconds=120)).look(), {})


def test_killed_is_noticed_at_once(cvmd):
    cvm = launch(cvmd, "web")
    os.kill(cvm["pid"], signal.SIGKILL)
    failed = cvmd.wait_state("web", "failed", seconds=5)
    assert failed["ending"]["reason"] == "qemu-signal" and failed["ending"]["signal"] == 9
    assert not (cvmd.runtime / "shares" / cvm["id"]).exists()


def test_it_outlives_its_daemon(cvmd):
    cvm = launch(cvmd, "web", "--env", "A=b")
    cvmd.kill()
    assert_environment(Agent(cvm).look(), {"A": "b"})
    cvmd.start()
    adopted = cvmd.status("web")
    assert (adopted["state"], adopted["pid"], adopted["id"], adopted["ready"]) == (
        "running", cvm["pid"], cvm["id"], True)
    assert_environment(Agent(adopted).look(), {"A": "b"})
    cvmd.cvmctl("stop", "web")
    assert cvmd.status("web")["state"] == "stopped"


def test_a_shared_directory(cvmd, tmp_path):
    """Extra shares reach the guest's QEMU by descriptor; the guest boots with them."""
    odd = tmp_path / "a,b=c d"
    odd.mkdir()
    cvm = launch(cvmd, "web", "--share", f"data={odd}")
    argv = pathlib.Path(f"/proc/{cvm['pid']}/cmdline").read_bytes()
    assert b"mount_tag=data" in argv and str(odd).encode() not in argv
    Agent(cvm).ask()


@pytest.mark.alone
def test_20_at_once(cvmd):
    """Distinct ports, each guest with its own environment, and all stop by their power button. They
    get so little of the processors that Linux might take its emulated timer for a broken one."""
    names = [f"n{number}" for number in range(20)]
    for name in names:
        cvmd.launch(name, kernel=None, initramfs=None, memory="192M", env=GIVEN | {"NAME": name},
                    cmdline="console=null quiet no_timer_check",
                    timeouts={"readySec": 600, "powerdownSec": 300})
    cvms = [cvmd.wait_ready(name, seconds=300) for name in names]
    assert len({cvm["forwards"][0]["hostPort"] for cvm in cvms}) == 20
    for cvm in cvms:
        assert_environment(Agent(cvm).look(), {"NAME": cvm["name"]})
    cvmd.cvmctl("stop", *names, "--timeout", 300, timeout=600)
    assert {cvmd.status(name)["state"] for name in names} == {"stopped"}
    assert {cvmd.status(name)["ending"].get("signal") for name in names} == {None}
