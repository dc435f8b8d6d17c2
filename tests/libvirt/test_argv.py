# SPDX-License-Identifier: Apache-2.0
"""The command line that libvirt makes of a domain beside the one of driver qemu, for the same spec:
every difference is listed with its reason."""
import copy
import json
import os
import pathlib
import re
import shlex
from xml.etree import ElementTree

import pytest

# What only says where things are, or what they are called.
NAMES = {"id", "bus", "addr", "chardev", "fsdev", "netdev", "fd", "path", "file", "nr", "index",
         "mac", "guest", "port", "chassis", "multifunction", "memory-backend", "filename",
         "node-name", "confidential-guest-support", "guest-cid", "value", "tpmdev"}
# The first value of these options says what they are.
TYPED = {"-object": "qom-type", "-device": "driver", "-netdev": "type", "-chardev": "backend",
         "-fsdev": "driver", "-audiodev": "driver", "-machine": "type", "-blockdev": "driver",
         "-tpmdev": "type"}
FLAGS = {"-S", "-enable-kvm", "-nographic", "-nodefaults", "-no-reboot", "-no-user-config",
         "-no-shutdown"}
WHOLE = {"-append", "-cpu", "-accel", "-sandbox", "-global", "-watchdog-action", "-display",
         "-monitor", "-serial", "-qmp", "-vga"}
FILES = {"-kernel", "-initrd", "-bios"}
UNITS = {"k": 1 << 10, "M": 1 << 20, "G": 1 << 30}

# What driver qemu alone says, and why libvirt does not.
OURS = {
    r"-machine type=q35|-machine type=pc-q35-.*": "libvirt names the version of the machine",
    r"-smp maxcpus=.*|-m (slots|maxmem)=.*": "the document's; nothing is plugged in later",
    r"-object memory-backend-memfd (prealloc|reserve)=off":
        "libvirt has no word for reserve; prealloc is off without one",
    r"-nographic|-serial .*|-monitor none": "libvirt: -display none and devices, each by itself",
    r"-(qmp|chardev) .*": "libvirt has a monitor of its own",
    r"-no-reboot": "libvirt tells QEMU so over its monitor (on_reboot)",
    r"-device virtio-serial-pci": "libvirt's is as virtio in a confidential guest is",
    r"-device virtio-net-pci disable-legacy=on": "libvirt's is on a PCI Express port: always so",
    r"-netdev user .*": "libvirt of this age forwards by passt",
}
# What libvirt alone says.
THEIRS = {
    r"-machine (type=pc-q35-.*|usb=off|dump-guest-core=off|acpi=on)":
        "its defaults; dumps are without the guest's memory",
    r"-smp (sockets|cores|threads)=.*": "the topology that QEMU would choose",
    r"-object secret .*": "the key of what libvirt hands to QEMU over the monitor; unused here",
    r"-object memory-backend-memfd x-use-canonical-path-for-ramblock-id=off": "for migration",
    r"-overcommit mem-lock=off|-rtc base=utc|-boot strict=on|-msg timestamp=on": "its defaults",
    r"-display none|-audiodev .*": "instead of -nographic",
    r"-(mon|chardev) .*|-object monitor-qmp.*": "its monitor",
    r"-device (pcie-root-port|isa-serial)": "PCI Express ports, and the console as a device",
    r"-device virtio-(9p|serial)-pci iommu-platform=on": "as virtio in a confidential guest is",
    r"-netdev stream .*": "passt, a process of its own, in place of QEMU's user network",
    r"-(global ICH9-LPC.noreboot=off|watchdog-action reset)": "the chip set's watchdog",
}
SAME = {
    "-S", "-nodefaults", "-no-user-config", "-no-shutdown", "-append console=null quiet",
    f"-m size={256 << 20}", "-name debug-threads=on",
    f"-object memory-backend-memfd size={256 << 20}",
    "-fsdev local security-model=mapped", "-fsdev local readonly=on",
    "-device virtio-9p-pci mount-tag=env_share", "-device virtio-9p-pci mount-tag=certs_share",
    "-device virtserialport name=io.cvmd.notify", "-kernel", "-initrd",
    "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
}

