# SPDX-License-Identifier: Apache-2.0
"""What a shell script uses of the system: programs and accounts, by the syntax tree that shfmt
makes of it. Commands whose name is not written out are not seen."""
import dataclasses
import json
import re
import subprocess

BUILTINS = set("""
. : [ alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs
disown echo enable eval exec exit export false fc fg getopts hash help history jobs kill let local
logout mapfile popd printf pushd pwd read readarray readonly return set shift shopt source suspend
test times trap true type typeset ulimit umask unalias unset wait
""".split())
# Programs that run another one of this system: which of their options take a word more, and how
# many words come before the program.
WRAPPERS = {
    "command": (set(), 0), "exec": ({"-a"}, 0), "builtin": (set(), 0),
    "env": ({"-u", "--unset", "-C", "--chdir"}, 0),
    "nice": ({"-n", "--adjustment"}, 0), "ionice": ({"-c", "-n"}, 0),
    "nohup": (set(), 0), "setsid": (set(), 0), "sudo": ({"-u", "-g"}, 0),
    "setpriv": ({"--reuid", "--regid", "--groups", "--bounding-set", "--inh-caps"}, 0),
    "timeout": ({"-s", "--signal", "-k", "--kill-after"}, 1),
    "unshare": ({"--propagation", "-S", "-G", "--setuid", "--setgid", "--map-user",
                 "--map-group"}, 0),
    "prlimit": (set(), 0), "stdbuf": ({"-o", "-i", "-e"}, 0), "flock": ({"-w", "-E"}, 1),
    "xargs": ({"-P", "-I", "-n", "-L", "-d", "-s", "-a", "-E"}, 0),
}
SHELLS = {"sh", "bash", "dash"}
# By option or place, where a program takes the name of a user or a group.
ACCOUNT_OPTIONS = {
    "install": {"-o": "user", "--owner": "user", "-g": "group", "--group": "group"},
    "sudo": {"-u": "user", "-g": "group"}, "runuser": {"-u": "user", "-g": "group"},
    "setpriv": {"--reuid": "user", "--regid": "group"},
    "swtpm": {"--runas": "user"},
}


@dataclasses.dataclass(frozen=True)
class Use:
    """Of a program, a user or a group, in a line."""
    kind: str
    name: str
    line: int


class Unreadable(Exception):
    """shfmt does not take it for a shell script."""


def uses(text, first_line=1):
    """All uses in a script's text."""
    done = subprocess.run(["shfmt", "-tojson"], input=text, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise Unreadable(done.stderr.strip())
    tree = json.loads(done.stdout)
    functions = {node["Name"]["Value"] for node in nodes(tree) if node.get("Type") == "FuncDecl"}
    found = []
    for node in nodes(tree):
        if node.get("Type") == "CallExpr" and node.get("Args"):
            words = [literal(word) for word in node["Args"]]
            line = node["Pos"]["Line"] + first_line - 1
            found += [use for use in command_uses(words, line) if use.name not in functions]
    return found


def functions_of(text):
    """Names of the functions that it defines, for scripts that source it."""
    return set(re.findall(r"^([A-Za-z_]\w*)\(\) ", text, re.MULTILINE))


def nodes(tree):
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes(value)


def literal(word):
    """A word's text, or None where the shell makes it."""
    text = ""
    for part in word.get("Parts", []):
        inner = part.get("Parts", [])
        if part["Type"] in ("Lit", "SglQuoted"):
            text += part.get("Value", "")
        elif part["Type"] == "DblQuoted" and all(one["Type"] == "Lit" for one in inner):
            text += "".join(one["Value"] for one in inner)
        else:
            return None
    return text


def command_uses(words, line):
    """Those of one command; a word that is not known is None."""
    name = words[0] if words else None
    if name is None:
        return []
    found = account_uses(words, line)
    # a path that is not absolute is the project's own
    if re.fullmatch(r"(/[A-Za-z0-9_+./-]+)|[A-Za-z0-9_+.-]+", name) and name not in BUILTINS:
        found.insert(0, Use("program", name, line))
    base = name.rsplit("/", 1)[-1]
    if base in WRAPPERS and not (base == "command" and words[1:2] in (["-v"], ["-V"])):
        return found + command_uses(wrapped(words, *WRAPPERS[base]), line)
    if base in SHELLS:
        script = next((words[i + 1] for i, word in enumerate(words[:-1])
                       if word and re.fullmatch(r"-[a-z]*c", word)), None)
        return found + (uses(script, line) if script else [])
    if name in ("trap", "eval") and len(words) > 1 and words[1] not in (None, "", "-"):
        return found + uses(words[1], line)
    return found


def wrapped(words, with_word, before):
    """The command that a wrapper runs: what is left after its options and words of its own."""
    left = list(words[1:])
    while left:
        word = left[0]
        if word == "--":
            left.pop(0)
            break
        if word is None or not (word.startswith("-") or "=" in word):
            break
        del left[:2 if word in with_word else 1]
    return left[before:]


def account_uses(words, line):
    name, found = words[0].rsplit("/", 1)[-1], []
    plain = [word for word in words[1:] if word and not word.startswith("-")]
    if name in ("chown", "chgrp") and plain:
        user, _, group = plain[0].partition(":")
        found += [("user", user), ("group", group)] if name == "chown" else [("group", user)]
    elif name == "id" and plain:
        found.append(("user", plain[0]))
    elif name == "getent" and len(plain) > 1 and plain[0] in ("passwd", "group"):
        found += [("user" if plain[0] == "passwd" else "group", one) for one in plain[1:]]
    elif name == "su" and plain:
        found.append(("user", plain[0]))
    for option, kind in ACCOUNT_OPTIONS.get(name, {}).items():
        for i, word in enumerate(words):
            if word == option and i + 1 < len(words):
                found.append((kind, words[i + 1]))
            elif word and word.startswith(f"{option}="):
                found.append((kind, word.split("=", 1)[1]))
    return [Use(kind, name, line) for kind, name in found
            if name and re.fullmatch(r"[a-z_][a-z0-9_-]*", name)]
