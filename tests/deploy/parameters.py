"""Fails unless lambda.yaml rejects, at deployment, what the program would reject later: `parameters.py TEMPLATE BINARY`.

Each sample is matched against the parameter's pattern, and passed to the program as the parameter's variable.
"""

import os
import re
import subprocess
import sys

import yaml

SAMPLES = {
    ("MaxRemovals", "WAFSYNC_MAX_REMOVALS"): (
        ["0", "25", "1000000", "0%", "10%", "0.5%", "99.9%", "100%"],
        ["ten", "10 %", "101%", "-5", "10%%", "%", "1e3", "100.5%"],
    ),
    ("Always", "WAFSYNC_ALWAYS"): (
        ["", "192.0.2.7", "192.0.2.0/24", "2001:db8::/32", "192.0.2.7/32, 2001:DB8::7,198.51.100.0/25"],
        ["office", "54.123.456.78/32", "192.0.2.7/", "192.0.2", "192.0.2.7 192.0.2.8", "192.0.2.7;192.0.2.8", "0.0.0.0/0"],
    ),
    ("Adopt", "WAFSYNC_ADOPT"): (
        ["", "office", "office_1,a-lambda", "a,b,c,d"],
        ["two words", "office/1", "arn:aws:wafv2:eu-central-1:111122223333:regional/ipset/office/0123"],
    ),
    ("Name", "WAFSYNC_NAME"): (["wafsync", "edge_1-b"], ["two words", "edge.1", "a" * 101]),
    ("TableArn", "WAFSYNC_TABLE"): (
        ["arn:aws:dynamodb:eu-central-1:111122223333:table/clusters"],
        ["arn:aws:dynamodb:eu-central-1:table/clusters", "arn:aws:dynamodb:eu-central-1:111122223333:table/"],
    ),
}


def accepted(variable, value):
    run = subprocess.run([sys.argv[2], "plan", "--deadline=10s"], env={**os.environ, variable: value}, capture_output=True)
    return run.returncode != 64


with open(sys.argv[1]) as file:
    parameters = yaml.safe_load(file)["Parameters"]

wrong = []
for (parameter, variable), samples in SAMPLES.items():
    pattern = parameters[parameter]["AllowedPattern"]
    for values, right in zip(samples, (True, False)):
        for value in values:
            if bool(re.fullmatch(pattern, value)) != right:
                wrong.append(f"{parameter}: the template {'rejects' if right else 'accepts'} {value!r}")
            if accepted(variable, value) != right:
                wrong.append(f"{variable}: the program {'rejects' if right else 'accepts'} {value!r}")
if wrong:
    sys.exit("\n".join(wrong))