# Of a platform alone.
_EPYC = "libvirt names no version of a model: the signature, which is measured, is the same"
_VGA = "QEMU has none with -nodefaults, either"
_CLIENT = {"-device virtio-net-pci iommu-platform=on", "-device virtio-net-pci romfile="}
_MEMORY = {"-object memory-backend-memfd share=on", "-smp cpus=1"}
_PLAIN = {"-accel tcg", "-cpu max", *_CLIENT, *_MEMORY}
_SEV = {"reduced-phys-bits=1", "cbitpos=51", "kernel-hashes=on"}
SAME_OF = {
    "plain": _PLAIN,
    "plain-uefi": {*_PLAIN, "-bios", "-tpmdev emulator", "-device tpm-tis", "-chardev socket"},
    "sev": {"-accel kvm", "-blockdev raw read-only=on", "-object sev-guest policy=1", *_MEMORY,
            *(f"-object sev-guest {one}" for one in _SEV)},
    "sev-snp-ovmf": {"-accel kvm", "-bios", "-machine hpet=off", "-machine kernel-irqchip=split",
                     f"-object sev-snp-guest policy={0x30000}", *_MEMORY,
                     *(f"-object sev-snp-guest {one}" for one in _SEV)},
    "tdx": {"-accel kvm", "-bios", "-machine hpet=off", "-machine kernel-irqchip=split",
            "-smp sockets=1", "-smp cores=1", "-smp threads=1", "-smbios type=11"},
}
OURS_OF = {
    "plain": {},
    "plain-uefi": {},
    "sev": {r"-cpu EPYC-v3": _EPYC, r"-vga none": _VGA, r"-machine pflash0=.*": "a name"},
    "sev-snp-ovmf": {r"-cpu EPYC-v4": _EPYC, r"-vga none": _VGA},
    "tdx": {r"-cpu host": "said in other words", r"-vga none": _VGA,
            r"-device vhost-vsock-pci vhostfd=\d+": "a descriptor",
            r"-object tdx-guest quote-generation-socket=.*'vsock'.*":
                "libvirt knows a quote generation service by a path alone"},
}
THEIRS_OF = {
    "plain": {},
    "plain-uefi": {},
    "sev": {r"-cpu EPYC,monitor=off": _EPYC, r"-machine pflash0=.*": "a name",
            r"-blockdev file (auto-read-only=on|discard=unmap)": "its defaults; it is read-only"},
    "sev-snp-ovmf": {r"-cpu EPYC,monitor=off": _EPYC},
    "tdx": {r"-cpu host,migratable=on": "QEMU's default",
            r"-device vhost-vsock-pci vhostfd=-1": "a descriptor",
            r"-device vhost-vsock-pci iommu-platform=on": "as virtio in a confidential guest is",
            r"-smp (clusters|cpus|dies)=1": "the topology that QEMU would choose",
            r"-object memory-backend-memfd share=on": "said of all domains",
            r"-object tdx-guest quote-generation-socket=.*'unix'.*": "its default path"},
}


