"""Reads Markdown just far enough for docs_check.py: fences, links, and the anchors that GitHub gives to headings."""

import re
from dataclasses import dataclass, field

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*(.*)$")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)|^ {0,3}\[[^\]]+\]:\s*<?([^>\s]+)")
CODE = re.compile(r"(`+).+?\1")
HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*$")


@dataclass
class Fence:
    line: int
    info: str
    lines: list = field(default_factory=list)


def split(text):
    """The fences of a document, and its other lines as (number, text)."""
    found, prose, open_mark = [], [], ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if open_mark:
            if mark and mark.group(1).startswith(open_mark) and not mark.group(2):
                open_mark = ""
            else:
                found[-1].lines.append(line)
        elif mark:
            open_mark = mark.group(1)
            found.append(Fence(number, mark.group(2)))
        else:
            prose.append((number, line))
    return found, prose


def fences(text):
    return split(text)[0]


def links(text):
    """Line number and target of each link and image outside code."""
    for number, line in split(text)[1]:
        for match in LINK.finditer(CODE.sub("", line)):
            yield number, match.group(1) or match.group(2)


def anchors(text):
    """The anchors of a document's headings: in lower case, without punctuation, blanks as hyphens, repeats numbered."""
    found, seen = set(), {}
    for _, line in split(text)[1]:
        heading = HEADING.match(line)
        if heading:
            title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1))
            anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            repeats = seen.get(anchor, 0)
            seen[anchor] = repeats + 1
            found.add(f"{anchor}-{repeats}" if repeats else anchor)
    return found
