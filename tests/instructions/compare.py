"""Compares counted instructions with those of a baseline: compare.py COUNTED BASELINE COMPILER [--renew].

The first line of the baseline names its compiler. Counts of another compiler are printed, not judged.
"""

import json
import sys
from pathlib import Path

# A slowdown that is seen. Without a change, counts differ by far less.
SLACK = 1.10


def counted(path):
    counts = {}
    for line in path.read_text().splitlines():
        bench = json.loads(line)
        name = ".".join(filter(None, (bench["function_name"], bench.get("id"))))
        # Beside the values of an earlier run, if there was one.
        counts[name] = bench["profiles"][0]["data"]["total"]["metrics"]["Ir"]["values"]["new"]
    return counts


def main():
    new, path, compiler = counted(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
    if sys.argv[4:] == ["--renew"]:
        path.write_text(f"{compiler}\n" + "".join(f"{name} {count}\n" for name, count in new.items()))
    compiler_then, *lines = path.read_text().splitlines()
    old = {name: int(count) for name, count in map(str.split, lines)}
    slower = 0
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            verdict = "is not in both"
        elif new[name] > old[name] * SLACK:
            verdict = f"TAKES MORE than the {old[name]:,} of the baseline"
        else:
            verdict = ""
        slower += bool(verdict)
        ratio = f"{new[name] / old[name]:.3f}" if not verdict or "MORE" in verdict else ""
        print(f"{name:40} {new.get(name, 0):>15,} {ratio:>7} {verdict}")
    if new and compiler != compiler_then:
        print(f"NOT COMPARED: the baseline is of {compiler_then}, this is {compiler}")
        return
    print(f"{len(new) - slower} passed, {slower} failed")
    if not new or slower:
        sys.exit("the hot parts take more instructions: find out why, or renew the baseline with tests/instructions/run --renew")


main()
