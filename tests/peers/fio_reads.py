#!/usr/bin/env python3
"""Row B10 as fio does it: fio_reads.py FILE DEPTH [MS]. Prints the line that bench.py reads."""

import json
import subprocess
import sys


def main(path, depth, ms="2000"):
    words = ["fio", "--name=reads", f"--filename={path}", "--readonly", "--rw=randread", "--bs=4k", "--direct=1",
             "--ioengine=io_uring", f"--iodepth={depth}", "--thread", "--time_based", f"--runtime={ms}ms",
             "--norandommap", "--randrepeat=0", "--output-format=json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    job = json.loads(done.stdout)["jobs"][0]
    # In percent of the time that the job took.
    cpu_us = (job["usr_cpu"] + job["sys_cpu"]) / 100 * job["job_runtime"] * 1000 / job["read"]["total_ios"]
    print(json.dumps({"row": "B10", "case": "direct_reads", "who": "fio", "value": job["read"]["iops"] / 1000,
                      "unit": "kIOPS", "cpu_us": cpu_us}))


if __name__ == "__main__":
    main(*sys.argv[1:])
