"""Reads the metrics of every outcome with Prometheus's own client library, strictly: `metrics.py FOLDER`.

The test `exposition` of tests/it writes the folder. The text is read in both formats of Prometheus: OpenMetrics, whose parser
is strict, and the older text format, whose parser is lenient. Therefore this script also compares every line.
"""

import pathlib
import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

OUTCOMES = {"blocked", "changed", "converged", "failed", "held", "not-begun", "partial", "unenforced"}


def problems(text, outcome):
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    if len(set(names)) != len(names):
        yield "duplicate family"
    lines = []
    for family in families:
        if family.type != "gauge" or not family.documentation:
            yield f"{family.name}: {family.type}, {family.documentation!r}"
        lines += [f"# HELP {family.name} {family.documentation}", f"# TYPE {family.name} {family.type}"]
        series = [tuple(sorted(sample.labels.items())) for sample in family.samples]
        if len(set(series)) != len(series):
            yield f"{family.name}: duplicate series"
        for sample in family.samples:
            if sample.name != family.name or sample.labels.get("installation") != "wafsync":
                yield f"{sample}: wrong name, or no installation"
            if sample.timestamp is not None or sample.value != sample.value:
                yield f"{sample}: a timestamp, or not a number"
        lines += [None] * len(family.samples)
    lines.append("# EOF")
    read = text.splitlines()
    if not text.endswith("\n") or len(read) != len(lines):
        yield f"{len(lines)} of {len(read)} lines were parsed"
    for line, understood in zip(read, lines):
        if understood is not None and line != understood:
            yield f"{line!r} was read as {understood!r}"
    strict = [(f.name, f.type, f.samples) for f in openmetrics.text_string_to_metric_families(text)]
    if strict != [(f.name, f.type, f.samples) for f in families]:
        yield "OpenMetrics reads it differently"
    wanted = "failed" if outcome == "not-begun" else outcome
    values = {s.labels["outcome"]: s.value for f in families if f.name == "wafsync_run_outcome" for s in f.samples}
    if [name for name, value in values.items() if value == 1] != [wanted]:
        yield f"the outcome is {values}"


def found(text, outcome):
    try:
        return list(problems(text, outcome))
    except ValueError as error:
        return [f"the parser rejects it: {error}"]


folder = pathlib.Path(sys.argv[1])
names = {path.stem for path in folder.glob("*.prom")}
if names != OUTCOMES or names != {path.stem for path in folder.glob("*.page")}:
    sys.exit(f"outcomes: {sorted(names)}")
bad = 0
for path in sorted(folder.iterdir()):
    for problem in found(path.read_text(), path.stem):
        print(f"{path.name}: {problem}")
        bad += 1

# Broken pages must be noticed.
good = (folder / "changed.prom").read_text()
line = next(line for line in good.splitlines() if not line.startswith("#"))
for broken in [
    good + line + "\n",
    good.replace("# TYPE wafsync_items gauge", "# TYPE wafsync_items counter"),
    good.replace('outcome="changed"} 1', 'outcome="changed"} one'),
    good.replace('outcome="changed"} 1', 'outcome="changed} 1'),
    good.rstrip("\n"),
    good.replace("# HELP wafsync_items", "# HELP wafsync_item"),
]:
    if broken == good or not found(broken, "changed"):
        sys.exit("a broken page went unnoticed")
print(f"{len(names)} outcomes read by prometheus_client, page and file")
sys.exit(1 if bad else 0)
