# SPDX-License-Identifier: Apache-2.0
"""The metrics as other projects read them: a parser of OpenMetrics, promtool, node-exporter and
Prometheus; and the rules of examples/monitoring, each of which fires when it should."""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import pytest

from harness.daemon import TOP
from harness.ports import port
from harness.processes import eventually

EXAMPLES = TOP / "examples/monitoring"
RULES = (EXAMPLES / "cvmd.rules.yml").read_text()
# Each alert: series that make it fire, and others that do not, by the minute.
CASES = {
    "CvmdMetricsStale": (
        {'node_textfile_mtime_seconds{file="/srv/cvmd.prom"}': "0x60"},
        {'node_textfile_mtime_seconds{file="/srv/cvmd.prom"}': "0+60x60",
         'node_textfile_mtime_seconds{file="/srv/other.prom"}': "0x60"}),
    "CvmdLaunchesFail": (
        {'cvmd_launches_total{kind="new",result="succeeded"}': "0+1x60",
         'cvmd_launches_total{kind="new",result="failed"}': "0+1x60"},
        {'cvmd_launches_total{kind="new",result="succeeded"}': "0+20x60",
         'cvmd_launches_total{kind="new",result="failed"}': "0+1x60"}),
    "CvmdLaunchesRefused": (
        {'cvmd_refusals_total{error="NoResources",resource="port"}': "0+1x60"},
        {'cvmd_refusals_total{error="NoResources",resource="port"}': "9x60"}),
    "CvmdMemoryPromisedNearLimit": (
        {"cvmd_memory_promised_bytes": "95x60", "cvmd_memory_available_bytes": "5x60"},
        {"cvmd_memory_promised_bytes": "80x60", "cvmd_memory_available_bytes": "20x60"}),
    "CvmdCvmsNearLimit": (
        {'cvmd_cvms{state="running",platform="plain"}': "50x60",
         'cvmd_cvms{state="paused",platform="tdx"}': "45x60", "cvmd_cvms_limit": "100x60"},
        {'cvmd_cvms{state="running",platform="plain"}': "50x60",
         'cvmd_cvms{state="stopped",platform="tdx"}': "45x60", "cvmd_cvms_limit": "100x60"}),
    "CvmdRestarts": ({"cvmd_restarts_total": "0+1x60"}, {"cvmd_restarts_total": "9x60"}),
    "CvmdGuestPanics": (
        {'cvmd_endings_total{reason="guest-panic"}': "0x20 1x40"},
        {'cvmd_endings_total{reason="power-off"}': "0x20 1x40"}),
    "CvmdQueueGrows": (
        {'cvmd_queue_waiting{queue="files"}': "30x60"},
        {'cvmd_queue_waiting{queue="files"}': "30x27 0x30"}),
    "CvmdDiskHangs": (
        {'cvmd_queue_working{queue="commits"}': "1x60"},
        {'cvmd_queue_working{queue="launches"}': "1x60"}),
    "CvmdStatusSlow": (
        {'cvmd_api_call_duration_seconds_bucket{method="Status",le="0.05"}': "0x60",
         'cvmd_api_call_duration_seconds_bucket{method="Status",le="0.1"}': "0+9x60",
         'cvmd_api_call_duration_seconds_bucket{method="Status",le="+Inf"}': "0+9x60"},
        {'cvmd_api_call_duration_seconds_bucket{method="Status",le="0.001"}': "0+9x60",
         'cvmd_api_call_duration_seconds_bucket{method="Status",le="+Inf"}': "0+9x60"}),
    "CvmdDescriptorsNearLimit": (
        {"cvmd_open_fds": "90x60", "cvmd_max_fds": "100x60"},
        {"cvmd_open_fds": "70x60", "cvmd_max_fds": "100x60"}),
    "CvmdConnectionsNearLimit": (
        {"cvmd_api_connections": "90x60", "cvmd_api_connections_limit": "100x60"},
        {"cvmd_api_connections": "70x60", "cvmd_api_connections_limit": "100x60"}),
    "CvmdRestartsItself": (
        {"cvmd_start_time_seconds": "1+60x60"}, {"cvmd_start_time_seconds": "1x60"}),
}


def package(name):
    """Where the lane has unpacked a package of Debian's."""
    directory = os.environ.get(name)
    if not directory:
        pytest.skip(f"{name} is not set; scripts/test --lane conformance unpacks it")
    return pathlib.Path(directory)


def promtool(*command, **options):
    return subprocess.run([package("PROMETHEUS") / "usr/bin/promtool", *command], text=True,
                          capture_output=True, timeout=60, check=False, **options)


def busy(cvmd):
    """Something of each kind has happened."""
    cvmd.launch("web", wait="ready")
    cvmd.cvmctl("launch", "web", check=False)
    cvmd.cvmctl("status", "nope", check=False)


