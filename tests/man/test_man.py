# SPDX-License-Identifier: Apache-2.0
"""The manual pages against what they describe: programs, interface, spec, configuration."""
import base64
import json
import os
import pathlib
import re
import subprocess

import pytest

from harness import workload

TOP = pathlib.Path(__file__).resolve().parents[2]
MAN = TOP / "man"
CVMCTL = os.environ.get("CVMCTL", str(TOP / "build/cli/cvmctl"))
CVMD = os.environ.get("CVMD", str(TOP / "build/daemon/cvmd"))
PAGES = sorted(path.stem for path in MAN.glob("*.scd"))
# Classes of attacks that cvmd-security(7) must answer.
ATTACKS = ["Descriptors that do not answer", "Sockets that linger", "Messages",
           "Memory besides the guest's", "Files on slow file systems",
           "Files that the kernel writes",
           "The host's loopback", "The agent's answers", "A verdict that says too much",
           "Ordinary calls in numbers", "A log that is not read",
           "A disk that is full or slow", "Ports and keys",
           "Names and text"]
PARTIES = ["Root of the host", "Administrators", "Users of the group", "Other local users",
           "Guests", "The network", "Owner and verifier"]
NAMED_TEST = re.compile(r"(tests/[\w./-]+\.(?:py|c))::(\w+)")
INTERFACE = (TOP / "src/wire/io.cvmd.Manager.varlink").read_text()


def source(page):
    return (MAN / f"{page}.scd").read_text()


def words(text):
    """The text without scdoc's escapes and marks."""
    return re.sub(r"\\(.)", r"\1", text).replace("*", "")


def fields(kind):
    """Names of the members of a type of the interface."""
    body = re.search(rf"^type {kind} \((.*?)\)$", INTERFACE, re.DOTALL | re.MULTILINE)[1]
    body = re.sub(r"#.*", "", body)
    return re.findall(r"(\w+):", body)


@pytest.mark.parametrize("page", PAGES)
def test_page_builds_and_renders(page, tmp_path):
    text = subprocess.run(["scdoc"], input=source(page), capture_output=True, text=True, check=True)
    path = tmp_path / page
    path.write_text(text.stdout)
    # Every page begins with what it is.
    assert re.search(r"^\.SH NAME$", text.stdout, re.MULTILINE)
    name, section = page.rsplit(".", 1)
    assert text.stdout.find(f'.TH "{name}" "{section}"') >= 0


@pytest.mark.parametrize("page", PAGES)
def test_what_driver_libvirt_does_not_do(page):
    """Each page says it where its subject is affected."""
    text = " ".join(words(source(page)).replace("_", "").split())
    assert re.search(r"(?i)(?:driver )?libvirt\b[^.]*\b(?:not|no|nor)\b", text)


@pytest.mark.parametrize("page", ["cvm-spec.5", "cvmctl.1"])
def test_all_that_driver_libvirt_refuses(page):
    code = (TOP / "src/template/requirements.c").read_text()
    code = code[code.index("static void requirements_check_domain("):]
    code = code[:code.index("\n}\n")]
    refused = set(re.findall(r'fault_add\(walk->error, "(\w+)"', code)) - {"network"}
    refused |= {network.lower() for network in re.findall(r"SPEC_NETWORK_(\w+)", code)}
    assert {"shares", "disks", "passt"} <= refused
    text = " ".join(words(source(page)).replace("_", "").split())
    found = re.findall(r"libvirt does not support ([^.:]*)", text)[0]
    if page == "cvmctl.1":
        refused = {name.removesuffix("s") for name in refused} - {"limit"}  # it has no option
    assert not [name for name in refused if name not in found]


