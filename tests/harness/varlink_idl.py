# SPDX-License-Identifier: Apache-2.0
"""Varlink interface descriptions (https://varlink.org/Interface-Definition), parsed and compared.

A type is ("?", type), ("[]", type), ("[string]", type), ("struct", {field: type}),
("enum", [value]), or a name: a basic type or that of a `type` of the interface.
"""
import re

TOKEN = re.compile(r"\s*(?:#[^\n]*\n\s*)*(->|\[string\]|\[\]|[?():,]|[A-Za-z][A-Za-z0-9_.-]*|$)")


class Interface:
    """name; types, methods and errors by their names: a type, two structs (in, out), a struct."""

    def __init__(self, text):
        self.text, self.at = text, 0
        self.types, self.methods, self.errors = {}, {}, {}
        self.expect("interface")
        self.name = self.next()
        while (keyword := self.next()):
            name = self.next()
            assert not self.has(name), f"{name} stands there twice"
            if keyword == "type":
                self.types[name] = self.members()
            elif keyword == "error":
                self.errors[name] = self.members()
            else:
                assert keyword == "method", f"unexpected {keyword!r}"
                takes = self.members()
                self.expect("->")
                self.methods[name] = (takes, self.members())

    def has(self, name):
        return name in self.types or name in self.methods or name in self.errors

    def next(self):
        match = TOKEN.match(self.text, self.at)
        assert match, f"unexpected {self.text[self.at:self.at + 30]!r}"
        self.at = match.end()
        return match[1]

    def peek(self):
        return TOKEN.match(self.text, self.at)[1]

    def expect(self, token):
        found = self.next()
        assert found == token, f"{token!r} expected, not {found!r}"

    def type(self):
        if self.peek() == "(":
            return self.members()
        token = self.next()
        return (token, self.type()) if token in ("?", "[]", "[string]") else token

    def members(self):
        """A struct, or an enum: names without types."""
        self.expect("(")
        members, values = {}, []
        while self.peek() != ")":
            name = self.next()
            assert name not in members and name not in values, f"{name} stands there twice"
            if self.peek() == ":":
                self.expect(":")
                members[name] = self.type()
            else:
                values.append(name)
            if self.peek() != ")":
                self.expect(",")
        self.expect(")")
        assert not (members and values), "neither a struct nor an enum"
        return ("enum", values) if values else ("struct", members)


class Comparison:
    """What a client of the interface `old` misses in `new`, in `problems`."""

    def __init__(self, old, new):
        self.old, self.new, self.problems, self.seen = old, new, [], set()
        if old.name != new.name:
            self.problems.append(f"interface {old.name} is missing")
        for name, (takes, returns) in old.methods.items():
            if name not in new.methods:
                self.problems.append(f"method {name} is missing")
                continue
            self.compare(f"{name} parameter", takes, new.methods[name][0], is_input=True)
            self.compare(f"{name} reply", returns, new.methods[name][1], is_input=False)
        for name, fields in old.errors.items():
            if name not in new.errors:
                self.problems.append(f"error {name} is missing")
            else:
                self.compare(f"error {name}", fields, new.errors[name], is_input=False)
        self.problems += [f"type {name} is missing" for name in old.types if name not in new.types]

    def compare(self, where, old, new, is_input):
        old_optional, old = split_optional(old)
        new_optional, new = split_optional(new)
        if is_input and old_optional and not new_optional:
            self.problems.append(f"{where} became mandatory")
        if not is_input and new_optional and not old_optional:
            self.problems.append(f"{where} became optional")
        if isinstance(old, str) and isinstance(new, str):
            self.compare_named(where, old, new, is_input)
        elif isinstance(old, str) or isinstance(new, str) or old[0] != new[0]:
            self.problems.append(f"{where} has another type")
        elif old[0] == "struct":
            self.compare_fields(where, old[1], new[1], is_input)
        elif old[0] == "enum":
            self.compare_values(where, old[1], new[1], is_input)
        else:
            self.compare(where, old[1], new[1], is_input)

    def compare_named(self, where, old, new, is_input):
        """A named type is compared once in each direction, under its own name."""
        if old != new:
            self.problems.append(f"{where} has another type")
        elif old in self.old.types and old in self.new.types and (old, is_input) not in self.seen:
            self.seen.add((old, is_input))
            self.compare(old, self.old.types[old], self.new.types[old], is_input)

    def compare_fields(self, where, old, new, is_input):
        for name, kind in old.items():
            if name in new:
                self.compare(f"{where}.{name}", kind, new[name], is_input)
            else:
                self.problems.append(f"{where}.{name} is missing")
        if is_input:
            self.problems += [f"{where}.{name} is new and mandatory" for name in new
                              if name not in old and not split_optional(new[name])[0]]

    def compare_values(self, where, old, new, is_input):
        self.problems += [f"{where}: value {value} is missing" for value in old
                          if value not in new]
        if not is_input:  # strict clients refuse a reply with a value that they do not know
            self.problems += [f"{where}: value {value} is new" for value in new
                              if value not in old]


def split_optional(kind):
    return (True, kind[1]) if kind[0] == "?" else (False, kind)


def missed(old, new):
    """What a client that was written for the text `old` misses in the interface `new`."""
    return Comparison(Interface(old), Interface(new)).problems