def test_a_parser_of_openmetrics(cvmd):
    busy(cvmd)
    modules = [str(package(name) / "usr/lib/python3/dist-packages")
               for name in ("PROMETHEUS_CLIENT", "PYTHON_DECORATOR")]
    script = """
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(json.dumps([[f.name, f.type, f.unit, [[s.name, s.labels, s.value] for s in f.samples]]
                  for f in text_string_to_metric_families(sys.stdin.read())]))
"""
    done = subprocess.run(["/usr/bin/python3", "-B", "-c", script], text=True, capture_output=True,
                          env={"PYTHONPATH": ":".join(modules)}, timeout=60, check=False,
                          input=cvmd.call("Metrics")["text"])
    assert done.returncode == 0, done.stderr
    families = {name: (kind, unit, samples) for name, kind, unit, samples in
                json.loads(done.stdout)}
    assert families["cvmd_build"][0] == "info"
    assert families["cvmd_launch_to_running_seconds"][:2] == ("histogram", "seconds")
    assert ["cvmd_cvms", {"state": "running", "platform": "plain"}, 1.0] in families["cvmd_cvms"][2]
    assert len(families) > 20


def test_promtool_finds_nothing(cvmd):
    busy(cvmd)
    done = promtool("check", "metrics", input=cvmd.call("Metrics", format="prometheus")["text"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert promtool("check", "metrics", input="cvmd_x_total 1\n").returncode != 0  # has no help


def test_promtool_checks_the_examples():
    done = promtool("check", "config", EXAMPLES / "prometheus.yml")
    assert done.returncode == 0 and "FAILED" not in done.stdout, done.stdout + done.stderr


def test_rules_use_what_there_is(cvmd):
    text = cvmd.call("Metrics", format="prometheus")["text"]
    there = set(re.findall(r"^(cvmd_\w+)", text, re.MULTILINE))
    used = set(re.findall(r"(?<![\w:])(cvmd_\w+)(?![\w:.])",
                          re.sub(r'"[^"]*"', "", re.sub(r"record: .*", "", RULES))))
    assert len(used) > 10 and used <= there


def test_every_alert_fires_when_it_should(tmp_path):
    alerts = re.findall(r"- alert: (\w+)", RULES)
    assert sorted(alerts) == sorted(CASES)
    tests = []
    for alert, sides in CASES.items():
        for fires, series in zip((True, False), sides):
            expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
            tests.append({
                "name": f"{alert} {fires}", "interval": "1m",
                "input_series": [{"series": name, "values": values}
                                 for name, values in series.items()],
                "promql_expr_test": [{
                    "expr": expression, "eval_time": "30m",
                    "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}]})
    path = tmp_path / "tests.yml"
    path.write_text(json.dumps({"rule_files": [str(EXAMPLES / "cvmd.rules.yml")],
                                "evaluation_interval": "1m", "tests": tests}))
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def running(command, log):
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def fetch(number, path, **query):
    """What is served on this port, or None before it is."""
    url = f"http://127.0.0.1:{number}{path}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return None


def test_scraped_once(cvmd, tmp_path):
    """From the daemon to a query of Prometheus, by the files of the example."""
    busy(cvmd)
    textfile = tmp_path / "textfile"
    textfile.mkdir()
    cvmd.cvmctl("metrics", "--format", "prometheus", "--output", textfile / "cvmd.prom")
    exporter, prometheus = port(0), port(1)
    config = (EXAMPLES / "prometheus.yml").read_text()
    config = config.replace("localhost:9100", f"127.0.0.1:{exporter}").replace("15s", "1s")
    (tmp_path / "prometheus.yml").write_text(config)
    (tmp_path / "cvmd.rules.yml").write_text(RULES)

    def query(expression):
        text = fetch(prometheus, "/api/v1/query", query=expression)
        return [(sample["metric"], float(sample["value"][1]))
                for sample in json.loads(text)["data"]["result"]] if text else []

    with running([package("NODE_EXPORTER") / "usr/bin/prometheus-node-exporter",
                  "--collector.disable-defaults", "--collector.textfile",
                  f"--collector.textfile.directory={textfile}",
                  f"--web.listen-address=127.0.0.1:{exporter}"], tmp_path / "exporter.log"), \
            running([package("PROMETHEUS") / "usr/bin/prometheus",
                     f"--config.file={tmp_path / 'prometheus.yml'}",
                     f"--storage.tsdb.path={tmp_path / 'data'}",
                     f"--web.listen-address=127.0.0.1:{prometheus}"], tmp_path / "prometheus.log"):
        eventually(lambda: query("cvmd_build_info"),
                   lambda: "".join((tmp_path / f"{name}.log").read_text()
                                   for name in ("exporter", "prometheus")), seconds=30)
        assert query("node_textfile_scrape_error")[0][1] == 0
        running_cvms, = query('cvmd_cvms{state="running",platform="plain"}')
        assert running_cvms[1] == 1
        assert query('sum(cvmd_launches_total{result="succeeded"})')[0][1] == 1
        assert query("histogram_quantile(0.5, cvmd_launch_to_running_seconds_bucket)")[0][1] > 0
        metadata = json.loads(fetch(prometheus, "/api/v1/metadata", metric="cvmd_launches_total"))
        assert metadata["data"]["cvmd_launches_total"][0]["type"] == "counter"
        rules = [rule for group in json.loads(fetch(prometheus, "/api/v1/rules"))["data"]["groups"]
                 for rule in group["rules"]]
        eventually(lambda: query("instance:cvmd_live_cvms:sum"), "the rules are evaluated")
        assert len(rules) == len(re.findall(r"- (?:alert|record):", RULES))
        assert not [rule for rule in rules if rule["health"] == "err"]
