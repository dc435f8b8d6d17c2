# SPDX-License-Identifier: Apache-2.0
"""Python's client, which parses the interface and checks every reply against its types."""
import json

from harness.man_host import blocks

OPEN = """
import json, sys, varlink
client = varlink.Client.new_with_address("unix:" + sys.argv[1])
cvmd = client.open("io.cvmd.Manager")
"""


def test_reads_the_interface(clients):
    text = clients.python(OPEN + """
print(json.dumps(sorted(client.get_interface("io.cvmd.Manager").members)))
""")
    assert {"Launch", "Spec", "NoSuchCvm", "Watch"} <= set(json.loads(text))


def test_life_of_a_cvm(clients):
    text = clients.python(OPEN + """
spec = json.loads(sys.argv[2])
states = [cvmd.Launch(spec=spec)["cvm"]["state"]]
names = [cvm["name"] for cvm in cvmd.List()["cvms"]]
names += [one["name"] for one in cvmd.Stats()["stats"] if one["cpuUsec"] >= 0]
for method in (cvmd.Pause, cvmd.Resume):
    states.append(method(name="web")["cvm"]["state"])
states.append(cvmd.Stop(name="web", force=True)["cvm"]["state"])
cvmd.Remove(name="web")
print(json.dumps([states, names, cvmd.List()["cvms"]]))
""", json.dumps(clients.daemon.spec("web", env={"A": 'x y,z="q"'})))
    assert json.loads(text) == [["running", "paused", "running", "stopped"], ["web", "web"],
                                []]


def test_stages_come_with_more(clients):
    text = clients.python(OPEN + """
replies = list(cvmd.Launch(spec=json.loads(sys.argv[2]), _more=True))
print(json.dumps([reply.get("stage") for reply in replies]))
""", json.dumps(clients.daemon.spec("web")))
    stages = json.loads(text)
    assert stages[:4] == ["admitted", "artifacts", "rendered", "starting"]
    assert stages[-1] is None


def test_errors_carry_their_fields(clients):
    text = clients.python(OPEN + """
try:
    cvmd.Launch(spec=json.loads(sys.argv[2]))
except varlink.VarlinkError as error:
    print(json.dumps([error.error(), error.parameters()]))
""", json.dumps(clients.daemon.spec("web", env={"A B": "x"})))
    name, fields = json.loads(text)
    assert name == "io.cvmd.Manager.InvalidSpec"
    assert fields["field"] == "env.A B" and fields["reason"]


def test_a_reason_beside_the_standard(clients):
    """The client has a class of its own for this error, which keeps what it knows."""
    text = clients.python(OPEN + """
try:
    cvmd.Wait(**{"name": "web", "for": "odd"})
except varlink.InvalidParameter as error:
    print(json.dumps(error.parameters()))
""")
    assert json.loads(text) == {"parameter": "for"}


def test_the_other_reads_all(clients):
    text = clients.python(OPEN + """
print(json.dumps([cvmd.ListTemplates(), cvmd.ListArtifacts(), cvmd.DescribeHost(),
                  cvmd.Render(spec=json.loads(sys.argv[2]))]))
""", json.dumps(clients.daemon.spec("web")))
    templates, artifacts, host, render = json.loads(text)
    assert {template["name"] for template in templates["templates"]} >= {"plain", "sev-snp", "tdx"}
    assert isinstance(artifacts["artifacts"], list) and host["checks"]
    assert len(render["argv"]) > 10


def test_the_example_of_the_page(clients):
    clients.needs_guest()
    text = blocks("io.cvmd.Manager.7")[1].replace("/run/cvmd/io.cvmd.Manager", clients.socket)
    lines = clients.python(text).splitlines()
    assert lines[0] == "admitted" and lines[-2] == "running"
    assert lines[-1].startswith("io.cvmd.Manager.NoSuchCvm ") and "wbe" in lines[-1]
    assert clients.daemon.status("web")["state"] == "stopped"
