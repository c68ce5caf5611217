"""Judges samples by the bars of their rows, and shows and keeps the result.

Programs run in turn, so figures are compared pair by pair, each with its neighbour in time; the verdict goes by the
median of these ratios.
"""

import statistics
from math import comb

from measure import Samples
from rows import ASYNC_EXECUTOR, B1, B4, FLOOR, NOBODY, OURS, ROWS, TOKIO, Bar

COLUMNS = (OURS, TOKIO, ASYNC_EXECUTOR, FLOOR)
SPREAD_MAX = 0.15


def ratios(samples, case, bar):
    ours = samples.get(OURS, case.name)
    if bar.against == NOBODY:
        return sorted(ours)
    others = samples.get(bar.against, bar.case or case.name)
    return sorted(mine / theirs for mine, theirs in zip(ours, others))


def interval(values):
    """The least symmetric pair of order statistics that holds the median with 95 % confidence, or None."""
    count = len(values)
    outside = 0.0
    best = None
    for rank in range(count // 2):
        outside += 2 * comb(count, rank) / 2 ** count
        if outside > 0.05:
            break
        best = values[rank], values[count - 1 - rank]
    return best


def judge(samples, case, bar):
    """(ratio, 95 % interval or None, verdict) of one bar."""
    values = ratios(samples, case, bar)
    if not values:
        return None, None, "no figure"
    ratio = statistics.median(values)
    if bar.factor is None:
        return ratio, interval(values), ""
    holds = ratio >= bar.factor if case.more_is_better else ratio <= bar.factor
    return ratio, interval(values), "holds" if holds else "MISSED"


def short(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def figure(samples, who, case):
    values = samples.get(who, case.name)
    if not values:
        return "-"
    mark = "~" if samples.spread(who, case.name) > SPREAD_MAX else ""
    return mark + short(statistics.median(values))


def case_lines(row, case, samples):
    head = f"{row.name:<5}{case.title + ', ' + case.unit:<44}"
    head += "".join(f"{figure(samples, who, case):>15}" for who in COLUMNS)
    sign = ">=" if case.more_is_better else "<="
    for number, bar in enumerate(case.bars):
        ratio, bounds, verdict = judge(samples, case, bar)
        shown = "-" if ratio is None else short(ratio)
        text = f"{sign} {bar.text}" if bar.factor is not None else bar.text
        line = (head if number == 0 else " " * len(head)) + f"{shown:>9}  {text:<27}{verdict}"
        yield line + (f"  [{short(bounds[0])}, {short(bounds[1])}]" if bounds else "")
    if not case.bars:
        yield head
    for who in samples.who(case.name):
        if who not in COLUMNS:
            yield f"{'':<5}  {who}: {figure(samples, who, case)}"


def table(results):
    yield f"{'':<49}" + "".join(f"{who:>15}" for who in COLUMNS) + f"{'ratio':>9}  {'bar':<27}verdict"
    for name, samples in results.items():
        for case in ROWS[name].cases:
            yield from (line.rstrip() for line in case_lines(ROWS[name], case, samples))
        if samples.disturbed:
            yield f"{'':<5}  {samples.disturbed} of {name}'s runs never found the machine quiet"


def as_json(results):
    """One entry a case: the figures of each, and the bars with their verdicts."""
    entries = []
    for name, samples in results.items():
        for case in ROWS[name].cases:
            figures = {who: {"median": statistics.median(samples.get(who, case.name)),
                             "iqr_percent": round(100 * samples.spread(who, case.name), 1),
                             "samples": samples.get(who, case.name)} for who in samples.who(case.name)}
            bars = []
            for bar in case.bars:
                ratio, bounds, verdict = judge(samples, case, bar)
                bars.append({"bar": bar.text, "factor": bar.factor, "ratio": ratio, "interval_95": bounds,
                             "verdict": verdict})
            entries.append({"row": name, "case": case.name, "title": case.title, "unit": case.unit, "figures": figures,
                            "bars": bars, "disturbed_runs": samples.disturbed})
    return entries


def self_test():
    samples = Samples()
    for mine, floor, peer in ((8.0, 2.0, 100.0), (6.0, 2.0, 100.0), (20.0, 4.0, 100.0)):
        samples.add(OURS, "yield", mine)
        samples.add(FLOOR, "yield", floor)
        samples.add(ASYNC_EXECUTOR, "yield", peer)
    case = B1.cases[0]
    against_peer, against_floor = case.bars
    assert ratios(samples, case, against_floor) == [3.0, 4.0, 5.0]
    assert judge(samples, case, against_floor) == (4.0, None, "holds")
    assert judge(samples, case, against_peer)[2] == "holds"
    assert judge(samples, case, Bar(NOBODY, 8, "8 ns"))[::2] == (8.0, "holds")
    assert judge(samples, case, Bar(NOBODY, 7, "7 ns"))[2] == "MISSED"
    assert judge(samples, case, Bar(FLOOR, None, "of the floor")) == (4.0, None, "")
    samples.add(FLOOR, "yield", 2.0)
    samples.add(OURS, "yield", 9.0)
    assert judge(samples, case, against_floor)[2] == "MISSED"
    assert samples.spread(FLOOR, "yield") > 0 and figure(samples, FLOOR, case).startswith("~")
    assert judge(Samples(), case, against_peer) == (None, None, "no figure")
    assert interval(sorted(range(11))) == (1, 9) and interval([1, 2, 3]) is None
    assert "no figure" in "\n".join(table({"B4": Samples()})) and as_json({"B4": Samples()})[0]["case"] == B4.cases[0].name
