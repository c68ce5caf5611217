"""Refuses what GCC 12 miscompiles: temporaries with members, made by braces, in an expression that awaits.

GCC 12 destroys them twice: lambdas that capture by value, and braced aggregates, anywhere in the full expression
(`co_await f([x] {...})`, `co_await f({a, b})`, `g(Pair{a, b}, co_await x)`). Name them in a statement before instead.
Which types are aggregates a lint cannot know, so every brace is refused but a number's (std::size_t{1}). It relies on
the tree being formatted: a brace that begins a block follows a blank, one that begins a value does not.
"""

import re
import sys

from cpp_text import blanked, tokens
from tree import ROOT, report, walk

AFTER_VALUE = ("=", ",", "(", "return", "co_return", "co_yield")
NUMBER = re.compile(r"\w+_t|byte|bool|char|int|unsigned|long|double")
NOT_A_VALUE = ("return", "co_return", "co_await", "co_yield", "else", "case")


class Statement:
    """A full expression, or a statement that holds one."""

    def __init__(self):
        self.awaits = False
        self.faults = []
        self.lambda_open = False  # its introducer was seen, its body not yet

    def end(self):
        return self.faults if self.awaits else []


class Lint:
    def __init__(self, text):
        self.tokens = list(tokens(blanked(text)))
        self.now = Statement()
        self.open = []  # per bracket: its kind, and for a block the statement around it
        self.found = []

    def run(self):
        for at, token in enumerate(self.tokens):
            if token.text == "co_await":
                self.now.awaits = True
            elif token.text in ("(", "["):
                if token.text == "[" and self.introduces_lambda(at):
                    self.begin_lambda(at)
                self.open.append((token.text, None))
            elif token.text in (")", "]") and self.open:
                self.open.pop()
            elif token.text == "{":
                self.open_brace(at)
            elif token.text == "}" and self.open:
                self.close_brace()
            elif token.text == ";":
                self.finish()
        return self.found

    def finish(self):
        self.found += self.now.end()
        self.now = Statement()

    def introduces_lambda(self, at):
        before, after = self.tokens[max(at - 1, 0)], self.tokens[min(at + 1, len(self.tokens) - 1)]
        if before.text == "[" or after.text == "[":
            return False  # [[attribute]]
        if before.text in ("&", "&&") and self.tokens[at - 2].text == "auto":
            return False  # auto& [a, b] = ...
        return before.text not in (")", "]") and (not before.is_name() or before.text in NOT_A_VALUE)

    def begin_lambda(self, at):
        self.now.lambda_open = True
        depth, captures = 0, []
        for token in self.tokens[at:]:
            depth += (token.text in "([{") - (token.text in ")]}")
            if depth == 0:
                break
            captures.append(token)
        if captures_by_value([token.text for token in captures[1:]]):
            self.now.faults.append((captures[0].line, "a lambda that captures by value"))

    def open_brace(self, at):
        before, brace = self.tokens[at - 1], self.tokens[at]
        if before.text in AFTER_VALUE or (brace.touches and (before.is_name() or before.text in (">", "{"))):
            self.open.append(("value", None))
            if not NUMBER.fullmatch(before.text):
                self.now.faults.append((brace.line, "a value made by braces"))
            return
        is_lambda = self.now.lambda_open
        self.now.lambda_open = False
        if not is_lambda:
            self.finish()
        self.open.append(("block", self.now))
        self.now = Statement()

    def close_brace(self):
        kind, around = self.open.pop()
        if kind == "block":
            self.finish()
            self.now = around


def captures_by_value(captures):
    """Whether a capture list copies anything: `[x]`, `[=]`, `[x = ...]`; not `[&]`, `[&x]`, `[this]`, `[]`."""
    depth, item = 0, []
    for text in captures + [","]:
        depth += (text in "([{") - (text in ")]}")
        if text == "," and depth == 0:
            if item and item[0] not in ("&", "this") or len(item) > 2:
                return True
            item = []
        else:
            item.append(text)
    return False


def check(root):
    for path in walk(root):
        if path.suffix in (".hpp", ".cpp"):
            for line, what in Lint(path.read_text(encoding="utf-8")).run():
                yield f"{path.relative_to(root)}:{line}: {what}, in an expression that awaits; name it first"


def self_test():
    bad = ["co_await f([x] { return x; });", "auto v = co_await f([x = std::move(y)]() -> Co<int> {\n co_return x;\n});",
           "co_await f(Pair{a, 1});", "co_await f({a, 1});", "if (co_await f({a, 1})) {\n}", "g(Pair{a, 1}, co_await x);",
           "co_return g([=] { return x; }, co_await y);", "for (auto& x : co_await f(Pair{1, 2})) {\n}",
           "auto l = [&] {\n co_await f([x] { return x; });\n};", "co_await f(std::vector<int>{1});",
           "co_await f([&, x] { return x; });", "co_await f([this, &y, x] { return x; });"]
    good = ["auto h = f([x] { return x; });\nco_await h;", "co_await f([&x] { return x; });", "co_await f([&] { g(); });",
            "co_await f([] {\n Pair p{1, 2};\n auto h = g([p] { return p; });\n co_await h;\n});", "auto [a, b] = co_await f();",
            "auto& [a, b] = co_await f();", "Co<int> f() {\n co_return co_await g();\n}", "co_await f(a[i], b);",
            "struct S {\n int x{3};\n};\nCo<int> f() {\n co_await g();\n}", "// co_await f({1, 2});\n", 'co_await f("{a[x]}");',
            "while (co_await more()) {\n use(Pair{1, 2});\n}", "auto l = [x]() -> Co<int> {\n co_return co_await g(x);\n};",
            "co_await f([this] { g(); });", "[[maybe_unused]] auto x = co_await f();", "co_await f(1'000, '{');",
            "a[b[1]] = co_await f();", "CHECK(co_await f(std::byte{1}) == std::size_t{1});"]
    for text in bad:
        assert len(Lint("void t() {\n" + text + "\n}").run()) == 1, text
    for text in good:
        assert not Lint("void t() {\n" + text + "\n}").run(), text


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    else:
        sys.exit(report(list(check(ROOT)), "no expression that awaits holds a temporary that GCC 12 destroys twice"))
