# SPDX-License-Identifier: Apache-2.0
"""DescribeHost: the doctor's answers, by the daemon."""
import pytest

from harness.varlink import VarlinkError

pytestmark = pytest.mark.qemu_driver("it launches nothing")


def test_checks_of_the_host(shared):
    told = shared.call("DescribeHost")
    names = [check["name"] for check in told["checks"]]
    assert {"kvm", "sev-snp", "tdx", "sev-es-asids", "qgs", "memlock"} <= set(names)
    assert len(names) == len(set(names))


def test_checks_of_a_platform(shared):
    """What the fake QEMU lacks is told beside what the host lacks."""
    checks = shared.call("DescribeHost", platform="tdx")["checks"]
    needed = {check["needed"]: check for check in checks}
    assert not needed["object tdx-guest"]["passed"] and needed["object tdx-guest"]["fix"]
    assert "a quote generation service for TDX" in needed
    checks = shared.call("DescribeHost", platform="plain")["checks"]
    assert checks and all(check["passed"] for check in checks)


def test_a_platform_that_there_is_not(shared):
    with pytest.raises(VarlinkError) as refusal:
        shared.call("DescribeHost", platform="nope")
    assert refusal.value.name.endswith("InvalidParameter")


def test_platforms_are_those_that_can_be_launched(shared):
    """This daemon has nothing embedded, so that none can be without files."""
    told = shared.call("DescribeHost")["platforms"]
    listed = {template["name"]: template["available"]
              for template in shared.call("ListTemplates")["templates"]}
    assert all(listed[name] for name in told)
