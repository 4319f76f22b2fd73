"""Tells which files of the repository reach an image build, by the rules of `.dockerignore`."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    excludes: bool


class DockerIgnore:
    """The last rule that matches a path, or a folder above it, decides."""

    def __init__(self, text):
        lines = [line.strip() for line in text.splitlines()]
        self._rules = [_rule(line) for line in lines if line and not line.startswith("#")]

    def excludes(self, path):
        pure = PurePosixPath(path)
        itself_and_folders = [str(pure), *(str(folder) for folder in pure.parents)][:-1]  # not "."
        excluded = False
        for rule in self._rules:
            if any(rule.pattern.fullmatch(name) for name in itself_and_folders):
                excluded = rule.excludes
        return excluded


def _rule(line):
    pattern = line.removeprefix("!").strip("/")
    return _Rule(re.compile(_expression(pattern)), excludes=not line.startswith("!"))


def _expression(pattern):
    """`*` stays within a folder, `**/` is any number of folders, also none."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    meaning = {"**/": r"(?:[^/]+/)*", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return "".join(meaning.get(part) or re.escape(part) for part in parts)
