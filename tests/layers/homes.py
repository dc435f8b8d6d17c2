# SPDX-License-Identifier: Apache-2.0
"""Where a function is at home: the header that declares it, and the noun that its name begins with,
belong to its file (CONTRIBUTING.md, Style)."""
import pathlib
import re

HOUSES = ("src", "daemon", "cli")
PARAMETERS = r"\((?:[^;{}()]|\([^()]*\))*\)"
DEFINITION = re.compile(r"^(?!static\b|typedef\b|#|\s|\}|return\b)[A-Za-z_][\w \*]*?\b(\w+)" +
                        PARAMETERS + r"\s*\n\{", re.MULTILINE)
DECLARATION = re.compile(r"^(?!static\b|typedef\b|#|\s|\}|return\b)[A-Za-z_][\w \*]*?\b(\w+)" +
                         PARAMETERS + r"(?:\s+\w+(?:\([^()]*\))?)*;", re.MULTILINE)
TYPE = re.compile(r"^(?:\} ?|typedef (?:struct|enum|union) \w+ )(\w+);", re.MULTILINE)
COMMENT = re.compile(r"/\*(?:[^*]|\*(?!/))*\*/")
VERB = re.compile(r"verb_\w+")  # of the table in cli/verb.h


def code(path):
    return COMMENT.sub("", path.read_text())


def numbers(noun):
    """A noun in the singular and the plural, by its first and by its last word."""
    found = {noun}
    for name in (noun, *noun.split("_", 1)[:1]):
        rest = noun[len(name):]
        if name.endswith("ies"):
            found.add(f"{name[:-3]}y{rest}")
        elif name.endswith("s"):
            found.add(name[:-1] + rest)
        else:
            found.add(f"{name}{'es' if name.endswith('ch') else 's'}{rest}")
    return found


def modules(path):
    """The names of the modules that a file is a part of: its own, those that its name begins with
    and that have a header, and its folder's, if it has one."""
    words = path.stem.split("_")
    names = ["_".join(words[:n]) for n in range(len(words), 0, -1)] + [path.parent.name]
    return [name for name in names if name == path.stem or
            any((path.parent / f"{name}{end}").exists() for end in (".h", "_internal.h"))]


def headers(path):
    return [path.parent / f"{name}{end}" for name in modules(path)
            for end in (".h", "_internal.h") if (path.parent / f"{name}{end}").exists()]


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def nouns(path):
    """What names of functions may begin with: the modules and the types of its own headers."""
    found = set()
    for name in modules(path):
        found |= numbers(name)
    for header in headers(path):
        if header.stem in (path.stem, path.stem + "_internal"):
            found |= {number for name in TYPE.findall(code(header))
                      for number in numbers(snake(name))}
    return found | {f"{path.parent.name}_{noun}" for noun in found}


def problems(root):
    """Lines about what is wrong."""
    root = pathlib.Path(root)
    declared, bad = {}, []
    for header in (path for house in HOUSES for path in (root / house).glob("**/*.h")):
        for name in DECLARATION.findall(code(header)):
            declared.setdefault(name, set()).add(header)
    for path in sorted(path for house in HOUSES for path in (root / house).glob("**/*.c")):
        own, begin, file = set(headers(path)), nouns(path), str(path.relative_to(root))
        for name in DEFINITION.findall(code(path)):
            if name == "main" or file.startswith("cli/") and VERB.fullmatch(name):
                continue
            if name in declared and not declared[name] & own:
                where = ", ".join(sorted(str(header.relative_to(root))
                                         for header in declared[name]))
                bad.append(f"{file}: {name}() is declared in {where}, not in a header of its "
                           f"module")
            if not any(name == noun or name.startswith(f"{noun}_") for noun in begin):
                bad.append(f"{file}: the name of {name}() begins with no noun of its module")
    return bad
