"""Reads C++ just far enough for the lints: comments and literals blanked out, then tokens."""

import re

# Raw strings first, so that what they hold is not read; then comments, strings, characters (not 1'000's separators).
BLANK = re.compile(r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.S)
TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w'.]*|::|->|&&|\S")


def blanked(text):
    """The text with comments and literals replaced, newlines kept. A string becomes `0`, so that it stays an operand."""
    def fill(match):
        operand = "" if match.group().startswith("/") else " 0"
        return operand + "\n" * match.group().count("\n")
    return BLANK.sub(fill, text)


class Token:
    """A word or sign, its line, and whether it touches the one before."""

    def __init__(self, text, line, touches):
        self.text, self.line, self.touches = text, line, touches

    def is_name(self):
        return self.text[0].isalpha() or self.text[0] == "_"


def tokens(text):
    line, end = 1, 0
    for match in TOKEN.finditer(text):
        line += text.count("\n", end, match.start())
        yield Token(match.group(), line, match.start() == end)
        end = match.end()
