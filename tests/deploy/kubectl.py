"""Fails if kubectl cannot read a file, or loses or changes a field of a CronJob in it.

kubectl parses into the types of Kubernetes and drops unknown fields, so its output has exactly the fields that it knows.
"""

import json
import subprocess
import sys

import yaml


def kubectl(*arguments, text):
    run = subprocess.run([sys.argv[1], *arguments, "--local", "-f", "-"], input=text, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"kubectl {arguments[0]}: {run.stderr}")
    return run.stdout


def lost(given, kept, place):
    """The places of values that are missing or changed."""
    if isinstance(given, dict) and isinstance(kept, dict):
        return [each for key in given for each in lost(given[key], kept.get(key), f"{place}.{key}")]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        return [each for index, pair in enumerate(zip(given, kept)) for each in lost(*pair, f"{place}[{index}]")]
    return [] if given == kept else [place]


with open(sys.argv[2]) as file:
    content = file.read()
documents = list(yaml.safe_load_all(content))

names = kubectl("label", "read=yes", "-o", "name", text=content).split()
if len(names) != len(documents):
    sys.exit(f"kubectl read {len(names)} of {len(documents)} objects: {names}")

for document in documents:
    if document["kind"] == "CronJob":
        # A change without effect.
        job = yaml.safe_dump(document)
        account = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]["serviceAccountName"]
        kept = json.loads(kubectl("set", "serviceaccount", account, "-o", "json", text=job))
        places = lost(document, kept, document["metadata"]["name"])
        if places:
            sys.exit("lost: " + ", ".join(places))