def plain(value):
    """A property's value in the one way that both are compared in."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = {"true": "on", "false": "off"}.get(str(value), str(value))
    text = re.sub(r"(?<=:)61\d\d(?=-:)", "PORT", text)  # whichever was free
    if re.fullmatch(r"0x[0-9a-f]+", text):
        return str(int(text, 16))
    size = re.fullmatch(r"([1-9]\d*)([kMG])", text)
    return str(int(size[1]) * UNITS[size[2]]) if size else text


def properties(option, value):
    if value.startswith("{"):
        found = json.loads(value)
        return found.pop(TYPED[option]), found
    first, *rest = value.split(",")
    found = {}
    for item in rest:
        key, separator, text = item.partition("=")
        found[key] = text if separator else "on"
    if option == "-smp" and "=" not in first:
        found.setdefault("cpus", first)
    elif option == "-m":
        size = first.removeprefix("size=")
        found["size"] = size if size[-1] in UNITS else f"{size}M"
    elif option == "-name" and "=" not in first:
        pass  # the name itself
    elif option in TYPED and option != "-machine":
        return first, found
    elif option == "-machine":
        found["type"] = first
    else:
        key, separator, text = first.partition("=")
        found[key] = text if separator else "on"
    return None, found


def facts(argv):
    """What a command line says, without names and places."""
    said, rest = set(), list(argv[1:])
    while rest:
        option = rest.pop(0)
        if option in FLAGS:
            said.add("-accel kvm" if option == "-enable-kvm" else option)
            continue
        value = rest.pop(0)
        if option in FILES:
            said.add(option)
        elif option in WHOLE:
            said.add(f"{option} {value}")
        elif option != "-uuid":
            kind, found = properties(option, value)
            head = " ".join(filter(None, (option, kind)))
            pairs = [f"{head} {key.replace('_', '-')}={plain(entry)}"
                     for key, entry in found.items()
                     if key not in NAMES]
            said.update(pairs or [head])
    return said


def unlisted(only, table):
    return {fact for fact in only if not any(re.fullmatch(item, fact) for item in table)}


def of_process(machine, name):
    pid = machine.run("pgrep", "-f", f"guest={name},").stdout.split()[0]
    return machine.run("cat", f"/proc/{pid}/cmdline").stdout.split("\0")[:-1]


def native(machine, *source):
    """Of virsh domxml-to-native, which puts variables before, and another network in."""
    done = machine.run("virsh", "-q", "-c", "qemu:///system", "domxml-to-native", "qemu-argv",
                       *source, check=False)
    if "does not support virt type 'kvm'" in done.stderr:
        pytest.skip("this libvirt does not believe what it kept of its QEMU")
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout)
    return words[next(i for i, word in enumerate(words) if word.startswith("/")):]


def without_network(said):
    return {fact for fact in said if not re.match(r"-netdev|-device virtio-net-pci", fact)}


def options(platform):
    firmware = [] if platform == "plain" else ["--firmware", "/files/OVMF.fd"]
    return ["--platform", platform, "--kernel", "/files/bzImage", "--initramfs",
            "/files/initramfs", *firmware, "--cpus", "1", "--memory", "256M"]


def own_plan(machine, platform):
    plan = machine.cvmctl("render", "web", *options(platform), "--json")
    return json.loads(plan.stdout)["argv"]


def compare(machine, platform, ours, theirs, record_property):
    """What both must say they do; what one alone says is in its table."""
    same = SAME | SAME_OF[platform]
    assert same - ours == set() and same - theirs == set()
    only = (unlisted(ours - theirs, OURS | OURS_OF[platform]),
            unlisted(theirs - ours, THEIRS | THEIRS_OF[platform]))
    record_property(f"argv of libvirt {machine.suite}, {platform}",
                    f"{len(ours & theirs)} the same, {len(ours - theirs)} of driver qemu alone, "
                    f"{len(theirs - ours)} of libvirt alone")
    if machine.suite == "12":
        assert only == (set(), set())
    for some in only:  # unstable goes on
        for fact in sorted(some):
            record_property("not listed yet", fact)


@pytest.mark.parametrize("platform", ["plain", "plain-uefi"])
def test_differences(machine, platform, record_property):
    machine.cvmctl("launch", "web", "--driver", "libvirt", "--paused", *options(platform))
    argv = of_process(machine, "web")
    ours, theirs = facts(own_plan(machine, platform)), facts(argv)
    assert argv[argv.index("-uuid") + 1] == machine.status("web")["id"]
    assert without_network(facts(native(machine, "--domain", "web"))) == without_network(theirs)
    compare(machine, platform, ours, theirs, record_property)


# What libvirt knows of a QEMU, in a file that it believes while host and QEMU are the same.
KEPT = "/var/cache/libvirt/qemu/capabilities"
SEV = ("<sev><cbitpos>51</cbitpos><reducedPhysBits>1</reducedPhysBits><pdh>AA==</pdh>"
       "<certChain>AA==</certChain><cpu0Id>AA==</cpu0Id></sev>")
PROMISED = {"12": ["kvm", "sev-guest", "sev-guest-kernel-hashes"]}
PROMISED["sid"] = [*PROMISED["12"], "sev-snp-guest", "tdx-guest"]


def promising(text, flags):
    """The same QEMU on a host with KVM, SEV and TDX, where it can do what it can do here."""
    root = ElementTree.fromstring(text)
    for element in [e for e in root if e.get("type") == "tcg"]:
        other = copy.deepcopy(element)
        other.set("type", "kvm")
        root.insert(list(root).index(element) + 1, other)
    place = list(root).index(root.find("flag"))
    for flag in flags:
        root.insert(place, ElementTree.Element("flag", name=flag))
    cpu = dict(re.findall(r"^(\w[^\t:]*?)\s*: (.*)$",
                          pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii"), re.M)[::-1])
    host = os.uname()
    said = {"kernelVersion": f"{host.release} {host.version}",
            "microcodeVersion": str(int(cpu.get("microcode", "0"), 0)),
            "hostCPUSignature": f"{cpu['vendor_id']}, {cpu['model name']}, family: "
                                f"{cpu['cpu family']}, model: {cpu['model']}, stepping: "
                                f"{cpu.get('stepping', '0')}"}
    for name, value in said.items():
        for old in root.findall(name):
            root.remove(old)
        element = ElementTree.Element(name)
        element.text = value
        root.insert(list(root).index(root.find("version")) + 1, element)
    root.append(ElementTree.fromstring(SEV))
    return ElementTree.tostring(root, encoding="unicode")


@pytest.fixture(scope="module")
def promised(booted):
    """A libvirt that takes its host for one that can do everything."""
    booted.virsh("domcapabilities", "--machine", "q35")
    booted.libvirt_goes()
    for name in booted.run("ls", KEPT).stdout.split():
        text = booted.run("cat", f"{KEPT}/{name}").stdout
        if "<arch>x86_64</arch>" in text:
            booted.write(f"{KEPT}/{name}", promising(text, PROMISED[booted.suite]))
    booted.run("touch", "/dev/kvm")
    booted.run("chmod", "666", "/dev/kvm")
    booted.libvirt_comes()
    yield booted
    booted.libvirt_goes()
    booted.run("rm", "-rf", KEPT, "/dev/kvm")
    booted.libvirt_comes()


@pytest.mark.parametrize("platform", ["sev", "sev-snp-ovmf", "tdx"])
def test_differences_where_nothing_runs(promised, platform, record_property):
    """Of what libvirt would start on another host."""
    text = promised.cvmctl("render", "web", "--driver", "libvirt", *options(platform)).stdout
    # the one that is started asks libvirt first whether it has passt
    text = re.sub(r"<backend type=.passt.*?/>|<portForward.*?</portForward>", "", text, flags=re.S)
    promised.write("/tmp/promised.xml", text)
    if platform != "sev" and promised.suite == "12":
        done = promised.run("virsh", "domxml-to-native", "qemu-argv", "/tmp/promised.xml",
                            check=False)
        assert "Invalid value for attribute 'type' in element 'launchSecurity'" in done.stderr
        return
    ours = without_network(facts(own_plan(promised, platform)))
    theirs = without_network(facts(native(promised, "/tmp/promised.xml")))
    compare(promised, platform, ours, theirs, record_property)
