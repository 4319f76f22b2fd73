"""Reads the tables of a Markdown page, and its blocks of code."""

import re


def rows_under(text, *columns):
    """The rows of every table with exactly these columns, each as a dictionary."""
    found, reading = [], False
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if not cells:
            reading = False
        elif cells == list(columns):
            reading = True
        elif reading and set("".join(cells)) - set("-:"):
            found.append(dict(zip(columns, cells, strict=True)))
    return found


def code_blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def quoted(cell):
    """Everything between backticks."""
    return re.findall(r"`([^`]+)`", cell)
