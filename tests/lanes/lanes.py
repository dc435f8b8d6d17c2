# SPDX-License-Identifier: Apache-2.0
"""The lanes: what each runs, with which programs and roots."""
import os
import shlex
import shutil
import subprocess

import needs
import results
from builds import TOP, BuildFailed, BuildUnavailable
from results import Result
from roots import Unavailable
from run import progress

# For pytest-xdist: each system test has a daemon and directories of its own.
SIDE_BY_SIDE = ["-n", str(os.cpu_count() or 1)]
# Guests of 4 GiB: how many there are at once is bounded by memory, too.
TWO_GUESTS = ["-n", "2"]
SWEEP_MOMENTS = 200  # at least: fewer are a sweep that missed what it is for
# Set by what runs all lanes in a root of its own, with the reason.
NO_CONTAINERS = "CVMD_NO_CONTAINERS"
# What the lane's tests are started by.
HOSTILE = "tests/hostile/enter"
LONG_SOAK_CYCLES = 40_000
LONG_LOAD_SECONDS = 300
LONG_FUZZ_MINUTES = 10
VALGRIND_CANNOT = {
    "test-artifact-caller": "valgrind answers for /proc/self itself and keeps its own user's files",
    "test-base-descriptor": "it makes system calls that valgrind does not know",
    "test-base-errand": "its children do not share descriptors, and wait in a close of a deaf file",
    "test-base-forker": "its grandchildren are its children by a flag that valgrind does not know",
    "test-base-foreign": "no other thread runs under it while one is in close(2)",
    "test-base-mount-table": "what it forks is under valgrind, too, and ends as valgrind will",
    "test-daemon-child": "what it forks is under valgrind, too, and ends as valgrind will",
    "test-daemon-file-filter": "it makes system calls that valgrind does not know",
}
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "LSAN_OPTIONS": f"suppressions={TOP / 'tests/lsan.supp'}:print_suppressions=0",
}


def lane_unit(run):
    return run.meson(run.builds.plain(), "unit")


def engine(run, build, wrap=(), env=None):
    """Its programs, and its scripts for pytest."""
    result = run.meson(build, "engine", wrap, env)
    if any((TOP / "tests/engine").glob("test_*.py")):
        result.add(run.pytest("engine", build, env))
    return result


def lane_engine(run):
    return engine(run, run.builds.plain())


def lane_system(run):
    options = [*SIDE_BY_SIDE, *(["-m", "not slow"] if run.fast else [])]
    return run.pytest("system", run.builds.plain(), options=options)


def lane_system_libvirt(run):
    env = {"CVMD_DRIVER": "libvirt", "TEST_SLOWNESS": "4"}
    return run.pytest("system", run.builds.plain(), env, SIDE_BY_SIDE)


def lane_sweep(run):
    result = Result()
    part = run.part("sweep", "fail points", result)
    result.add(run.pytest("sweep", run.builds.sweep(), part.env("SWEEP_PART"),
                          ["-o", "junit_family=xunit1", *SIDE_BY_SIDE]))
    moments = 0
    for name, value in results.properties(run.scratch / "sweep.xml"):
        progress(f"{name}: {value}")
        if " moments" in value:
            moments += int(value.split()[0])
    progress(f"all: {moments} moments")
    if moments < SWEEP_MOMENTS // part.parts and not results.unplanned(result.skips):
        result.fail("sweep", f"{moments} moments are fewer than {SWEEP_MOMENTS // part.parts}")
    return result


def lane_soak(run):
    env = {"SOAK_CYCLES": str(LONG_SOAK_CYCLES)} if run.long else {}
    result = run.pytest("soak", run.builds.plain(), env, ["-o", "junit_family=xunit1"])
    for name, value in results.properties(run.scratch / "soak.xml"):
        progress(f"{name}: {value}")
    return result if run.long else result.later(f"soak: {LONG_SOAK_CYCLES} cycles")


def guests(run, names, result):
    """The environment that names the directories of these guests to tests. One that the archive has
    no source for counts as skipped; its tests say so, too."""
    env = {}
    for name in names:
        try:
            env[f"GUEST_{name.upper()}"] = str(run.builds.guest(name))
        except BuildUnavailable as reason:
            result.skip(f"the {name} guest", str(reason))
        except BuildFailed as problem:
            result.fail(f"the {name} guest", str(problem))
    return env


