# SPDX-License-Identifier: Apache-2.0
"""Many CVMs at once: distinct ports, each stops clean."""
import concurrent.futures

import pytest

from harness import libvirt

# libvirt starts some two in a second.
COUNT = 40 if libvirt.USED else 200


@pytest.fixture
def config(config):
    return {**config, "limits": {"cvms": COUNT, "endedPerUid": COUNT, "vcpusPerCpu": COUNT}}


@pytest.mark.slow
def test_many_at_once(cvmd):
    names = [f"n{number}" for number in range(COUNT)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        cvms = list(pool.map(cvmd.launch, names))
        assert {cvm["state"] for cvm in cvms} == {"running"}
        ports = [cvm["forwards"][0]["hostPort"] for cvm in cvms]
        assert len(set(ports)) == COUNT
        assert len({cvm["pid"] for cvm in cvms}) == COUNT
        assert sorted(cvm["name"] for cvm in cvmd.cvms()) == sorted(names)
        stopped = list(pool.map(lambda name: cvmd.stop(name, force=True), names))
        assert {cvm["state"] for cvm in stopped} == {"stopped"}
        list(pool.map(lambda name: cvmd.call("Remove", name=name), names))
    cvmd.assert_clean()


@pytest.mark.slow
def test_one_name_launched_by_many_at_once(cvmd):
    """Exactly one of them wins; the others are told that it is there."""
    def launch(_):
        try:
            return cvmd.launch("web")["id"]
        except Exception as problem:
            return problem

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(launch, range(40)))
    won = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(won) == 1
    assert {getattr(outcome, "name", outcome) for outcome in outcomes
            if not isinstance(outcome, str)} == {"CvmExists"}
    assert cvmd.status("web")["id"] == won[0]


@pytest.mark.slow
def test_launched_and_stopped_over_and_over(cvmd):
    """Nothing grows: descriptors, files and ports are as before after each round."""
    for _ in range(30):
        cvmd.launch("web", env={"A": "x" * 1000})
        cvmd.discard("web")
    cvmd.assert_clean()
