"""Checks a file against Chrome's Trace Event Format, as far as Ringlet uses it: trace_format.py FILE

Gives the events by phase ("X", "i", ...). What does not fit raises AssertionError.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

# What each phase must have besides ph, pid, tid and name, and of which type.
FIELDS = {
    "M": {"args": dict},
    "X": {"ts": float, "dur": float, "cat": str},
    "i": {"ts": float, "s": str, "cat": str, "args": dict},
    "s": {"ts": float, "id": int, "cat": str},
    "f": {"ts": float, "id": int, "cat": str, "bp": str},
    "b": {"ts": float, "id": int, "cat": str},
    "e": {"ts": float, "id": int, "cat": str},
}
# Times have three decimals and become binary fractions.
NANOSECOND = 0.001
EPSILON = NANOSECOND / 10


def check_fields(event):
    fields = {"ph": str, "pid": int, "tid": int, "name": str, **FIELDS[event["ph"]]}
    for field, kind in fields.items():
        assert isinstance(event.get(field), kind), f"{field} of {event}"
    assert set(event) <= {*fields, "args"}, f"unknown field in {event}"
    assert event.get("ts", 0) >= 0 and event.get("dur", 0) >= 0, f"time below zero in {event}"
    assert event["ph"] != "i" or event["s"] in ("t", "p", "g"), event
    assert event["ph"] != "f" or event["bp"] == "e", event


def end(event):
    return event["ts"] + event["dur"]


def check_nesting(slices):
    """Complete events of a thread lie in each other or apart."""
    open_slices = []
    for event in sorted(slices, key=lambda event: (event["ts"], -event["dur"])):
        while open_slices and end(open_slices[-1]) <= event["ts"] + EPSILON:
            open_slices.pop()
        assert not open_slices or end(event) <= end(open_slices[-1]) + EPSILON, f"{event} sticks out of {open_slices[-1]}"
        open_slices.append(event)


def check_pairs(firsts, seconds):
    """Each first has one second of the same id, category and name, and not before it."""
    def key(event):
        return event["cat"], event["name"], event["id"]

    begun = {key(event): event["ts"] for event in firsts}
    assert len(begun) == len(firsts), "an id begins twice"
    assert sorted(begun) == sorted(map(key, seconds)), "a begin without end, or an end without begin"
    for event in seconds:
        assert event["ts"] >= begun[key(event)], f"{event} ends before it begins"


def check_arrow_ends(arrows, slices):
    """Something lies under each end of an arrow."""
    slices = sorted(slices, key=lambda event: event["ts"])
    under = 0
    open_slices = []
    for arrow in sorted(arrows, key=lambda event: event["ts"]):
        while under < len(slices) and slices[under]["ts"] <= arrow["ts"] + EPSILON:
            open_slices.append(slices[under])
            under += 1
        open_slices = [event for event in open_slices if end(event) >= arrow["ts"] - EPSILON]
        assert open_slices, f"nothing lies under {arrow}"


def check(text):
    trace = json.loads(text)
    assert isinstance(trace["traceEvents"], list)
    events = defaultdict(list)
    threads = defaultdict(list)
    for event in trace["traceEvents"]:
        check_fields(event)
        events[event["ph"]].append(event)
        if event["ph"] == "X":
            threads[event["pid"], event["tid"]].append(event)
    for slices in threads.values():
        check_nesting(slices)
    check_pairs(events["s"], events["f"])
    check_pairs(events["b"], events["e"])
    instants = [{**event, "dur": 0} for event in events["i"]]
    check_arrow_ends(events["s"] + events["f"], events["X"] + instants)
    assert {"process_name", "thread_name"} <= {event["name"] for event in events["M"]}
    return events


if __name__ == "__main__":
    found = check(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(", ".join(f"{len(events)} {phase}" for phase, events in sorted(found.items())))
