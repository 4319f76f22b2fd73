"""Reads a Dockerfile into its stages, as far as this project's own goes."""

import json
import shlex
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Instruction:
    """`KEYWORD --flag=… value`, continuation lines joined."""

    keyword: str
    flags: dict[str, str]
    value: str


@dataclass(slots=True)
class Stage:
    """Everything from one FROM to the next."""

    base: str
    name: str | None
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, keyword):
        return [item for item in self.instructions if item.keyword == keyword]

    def last(self, keyword):
        return self.all(keyword)[-1].value

    def environment(self):
        pairs = [pair for item in self.all("ENV") for pair in shlex.split(item.value)]
        return dict(pair.split("=", 1) for pair in pairs)

    def copied_from_context(self):
        """The sources of every COPY that reads the repository, not another stage."""
        copies = [item for item in self.all("COPY") if "from" not in item.flags]
        return [source for item in copies for source in shlex.split(item.value)[:-1]]


def parse(text):
    """Stages in order. ValueError for what this reader does not know."""
    stages = []
    for instruction in map(_instruction, _logical_lines(text)):
        if instruction.keyword == "FROM":
            base, *alias = instruction.value.split()
            stages.append(Stage(base, alias[1] if alias else None))
        elif not stages:
            raise ValueError(f"{instruction.keyword} before the first FROM")
        else:
            stages[-1].instructions.append(instruction)
    return stages


def exec_form(value):
    """The arguments of a JSON array; ValueError for the shell form."""
    arguments = json.loads(value)
    if not isinstance(arguments, list) or not all(isinstance(item, str) for item in arguments):
        raise ValueError(f"not an exec form: {value}")
    return arguments


def _logical_lines(text):
    """Comment lines vanish, even between continued lines, as Docker reads them."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "")
    return [line.strip() for line in joined.splitlines() if line.strip()]


def _instruction(line):
    keyword, _, rest = line.partition(" ")
    if not keyword.isupper():
        raise ValueError(f"not an instruction: {line}")
    flags = {}
    rest = rest.lstrip()
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        name, _, value = flag[2:].partition("=")
        flags[name] = value
        rest = rest.lstrip()
    return Instruction(keyword, flags, rest)