def no_hostility():
    """Why nobody can attack a daemon of root's here as others would, or None."""
    if os.geteuid() != 0:
        return "only root can be several users"
    if reason := os.environ.get(NO_CONTAINERS):
        return reason
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as problem:
        return f"no FUSE here: /dev/fuse: {problem.strerror}"
    entered = subprocess.run([TOP / HOSTILE, "true"], stdin=subprocess.DEVNULL, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return f"no namespaces here: {results.tail(entered.stdout, 1)}" if entered.returncode else None


def lane_hostile(run):
    if reason := no_hostility():
        return Result().skip("hostile", reason)
    result = run.pytest("hostile", run.builds.plain(), options=["-o", "junit_family=xunit1"],
                        within=[HOSTILE])
    for name, value in results.properties(run.scratch / "hostile.xml"):
        progress(f"{name}: {value}")
    return result


def lane_api_load(run):
    env = {"API_LOAD_SECONDS": str(LONG_LOAD_SECONDS)} if run.long else {}
    result = run.pytest("api-load", run.builds.plain(), env, ["-o", "junit_family=xunit1"])
    for name, value in results.properties(run.scratch / "api-load.xml"):
        progress(f"{name}: {value}")
    return result if run.long else result.later(f"api-load: {LONG_LOAD_SECONDS} s of it")


def lane_e2e(run):
    if not shutil.which("qemu-system-x86_64"):
        return Result().skip("e2e", "qemu-system-x86_64 is not installed")
    env, result = {}, Result()
    try:
        env["GUEST"] = str(run.builds.usual_guest())
    except BuildFailed as problem:
        result.fail("the usual guest", str(problem))
    env.update(guests(run, ("own", "plain", "confidential"), result))
    if not env:
        return result
    build = run.builds.plain()
    result.add(run.pytest("e2e", build, env, [*SIDE_BY_SIDE, "-m", "not alone"]))
    return result.add(run.pytest("e2e", build, env, ["-m", "alone"]))


def lane_hal(run):
    if not shutil.which("qemu-system-x86_64"):
        return Result().skip("hal", "qemu-system-x86_64 is not installed")
    result = Result()
    env = guests(run, ("full",), result)
    return result.add(run.pytest("hal", run.builds.plain(), env, TWO_GUESTS)) if env else result


def lane_asan(run):
    build = run.builds.asan()
    result = engine(run, build, env=SANITIZERS)
    for suite in ("unit", "fuzz"):
        result.add(run.meson(build, suite, env=SANITIZERS))
    part = run.part("asan", "system tests", result)
    return result.add(run.pytest("system", build,
                                 {**SANITIZERS, **part.env(), "TEST_SLOWNESS": "3"}, SIDE_BY_SIDE))


def lane_valgrind(run):
    build, result = run.builds.plain(), Result()
    wrap = needs.valgrind(build)
    part = run.part("valgrind", "unit, engine and system tests", result)
    result.add(run.meson(build, "unit", wrap, left_out=VALGRIND_CANNOT, part=part))
    if run.reachable()[0]:
        result.skip("engine", "valgrind starts a QEMU of another user by its path, which that user "
                    "may not enter here")
    else:
        result.add(run.meson(build, "engine", wrap, part=part))
    command = shlex.join(map(str, wrap))
    cvmctl = run.scratch / "cvmctl"
    cvmctl.write_text(f'#!/bin/sh\nexec {command} {build / "cli/cvmctl"} "$@"\n')
    cvmctl.chmod(0o755)
    env = {"CVMD_WRAPPER": command, "CVMCTL": str(cvmctl), "TEST_SLOWNESS": "4", **part.env()}
    return result.add(run.pytest("system", build, env, SIDE_BY_SIDE))


def lane_fuzz(run):
    result = run.meson(run.builds.plain(), "fuzz")
    if not run.long:
        return result.later(f"fuzz: {LONG_FUZZ_MINUTES} minutes of each target")
    status, output = run.execute([TOP / "tests/fuzz/run", str(LONG_FUZZ_MINUTES)], {})
    if status:
        return result.fail("fuzz: tests/fuzz/run", f"status {status}\n{output}")
    for line in output.splitlines():
        if line.endswith(" 0 crashes"):
            progress(line)
            result.passed += 1
    return result


def lane_conformance(run):
    try:
        env = {"CLIENT_ROOT": str(needs.DEBIAN_13.get()),
               "PROMETHEUS": str(needs.PROMETHEUS.get()),
               "NODE_EXPORTER": str(needs.NODE_EXPORTER.get()),
               "PROMETHEUS_CLIENT": str(needs.PROMETHEUS_CLIENT.get()),
               "PYTHON_DECORATOR": str(needs.PYTHON_DECORATOR.get())}
    except Unavailable as reason:
        return Result().skip("conformance", str(reason))
    return run.pytest("conformance", run.builds.plain(), env)


def no_containers():
    """Why no system can be booted in a container here, or None."""
    if not shutil.which("systemd-nspawn"):
        return "systemd-nspawn (systemd-container) is not installed"
    return os.environ.get(NO_CONTAINERS)


def lane_cluster(run):
    try:
        env = {"RESOURCE_AGENTS": str(needs.RESOURCE_AGENTS_12.get()),
               "RESOURCE_AGENTS_13": str(needs.RESOURCE_AGENTS_13.get()),
               "XMLLINT": str(needs.XMLLINT.get())}
        if reason := no_containers():
            progress(f"no nodes: {reason}")  # their tests are skipped
        else:
            env["CLUSTER_ROOT"] = str(needs.CLUSTER_12.get())
    except Unavailable as reason:
        return Result().skip("cluster", str(reason))
    return run.pytest("cluster", run.builds.plain(), env, ["-n", "2", "--dist", "loadgroup"])


def lane_systemd(run):
    if reason := no_containers():
        return Result().skip("systemd", reason)
    try:
        root = needs.DEBIAN_13.get()
    except Unavailable as reason:
        return Result().skip("systemd", str(reason))
    # It is built there, and compiled anew where the root is another one.
    build = TOP / f"build-systemd-{root.name}"
    env = {"SYSTEMD_ROOT": str(root), "SYSTEMD_BUILD": str(build)}
    try:
        env["SYSTEMD_NEWEST_ROOT"] = str(needs.NEWEST.get())
    except Unavailable as reason:
        progress(str(reason))  # its tests are skipped
    try:
        env["GUEST"] = str(run.builds.usual_guest())
    except BuildFailed:
        pass  # the test that wants it says so
    result = run.pytest("systemd", TOP / "build", env, ["-o", "junit_family=xunit1"])
    for name, value in results.properties(run.scratch / "systemd.xml"):
        progress(f"{name}: {value}")
    return result


def modern_qemus():
    """Roots with the QEMU of Debian 13 and of its backports, by the variables that name them."""
    return {"QEMU_ROOT_11": str(needs.QEMU_NEWEST.get()),
            "QEMU_ROOT_10": str(needs.DEBIAN_13.get())}


def lane_modern_qemu(run):
    try:
        qemus = modern_qemus()
        firmware = {"FIRMWARE_SEV": str(needs.FIRMWARE_SEV.get()),
                    "FIRMWARE_TDX": str(needs.FIRMWARE_TDX.get())}
    except Unavailable as reason:
        return Result().skip("modern-qemu", str(reason))
    if shutil.which("qemu-system-x86_64"):
        qemus["QEMU_ROOT_7"] = "/"
    try:
        guest = {"GUEST": str(run.builds.usual_guest())}
    except BuildFailed as problem:
        return Result().fail("the guest", str(problem))
    return run.pytest("modern", run.builds.plain(), {**qemus, **firmware, **guest})


def lane_peers(run):
    try:
        env = {"PEERS_ROOT": str(needs.PEERS.get()),
               "FIRMWARE_SEV": str(needs.FIRMWARE_SEV.get())}
    except Unavailable as reason:
        return Result().skip("peers", str(reason))
    try:
        env["GUEST_PLAIN"] = str(run.builds.guest("plain"))
    except BuildFailed:
        pass  # the tests that want it say so
    return run.pytest("peers", run.builds.plain(), env)


def lane_boot(run):
    try:
        env = {**modern_qemus(),
               "FIRMWARE_BOOKWORM": str(needs.FIRMWARE_12.get()),
               "FIRMWARE_TRIXIE": str(needs.FIRMWARE_13.get()),
               "FIRMWARE_SID": str(needs.FIRMWARE_SID.get())}
    except Unavailable as reason:
        return Result().skip("boot", str(reason))
    result = Result()
    env.update(guests(run, ("own", "plain", "plain13"), result))
    return result.add(run.pytest("boot", run.builds.plain(), env, TWO_GUESTS))


def lane_attest(run):
    return run.pytest("attest", run.builds.plain(), options=SIDE_BY_SIDE)


def lane_igvm(run):
    env = {}
    if os.environ.get("CVMD_TEST_QEMU_IGVM"):  # its tests say so where there is none
        try:
            env["GUEST_PLAIN"] = str(run.builds.guest("plain"))
        except BuildFailed as problem:
            return Result().fail("the plain guest", str(problem))
    return run.pytest("igvm", run.builds.plain(), env, SIDE_BY_SIDE)


def lane_libvirt(run):
    if reason := no_containers():
        return Result().skip("libvirt", reason)
    try:
        env = {"LIBVIRT_ROOT_12": str(needs.LIBVIRT_12.get()),
               "LIBVIRT_ROOT_SID": str(needs.NEWEST.get()),
               "FIRMWARE_12": str(needs.FIRMWARE_12.get()),
               "FIRMWARE_SID": str(needs.FIRMWARE_SID.get())}
    except Unavailable as reason:
        return Result().skip("libvirt", str(reason))
    try:
        env["GUEST"] = str(run.builds.usual_guest())
    except BuildFailed as problem:
        return Result().fail("the guest", str(problem))
    result = run.pytest("libvirt", run.builds.plain(), env,
                        ["-n", "4", "--dist", "loadgroup", "-o", "junit_family=xunit1"])
    for name, value in results.properties(run.scratch / "libvirt.xml"):
        progress(f"{name}: {value}")
    return result


def lane_fresh(run):
    if reason := os.environ.get(NO_CONTAINERS):
        return Result().skip("fresh", reason)
    try:
        env = {"FRESH_ROOT": str(needs.FRESH.get())}
    except Unavailable as reason:
        return Result().skip("fresh", str(reason))
    return run.pytest("fresh", TOP / "build", env)


def lane_packages(run):
    if reason := no_containers():
        return Result().skip("packages", reason)
    try:
        env = {"PACKAGES_BUILD_12": str(needs.PACKAGING_12.get()),
               "PACKAGES_BUILD_13": str(needs.PACKAGING_13.get()),
               "PACKAGES_ROOT_12": str(needs.INSTALLED_12.get()),
               "PACKAGES_ROOT_13": str(needs.INSTALLED_13.get())}
    except Unavailable as reason:
        return Result().skip("packages", str(reason))
    try:
        env["GUEST"] = str(run.builds.usual_guest())
        env["FULL"] = str(run.builds.guest("full"))
    except BuildUnavailable as reason:
        return Result().skip("the full image", str(reason))
    except BuildFailed as problem:
        return Result().fail("the guest", str(problem))
    return run.pytest("packages", TOP / "build", env, ["-n", "2", "--dist", "loadgroup"])


def lane_man(run):
    return run.pytest("man", run.builds.plain())


def lane_use(run):
    return run.pytest("use", run.builds.plain(), options=[*SIDE_BY_SIDE, "--dist", "loadgroup"])


def lane_check(run):
    return run.pytest("check", run.builds.plain())


LANES = {
    "check": (lane_check, "style: layers, formatting, shellcheck, licences, sizes"),
    "unit": (lane_unit, "the modules of src/, daemon/ and cli/, each by itself"),
    "engine": (lane_engine, "manager and scripted QMP in one process"),
    "fuzz": (lane_fuzz, "the fuzz targets over their corpora"),
    "man": (lane_man, "the pages build and name every verb, option, method and field"),
    "system": (lane_system, "cvmd and cvmctl with tests/fake-qemu as QEMU"),
    "use": (lane_use, "what people type in the first hour, and completion in the real shells"),
    "system-libvirt": (lane_system_libvirt, "the same with CVMs of driver libvirt"),
    "fresh": (lane_fresh, "scripts and tests use nothing that a new machine lacks"),
    "soak": (lane_soak, "2,000 CVMs come and go, 50 at once, and leave nothing"),
    "hostile": (lane_hostile, "a user and a guest attack root's daemon while another uses it"),
    "api-load": (lane_api_load, "a client keeps 50 CVMs while all around it is killed at random"),
    "sweep": (lane_sweep, "cvmd is killed between two lasting steps and started again"),
    "conformance": (lane_conformance, "clients of Varlink and readers of metrics against cvmd"),
    "cluster": (lane_cluster, "the agent for Pacemaker, and a real cluster that loses nodes"),
    "systemd": (lane_systemd, "the units under a booted systemd of Debian 13"),
    "modern-qemu": (lane_modern_qemu, "confidential platforms by QEMU 11, 10.0 and this machine's"),
    "peers": (lane_peers, "measurements by systemd-pcrlock and the Rust crate sev of unstable"),
    "attest": (lane_attest, "what TPMs and platforms attest, judged, and changed at random"),
    "boot": (lane_boot, "real guests measure what was predicted, over firmware and kernels"),
    "libvirt": (lane_libvirt, "driver libvirt with libvirtd of Debian 12 and of unstable"),
    "packages": (lane_packages, "Debian packages: built, installed, upgraded, purged on 12 and 13"),
    "igvm": (lane_igvm, "IGVM files by cvmd and by QEMU's own loader, native ones to READY"),
    "e2e": (lane_e2e, "a real QEMU (TCG) boots the real guests"),
    "hal": (lane_hal, "the full image: what is in it, boots, runs programs, is closed to the host"),
    "asan": (lane_asan, "unit, engine, fuzz and a part of system under ASan, LSan and UBSan"),
    "valgrind": (lane_valgrind, "a part of unit, engine and system under valgrind"),
}
FAST = ["unit", "engine", "system"]
