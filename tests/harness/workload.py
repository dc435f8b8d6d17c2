# SPDX-License-Identifier: Apache-2.0
"""What bindWorkload binds, as cvm-spec(5) defines it: written from that page, for comparison."""
import base64
import hashlib
import json

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size(text):
    return str(int(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else int(text))


def setting(value):
    if value in ("true", "false"):
        return value
    try:
        return hex(int(value, 0))
    except ValueError:
        return base64.b64encode(base64.b64decode(value)).decode()


def document(spec, artifacts, **effective):
    """artifacts: kind to SHA-256. effective: what the spec leaves to a default."""
    full = {**spec, **effective}
    bound = {
        "name": full["name"],
        "platform": full["platform"],
        "cpus": full["cpus"],
        "memory": size(full["memory"]),
        "cmdline": full["cmdline"],
        "env": sorted(full.get("env", {}), key=str.encode),
        "certs": sorted(full.get("certs", {}), key=str.encode),
        "shares": [{"tag": share["tag"], "readOnly": share.get("readOnly", True)}
                   for share in full.get("shares", [])],
        "network": full.get("network", "user").partition(":")[0],
        "vsock": "vsock" in full or full["platform"] == "tdx",
        "launchSecurity": {name: setting(value)
                           for name, value in full.get("launchSecurity", {}).items()},
        "debug": full.get("debug", False),
    }
    if full.get("disks"):
        bound["disks"] = [{"id": disk.get("id", f"disk{i}"), "format": disk.get("format", "raw"),
                           "bus": disk.get("bus", "scsi"), "readOnly": disk.get("readOnly", True)}
                          for i, disk in enumerate(full["disks"])]
    whole = {"version": 1, "spec": bound, "artifacts": artifacts}
    # Names are ASCII here but for certs, which are values: so this is RFC 8785's order and form.
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(text, algorithm="sha256"):
    return hashlib.new(algorithm, text.encode()).hexdigest()
