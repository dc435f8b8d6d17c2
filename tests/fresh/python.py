# SPDX-License-Identifier: Apache-2.0
"""What Python files use of the system: programs that they run or look for, users and groups, by
their syntax trees. Names that a module, or one that it imports, gives to a text are followed."""
import ast
import re

import shell
from shell import Use

RUN = {"run", "Popen", "call", "check_call", "check_output"}
# Functions of os, with how many arguments come before the program.
OS_RUN = {"execv": 0, "execve": 0, "execvp": 0, "execvpe": 0, "execl": 0, "execlp": 0,
          "spawnv": 1, "spawnve": 1, "spawnvp": 1, "posix_spawn": 0, "posix_spawnp": 0}
REST = "*"  # all arguments are the command
LOOKUPS = {"getpwnam": "user", "getgrnam": "group"}
# Keys of cvmd.conf that name accounts: of "groups", of "libvirt", …
CONFIG = {("groups", "users"): "group", ("groups", "admins"): "group", ("libvirt", "user"): "user"}


class Module:
    """A file's tree, the texts that its names stand for, and its functions that run a program or
    look for one: by name, which of their arguments is the program or the command."""

    def __init__(self, text, modules=None):
        self.tree = ast.parse(text)
        self.modules = {} if modules is None else modules  # by the last part of their names
        self.constants, self.imports = {}, {}
        self.runners, self.finders, self.others = {}, {}, set()
        for node in self.tree.body:
            for target in getattr(node, "targets", []):
                self.assign(target, node.value)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = (
                        (node.module or "").split(".")[-1], alias.name)
            elif isinstance(node, ast.FunctionDef):
                self.look_at(node)

    def assign(self, target, value):
        if isinstance(target, ast.Name):
            self.constants[target.id] = value
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, other in zip(target.elts, value.elts):
                self.assign(one, other)

    def look_at(self, function):
        """Whether what it is given goes to subprocess or shutil.which."""
        names = [argument.arg for argument in function.args.args]
        offset = 1 if names[:1] == ["self"] else 0
        rest = function.args.vararg.arg if function.args.vararg else None
        for node in ast.walk(function):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name = given_name(node.args[0])
            if is_subprocess(node) and name and name == rest:
                self.runners[function.name] = REST
            elif is_subprocess(node) and name in names[offset:]:
                self.runners[function.name] = names.index(name) - offset
            elif is_which(node) and name in names[offset:]:
                self.finders[function.name] = names.index(name) - offset
        if function.name not in self.runners:
            self.others.add(function.name)

    def function(self, node, table):
        """The entry for what a call calls: of this module, of the one that it is imported from, or
        a method of any class, if all methods of that name do the same."""
        modules = list(self.modules.values()) or [self]
        if isinstance(node, ast.Name):
            if node.id in getattr(self, table):
                return getattr(self, table)[node.id]
            module, name = self.imports.get(node.id, (None, None))
            return getattr(self.modules.get(module), table, {}).get(name)
        if isinstance(node, ast.Attribute):
            if any(node.attr in module.others for module in modules):
                return None
            found = [getattr(module, table)[node.attr] for module in modules
                     if node.attr in getattr(module, table)]
            return found[0] if found else None
        return None

    def resolve(self, node, depth=0):
        """The node that a name stands for, here or in the module that it is imported from."""
        if depth > 5:
            return node
        module = name = None
        if isinstance(node, ast.Name):
            if node.id in self.constants:
                return self.resolve(self.constants[node.id], depth + 1)
            module, name = self.imports.get(node.id, (None, None))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module, name = node.value.id, node.attr
        if name and name in getattr(self.modules.get(module), "constants", {}):
            return self.modules[module].resolve(ast.Name(name), depth + 1)
        return node

    def text(self, node):
        """The text that it is, with x for what is not known in an f-string; None."""
        node = self.resolve(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.JoinedStr):
            return "".join(one.value if isinstance(one, ast.Constant) else "x"
                           for one in node.values)
        return None

    def words(self, nodes):
        """Of a command; None for each that is not known. Lists in it are followed."""
        found = []
        for node in nodes:
            inner = self.resolve(node.value) if isinstance(node, ast.Starred) else None
            if isinstance(inner, (ast.List, ast.Tuple)):
                found += self.words(inner.elts)
            else:
                found.append(None if isinstance(node, ast.Starred) else self.text(node))
        return found