def verbs():
    done = subprocess.run([CVMCTL, "help", "--json"], capture_output=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("attestation", ["snp-milan.report", "tdx-v4.quote"])
def test_every_check_of_an_attestation(attestation):
    done = subprocess.run([CVMCTL, "verify", "--report", TOP / "tests/vectors" / attestation,
                           "--json"], capture_output=True, check=False)
    names = {check["check"] for check in json.loads(done.stdout)["checks"]}
    page = words(source("cvm-verify.7"))
    assert len(names) > 10
    assert not [name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", page)]


def test_cvmctl_every_verb_and_option():
    page = words(source("cvmctl.1"))
    missing = []
    for verb in verbs():
        if not re.search(rf"\b{verb['name']}\b", page):
            missing.append(verb["name"])
        missing += [f"{verb['name']} --{option['name']}" for option in verb["options"]
                    if not re.search(rf"--{option['name']}\b", page)]
    assert not missing


def test_cvmctl_no_option_that_there_is_not():
    page = words(source("cvmctl.1"))
    there = {option["name"] for verb in verbs() for option in verb["options"]}
    there |= {"socket", "help", "json", "version"}
    assert set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", page)) <= there


def exit_statuses():
    """Exit status to what EXIT STATUS of cvmctl(1) says of it: of all verbs, and of run."""
    page = words(source("cvmctl.1"))
    section = page[page.index("# EXIT STATUS"):page.index("If several names were given")]
    parts = []
    for text in section.split("run exits with the statuses of launch"):
        parts.append({})
        for status, meaning in re.findall(r"^(\d+)$\n((?:\t.*\n)+)", text, re.MULTILINE):
            parts[-1][int(status)] = parts[-1].get(int(status), "") + meaning
    return parts


def endings():
    """Each ending's name and exit status."""
    table = (TOP / "src/base/ending.c").read_text()
    found = re.findall(r'\] = \{"([\w-]+)", \w+, \w+, (\d+)\}', table)
    assert len(found) == len(re.findall(r"\[ENDING_", table)) > 10
    return {name: int(status) for name, status in found}


def test_cvmctl_exit_statuses():
    general, of_run = exit_statuses()
    header = (TOP / "cli/exit.h").read_text()
    table = {name: int(status) for name, status in re.findall(r"\b(EXIT_\w+) = (\d+)", header)}
    assert set(general) | set(of_run) == {*table.values(), *endings().values()}
    for status, name in re.findall(r"= (\d+),\s+/\* (EX_\w+)", header):
        assert general[int(status)].split(":")[0].strip() == name
    errors = re.findall(r"\[CVM_ERROR_(\w+)\] = (EXIT_\w+)", (TOP / "cli/exit.c").read_text())
    names = {name.upper(): name for name in [*re.findall(r"^error (\w+)", INTERFACE, re.MULTILINE),
                                             "InvalidParameter", "PermissionDenied"]}
    names["SYSTEM"] = names.pop("SYSTEMERROR")
    listed = [(names[error.replace("_", "")], table[status]) for error, status in errors
              if error.replace("_", "") in names]
    assert len(listed) == len(names)
    for name, status in listed:
        assert [at for at, text in general.items() if re.search(rf"\b{name}\b", text)] == [status]


def test_endings_and_their_exit_statuses():
    _, of_run = exit_statuses()
    for name, status in endings().items():
        word = rf"(?<![\w-]){name}(?![\w-])"
        named = [at for at, text in of_run.items() if re.search(word, text)]
        # a good end is also named where it is not one: restarts that were given up
        assert [at for at in named if at != 18] == [status], name
    listed = re.search(r"^type Ending \((.*?)reason:", INTERFACE, re.DOTALL | re.MULTILINE)[1]
    listed = re.sub(r"\(.*?\)", "", listed.replace("#", ""), flags=re.DOTALL)
    assert {name.strip(" .\n") for name in listed.split(",")} == set(endings())


def test_cvmd_exit_statuses():
    page = words(source("cvmd.8"))
    section = page[page.index("# EXIT STATUS"):page.index("# LIBVIRT")]
    main = (TOP / "daemon/main.c").read_text()
    names = set(re.findall(r"return (EX_\w+)", main))
    assert names and set(re.findall(r"\d+\s\((EX_\w+)\)", section)) == names
    for status, name in re.findall(r"(\d+)\s\((EX_\w+)\)", section):
        assert int(status) == getattr(os, name)


def test_cvmd_every_option():
    page = words(source("cvmd.8"))
    done = subprocess.run([CVMD, "--help"], capture_output=True, text=True, check=True)
    options = set(re.findall(r"--[a-z][a-z-]*", done.stdout))
    assert {"--config", "--socket", "--runtime-dir", "--state-dir", "--log-level"} <= options
    assert not [option for option in options if option not in page]


def test_interface_every_method_error_and_type():
    page = words(source("io.cvmd.Manager.7"))
    names = re.findall(r"^(?:method|error) (\w+)", INTERFACE, re.MULTILINE)
    assert len(names) > 20
    assert not [name for name in names if not re.search(rf"\b{name}\b", page)]


def test_interface_names_each_once():
    """A type, a method and an error share one space of names."""
    names = re.findall(r"^(?:type|method|error) (\w+)", INTERFACE, re.MULTILINE)
    assert sorted(names) == sorted(set(names))


def test_spec_every_field():
    page = words(source("cvm-spec.5"))
    names = {name for kind in ("Spec", "Forward", "Share", "ArtifactRef", "FileSource", "Vsock",
                               "Limits", "Timeouts") for name in fields(kind)}
    assert len(names) > 25
    assert not [name for name in sorted(names) if not re.search(rf"\b{name}\b", page)]


def block(page, heading, number):
    """The text of the numbered code block below a heading, or below a sentence."""
    return page[page.index(heading):].split("```\n")[2 * number + 1].replace("\\\\", "\\")


def test_spec_binding_names_every_field():
    """Each field of a spec is in the document that bindWorkload binds, or is said not to be."""
    page = words(source("cvm-spec.5"))
    section = page[page.index("# BINDING"):page.index("# EXAMPLES")].replace("_", " ")
    assert not [name for name in fields("Spec") if not re.search(rf"\b{name}\b", section)]


def test_spec_binding_example():
    """As a verifier recomputes it."""
    page = source("cvm-spec.5")
    heading = "A guest that is bound to what was launched"
    spec = json.loads(block(page, heading, 0))
    shown = block(page, heading, 1).replace("\n", "")
    artifacts = {kind: spec[kind]["sha256"] for kind in ("kernel", "initramfs", "firmware")}
    computed = workload.document(spec, artifacts)
    assert computed == shown
    digest = workload.digest(computed)
    assert digest in page and "never in the document" not in shown
    assert f"host-data={base64.b64encode(bytes.fromhex(digest)).decode()}." in page


def test_configuration_every_field():
    page = words(source("cvmd.conf.5"))
    table = (TOP / "daemon/local/config.c").read_text()
    names = re.findall(r'\{ ?"(\w+)", JSON_', table)
    assert len(names) > 20
    assert not [name for name in names if not re.search(rf"\b{name}\b", page)]


def test_template_every_field_and_variable():
    page = words(source("cvm-template.5"))
    names = set()
    for file in ("template.c", "security.c"):
        names |= set(re.findall(r'\{ ?"(\w+)", JSON_', (TOP / "src/template" / file).read_text()))
    assert len(names) > 20
    for file in (TOP / "templates").glob("*.json"):
        names |= set(re.findall(r'(?:\$\{|"when": "|"each": ")([a-z]+\.[\w-]+)', file.read_text()))
    for file in (TOP / "templates").glob("*.xml"):
        names |= set(re.findall(r'(?:\$\{|when(?:-\w+)?="|each=")([a-z]+\.[\w-]+)',
                                file.read_text()))
    loops = ("forward.", "share.", "disk.", "gpu.", "security.", "companion.")
    assert not [name for name in sorted(names) if not name.startswith(loops) and name not in page]


@pytest.mark.parametrize("page", PAGES)
def test_pages_that_a_page_names(page):
    """A page of the project that is referred to is there."""
    named = set(re.findall(r"\b((?:cvm|io\.cvmd)[\w.-]*)\((\d)\)", words(source(page))))
    assert not [f"{name}({section})" for name, section in named
                if f"{name}.{section}" not in PAGES]


def parts(heading):
    """The text below each heading of the second level in a section of cvmd-security(7)."""
    section = source("cvmd-security.7").split(f"\n# {heading}\n")[1].split("\n# ")[0]
    return dict(part.split("\n", 1) for part in section.split("\n## ")[1:])


def test_security_names_tests_that_are_there():
    named = set(NAMED_TEST.findall(source("cvmd-security.7")))
    assert len(named) > 50

    def is_there(path, function):
        definition = rf"^(?:def|static void) {function}\("
        return (TOP / path).exists() and re.search(definition, (TOP / path).read_text(), re.M)

    assert not [f"{path}::{function}" for path, function in sorted(named)
                if not is_there(path, function)]


def test_security_answers_every_attack():
    answers = parts("ATTACKS")
    assert sorted(answers) == sorted(ATTACKS)
    assert not [name for name, text in answers.items() if not NAMED_TEST.search(text)]


def test_security_holds_every_statement():
    """Each item about a party has its test."""
    parties = parts("PARTIES")
    assert [name.split(" (")[0] for name in parties] == PARTIES
    items = [item for text in parties.values() for item in re.split(r"^- ", text, flags=re.M)[1:]]
    assert len(items) > 15
    assert not [item for item in items if not NAMED_TEST.search(item)]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_of_the_readme(page):
    links = re.findall(r"\]\(([^)#:]+)\)", (TOP / page).read_text())
    assert not [link for link in links if not (TOP / link).exists()]


def test_the_table_of_the_readme_is_whole():
    """It has each manual page, each README of an example, and each document of the tree's top."""
    table = re.findall(r"^\|(.*)\|$", (TOP / "README.md").read_text(), re.MULTILINE)
    linked = set(re.findall(r"\]\(([^)#:]+)\)", "\n".join(table)))
    patterns = ("man/*.scd", "examples/**/README.md", "*.md")
    pages = {str(path.relative_to(TOP)) for pattern in patterns
             for path in TOP.glob(pattern)} - {"README.md"}
    assert sorted(pages - linked) == []
