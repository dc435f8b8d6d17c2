# SPDX-License-Identifier: Apache-2.0
"""GPUs that this host has not: what refuses a launch, and what render shows."""
import json

import pytest

from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("each launch is refused before a driver has it")

ABSENT = "00ff:fe:1f.7"


def test_only_those_that_the_configuration_names(make_daemon, config):
    for allowed, check, fix in (([], "gpu", "devices.gpus"), ([ABSENT], f"gpu:{ABSENT}", "lspci")):
        cvmd = make_daemon({**config, "devices": {"gpus": allowed}})
        with pytest.raises(VarlinkError) as refusal:
            cvmd.launch("web", gpus=[ABSENT.upper()])
        assert refusal.value.name == "HostNotReady"
        assert refusal.value.fields["check"] == check and fix in refusal.value.fields["fix"]
        assert cvmd.cvms() == []
        plan = json.loads(cvmd.cvmctl("render", "--platform", "plain", "--gpu", ABSENT,
                                      "--json").stdout)
        assert f"vfio-pci,host={ABSENT},bus=gpu0" in plan["argv"]
        assert check in [missing["name"] for missing in plan["missing"]]
