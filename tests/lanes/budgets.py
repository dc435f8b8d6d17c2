# SPDX-License-Identifier: Apache-2.0
"""How long each lane may take, and when it has taken too long.

Seconds on two quiet cores, without what is made once and kept: programs, guests and roots (see
apart.py). A lane with parts runs one of them, which rotates with the commits; --long runs all."""
import dataclasses

ALL = 65 * 60  # the whole of scripts/test
TOLERANCE = 1.5


@dataclasses.dataclass(frozen=True)
class Budget:
    seconds: int
    parts: int = 1


BUDGETS = {
    "check": Budget(60),
    "unit": Budget(45),
    "engine": Budget(20),
    "fuzz": Budget(8),
    "man": Budget(12),
    "fresh": Budget(60),
    "system": Budget(340),
    "use": Budget(90),
    "system-libvirt": Budget(360),
    "soak": Budget(50),
    "hostile": Budget(120),
    "api-load": Budget(120),
    "sweep": Budget(200, parts=2),
    "conformance": Budget(20),
    "cluster": Budget(100),
    "systemd": Budget(170),
    "modern-qemu": Budget(75),
    "peers": Budget(60),
    "attest": Budget(40),
    "boot": Budget(120),
    "libvirt": Budget(150),
    "packages": Budget(300),
    "igvm": Budget(60),
    "e2e": Budget(260),
    "hal": Budget(260),
    "asan": Budget(300, parts=3),
    "valgrind": Budget(330, parts=6),
}


def verdict(name, used, factor):
    """Why the lane has taken too long, or None. The factor says how much slower than the quiet
    reference machine this one was meanwhile (see calibration.py)."""
    budget = BUDGETS[name].seconds
    limit = budget * TOLERANCE * factor
    if used <= limit:
        return None
    return (f"the lane took {used:.0f} s; its budget is {budget} s, and the limit {limit:.0f} s: "
            f"{TOLERANCE:g} times that, on a machine that was {factor:.2f} times as slow as two "
            f"quiet cores")