def given_name(node):
    """Of the variable that an argument is, or begins with: command, [*command], list(command)."""
    while isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("list", "map", "tuple"):
        node = node.args[-1]
    if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
        node = node.elts[0]
    if isinstance(node, ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def is_which(call):
    return (isinstance(call.func, ast.Attribute) and call.func.attr == "which"
            and isinstance(call.func.value, ast.Name) and call.func.value.id == "shutil")


def is_subprocess(call):
    return (isinstance(call.func, ast.Attribute) and call.func.attr in RUN
            and isinstance(call.func.value, ast.Name) and call.func.value.id == "subprocess")


def uses(module, suspects=frozenset()):
    """All uses in a module. Suspects are programs whose name, where it comes first in a list or a
    call that has an option, is taken for the program: what this machine has and the other one has
    not."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            found += call_uses(module, node)
        elif isinstance(node, (ast.List, ast.Tuple)):
            found += list_uses(module, node.elts, node.lineno)
        elif isinstance(node, ast.Dict):
            found += config_uses(module, node)
        found += suspect_uses(module, node, suspects)
    return found


def call_uses(module, node):
    line, function = node.lineno, node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = getattr(getattr(function, "value", None), "id", "")
    if is_subprocess(node):
        return given_uses(module, node, 0) + user_uses(module, node)
    if owner == "os" and name in OS_RUN:
        return shell.command_uses([argument(module, node, OS_RUN[name])], line)
    if owner == "shutil" and name == "chown":
        return user_uses(module, node)
    kind = "program" if is_which(node) else LOOKUPS.get(name)
    if kind:
        return [Use(kind, text, line) for text in [argument(module, node, 0)] if text]
    place = module.function(function, "finders")
    if place is not None:
        return [Use("program", text, line) for text in [argument(module, node, place)] if text]
    place = module.function(function, "runners")
    if place == REST:
        return shell.command_uses(module.words(node.args), line)
    return [] if place is None else given_uses(module, node, place)


def argument(module, node, place):
    return module.text(node.args[place]) if len(node.args) > place else None


def given_uses(module, node, place):
    """Of a call that runs what its argument at the place is: a list, or a text for a shell."""
    given = module.resolve(node.args[place]) if len(node.args) > place else None
    if isinstance(given, (ast.List, ast.Tuple)):
        return shell.command_uses(module.words(given.elts), node.lineno)
    text = argument(module, node, place)
    if text and any(word.arg == "shell" for word in node.keywords):
        return shell.uses(text, node.lineno)
    return []


def user_uses(module, node):
    """subprocess and shutil.chown take the names of a user and a group."""
    pairs = [(word.arg, module.text(word.value)) for word in node.keywords]
    return [Use(kind, name, node.lineno) for kind, name in pairs if kind in ("user", "group")
            and name]


def list_uses(module, elements, line):
    """A list may be a command for whatever runs it; a shell's script in it is one for sure."""
    words = module.words(elements)
    if len(words) > 2 and words[0] and words[0].rsplit("/", 1)[-1] in shell.SHELLS:
        return shell_command(words, line)
    for i, word in enumerate(words):
        if word in shell.SHELLS and words[i + 1:i + 2] and re.fullmatch(
                r"-[a-z]*c", words[i + 1] or ""):
            return shell_command(words[i:], line)
    return []


def shell_command(words, line):
    try:
        return shell.command_uses(words, line)
    except shell.Unreadable:
        return []


def config_uses(module, node):
    found = []
    for key, value in zip(node.keys, node.values):
        outer, value = key and module.text(key), module.resolve(value)
        if not isinstance(value, ast.Dict):
            continue
        for inner, name in zip(value.keys, value.values):
            kind = CONFIG.get((outer, inner and module.text(inner)))
            if kind and module.text(name):
                found.append(Use(kind, module.text(name), node.lineno))
    return found


def suspect_uses(module, node, suspects):
    if isinstance(node, ast.Call):
        words = node.args
    elif isinstance(node, (ast.List, ast.Tuple)):
        words = node.elts
    else:
        return []
    first, *others = module.words(words) if words else [None]
    optioned = any(word and word.startswith("-") for word in others)
    if first and optioned and first.rsplit("/", 1)[-1] in suspects:
        return [Use("program", first, node.lineno)]
    return []
