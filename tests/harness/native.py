# SPDX-License-Identifier: Apache-2.0
"""Firmware as an IGVM file for the native platform: what an ordinary VM boots from."""
import contextlib
import pathlib
import tempfile

from harness import images

END = 1 << 32  # the firmware ends here, where the CPU starts


def wrap(firmware, mask=1, others=()):
    """`others`: more platforms, as (mask, type), without pages of their own."""
    assert len(firmware) % 4096 == 0
    room = 64 + 24 * (1 + len(others)) + 32 * (len(firmware) // 4096)
    file = images.Igvm((room + 4095) & ~4095)
    file.platform(mask, 0)
    for other, kind in others:
        file.platform(other, kind, vtl=2)
    file.pages(mask, END - len(firmware), firmware)
    return file.finish()


@contextlib.contextmanager
def program_directory():
    """For programs that any user may run: QEMU, and what runs beside it, have users of their own,
    whom pytest's directories are closed to."""
    with tempfile.TemporaryDirectory(prefix="cvmd-programs-") as directory:
        path = pathlib.Path(directory)
        path.chmod(0o755)
        yield path
