# SPDX-License-Identifier: Apache-2.0
"""The command line that libvirt makes of a domain beside the one of driver qemu, for the same spec:
every difference is listed with its reason."""
import json
import re
import shlex

# What only says where things are, or what they are called.
NAMES = {"id", "bus", "addr", "chardev", "fsdev", "netdev", "fd", "path", "file", "nr", "index",
         "mac", "guest", "port", "chassis", "multifunction", "memory-backend"}
# The first value of these options says what they are.
TYPED = {"-object": "qom-type", "-device": "driver", "-netdev": "type", "-chardev": "backend",
         "-fsdev": "driver", "-audiodev": "driver", "-machine": "type"}
FLAGS = {"-S", "-nographic", "-nodefaults", "-no-reboot", "-no-user-config", "-no-shutdown"}
WHOLE = {"-append", "-cpu", "-accel", "-sandbox", "-global", "-watchdog-action", "-display",
         "-monitor", "-serial", "-qmp"}
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
    r"-device virtio-(9p|serial)-pci iommu_platform=on": "as virtio in a confidential guest is",
    r"-netdev stream .*": "passt, a process of its own, in place of QEMU's user network",
    r"-(global ICH9-LPC.noreboot=off|watchdog-action reset)": "the chip set's watchdog",
}
SAME = {
    "-accel tcg", "-cpu max", "-S", "-nodefaults", "-no-user-config", "-no-shutdown",
    "-append console=null quiet", "-smp cpus=1", f"-m size={256 << 20}", "-name debug-threads=on",
    "-object memory-backend-memfd share=on", f"-object memory-backend-memfd size={256 << 20}",
    "-fsdev local security_model=mapped", "-fsdev local readonly=on",
    "-device virtio-9p-pci mount_tag=env_share", "-device virtio-9p-pci mount_tag=certs_share",
    "-device virtserialport name=io.cvmd.notify", "-device virtio-net-pci iommu_platform=on",
    "-device virtio-net-pci romfile=", "-kernel", "-initrd",
    "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
}


def plain(value):
    """A property's value in the one way that both are compared in."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = {"true": "on", "false": "off"}.get(str(value), str(value))
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
    if option == "-smp":
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
            said.add(option)
            continue
        value = rest.pop(0)
        if option in ("-kernel", "-initrd"):
            said.add(option)
        elif option in WHOLE:
            said.add(f"{option} {value}")
        elif option != "-uuid":
            kind, found = properties(option, value)
            head = " ".join(filter(None, (option, kind)))
            pairs = [f"{head} {key}={plain(entry)}" for key, entry in found.items()
                     if key not in NAMES]
            said.update(pairs or [head])
    return said


def unlisted(only, table):
    return {fact for fact in only if not any(re.fullmatch(item, fact) for item in table)}


def of_process(machine):
    pid = machine.run("pgrep", "-f", "guest=web,").stdout.split()[0]
    return machine.run("cat", f"/proc/{pid}/cmdline").stdout.split("\0")[:-1]


def native(machine):
    """Of virsh domxml-to-native, which puts variables before, and another network in."""
    words = shlex.split(machine.virsh("domxml-to-native", "qemu-argv", "--domain", "web"))
    return words[next(i for i, word in enumerate(words) if word.startswith("/")):]


def without_network(said):
    return {fact for fact in said if not re.match(r"-netdev|-device virtio-net-pci", fact)}


def test_differences(machine, web, record_property):
    plan = machine.cvmctl("render", "web", "--platform", "plain", "--kernel", "/files/bzImage",
                          "--initramfs", "/files/initramfs", "--cpus", "1", "--memory", "256M",
                          "--json")
    argv = of_process(machine)
    ours, theirs = facts(json.loads(plan.stdout)["argv"]), facts(argv)
    assert SAME - ours == set() and SAME - theirs == set()
    assert argv[argv.index("-uuid") + 1] == web["id"]
    assert without_network(facts(native(machine))) == without_network(theirs)
    listed = unlisted(ours - theirs, OURS), unlisted(theirs - ours, THEIRS)
    record_property(f"argv of libvirt {machine.suite}",
                    f"{len(ours & theirs)} the same, {len(ours - theirs)} of driver qemu alone, "
                    f"{len(theirs - ours)} of libvirt alone")
    if machine.suite == "12":
        assert listed == (set(), set())
    for only in listed:  # unstable goes on
        for fact in sorted(only):
            record_property("not listed yet", fact)
