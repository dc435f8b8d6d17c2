# SPDX-License-Identifier: Apache-2.0
"""What each profile is made of."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Profile:
    name: str
    suite: str       # Debian suite that busybox, and unless backports is set the kernel, come from
    backports: bool  # the kernel, or its source, comes from SUITE-backports
    required: tuple = ()  # modules without which the guest cannot do its duty
    wanted: tuple = ()    # modules that only some machines or kernels have
    tools: tuple = ()     # packages that the kernel is compiled with; none: it is Debian's
    contents: tuple = ()  # packages that the full image consists of; none: this is a kernel
    extra: tuple = ()     # packages that a user adds to it
    debug: tuple = ()     # packages that its debug image adds
    helpers: tuple = ()   # packages whose programs pack it


# In the order in which they are loaded; dependencies come before by themselves. Named as in file
# names, with either dash or underscore. A module may be built in.
REQUIRED = (
    "virtio_pci", "virtio_console", "virtio_net",           # readiness port, network
    "9pnet_virtio", "9p",                                   # shares
    "virtio_scsi", "sd_mod", "virtio_blk",                  # data disks
    "button", "evdev",                                      # power button
    "configfs", "tpm_tis", "tpm_crb",                       # reports, measured boot
    "vmw_vsock_virtio_transport",
)
# The guest drivers bring tsm or tsm_report along where the kernel has it.
WANTED = ("pvpanic", "pvpanic-mmio", "virtio_mmio", "virtio_rng", "qemu_fw_cfg", "dmi_sysfs",
          "tpm_svsm", "sev_guest", "tdx_guest")
# What scripts and Makefiles of the kernel call. All but the compiler is there on any Debian, and
# named since nothing comes by itself into a root in which nothing is installed.
TOOLS = (
    "base-files", "bash", "bc", "binutils", "bison", "coreutils", "dash", "diffutils", "findutils",
    "flex", "gcc", "grep", "gzip", "libc6-dev", "libelf-dev", "libssl-dev", "make", "mawk", "patch",
    "perl", "python3-minimal", "sed", "tar", "xz-utils", "zstd",
)
# What programs in the full image can rely on. Debian's essential packages are not there by
# themselves: nothing is installed.
CONTENTS = (
    "bash", "ca-certificates", "coreutils", "dbus-broker", "docker-cli", "docker.io", "findutils",
    "grep", "gzip", "iproute2", "libc-bin", "mawk", "mount", "ncurses-base", "procps", "python3",
    "python3-pip", "python3-venv", "sed", "systemd", "systemd-sysv", "tar", "tzdata", "util-linux",
    "wasmedge",
)

# The full image.
FULL = Profile("full", "trixie", False, contents=CONTENTS, debug=("login",),
               helpers=("erofs-utils",))

PROFILES = {
    # One kernel for every platform, compiled from Debian's source by hal/kernel/config.
    "own": Profile("own", "trixie", True, tools=TOOLS),
    "plain": Profile("plain", "bookworm", False, REQUIRED, WANTED),
    # The same with another kernel (6.12), whose measurement is to be foretold as well.
    "plain13": Profile("plain13", "trixie", False, REQUIRED, WANTED),
    # Guests of TDX and of an SVSM and TSM reports need Linux 6.16 or newer (TSM 6.7, SVSM 6.11).
    "confidential": Profile("confidential", "trixie", True,
                            REQUIRED + ("sev_guest", "tdx_guest"), WANTED),
}
