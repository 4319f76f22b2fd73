"""The readers that the deployment tests rest on."""

import pytest

from tests.deploy.dockerfile import exec_form, parse
from tests.deploy.dockerignore import DockerIgnore

TWO_STAGES = """
# syntax is ours
FROM python:3 AS builder
RUN one \\
    # said in between
 && two

FROM slim
COPY --from=builder --chown=1 /opt /opt
COPY app readme.md /srv/
ENV A=1 \\
    B="two words"
USER root
USER 10001
"""


def test_stages_keep_their_instructions_apart():
    builder, last = parse(TWO_STAGES)

    assert (builder.base, builder.name) == ("python:3", "builder")
    assert builder.last("RUN").split() == ["one", "&&", "two"]
    assert (last.base, last.name, last.all("RUN")) == ("slim", None, [])


def test_a_copy_from_another_stage_does_not_read_the_repository():
    last = parse(TWO_STAGES)[-1]

    assert last.copied_from_context() == ["app", "readme.md"]
    assert last.all("COPY")[0].flags == {"from": "builder", "chown": "1"}


def test_quoted_variables_and_the_last_user_win():
    last = parse(TWO_STAGES)[-1]

    assert last.environment() == {"A": "1", "B": "two words"}
    assert last.last("USER") == "10001"


@pytest.mark.parametrize("text", ["RUN early", "FROM x\nrun lower"], ids=["early", "lower"])
def test_what_is_not_understood_is_not_skipped(text):
    with pytest.raises(ValueError, match=r"FROM|instruction"):
        parse(text)


@pytest.mark.parametrize("value", ["ctr-serve serve", '"ctr-serve"', "[1]"])
def test_only_a_list_of_strings_is_an_exec_form(value):
    with pytest.raises(ValueError, match=r".+"):
        exec_form(value)


@pytest.mark.parametrize(
    ("path", "excluded"),
    [
        ("app", False),
        ("app/main.py", False),
        ("app/deep/down/file.lua", False),
        ("app/__pycache__/main.pyc", True),
        ("app/deep/__pycache__", True),
        ("application", True),
        ("secrets.env", True),
        ("tests/app/file.py", True),
        ("docs/kept.md", False),
        ("docs/other.md", True),
    ],
)
def test_the_last_matching_rule_decides(path, excluded):
    ignore = DockerIgnore("# note\n*\n!app\n!docs\ndocs/*\n!docs/kept.md\n**/__pycache__\n")

    assert ignore.excludes(path) is excluded
