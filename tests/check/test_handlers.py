# SPDX-License-Identifier: Apache-2.0
"""A handler of a Varlink method returns its error: the server answers with it, in one place, and
adds there what every error has to carry."""
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]
HANDLER = re.compile(
    r"^(?:static )?int (\w+)\(WireCall \*call, json_object \*parameters, void \*userdata,\s*"
    r"CvmError \*error\)\n\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)


def handlers(folder):
    return {match[1]: match[2] for path in sorted((TOP / folder).rglob("*.c"))
            for match in HANDLER.finditer(path.read_text())}


def test_no_handler_answers_with_an_error():
    found = handlers("daemon") | handlers("src")
    methods = (TOP / "daemon/api/api_methods.c").read_text()
    assert set(re.findall(r'METHOD\("\w+"\), (\w+)', methods)) <= set(found) and len(found) > 20
    assert [name for name, body in found.items() if "wire_call_error(" in body] == []
