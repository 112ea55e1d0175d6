"""Checks every IAM policy of the program and of the documentation with parliament: `policies.py BINARY`.

parliament knows AWS's list of actions, resource types and condition keys. It must reject broken copies.
"""

import copy
import itertools
import json
import pathlib
import re
import subprocess
import sys

import parliament

ROOT = pathlib.Path(__file__).parents[2]
ARN = "arn:aws:dynamodb:eu-central-1:111122223333:table/clusters"
ACL = "arn:aws:wafv2:eu-central-1:111122223333:regional/webacl/rancher/01234567-89ab-cdef-0123-456789abcdef"

# The token issuer of the cluster in the documentation.
ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"

# The variants of each setting. The first variant of an optional setting is its absence.
SETTINGS = [
    [["--for=apply"], ["--for=plan"], ["--for=check"]],
    [["--table=clusters"], [f"--table={ARN}"], [f"--table={ARN}", "--table-region=eu-central-1"]],
    [[], ["--web-acl=rancher"], [f"--web-acl={ACL}"]],
    [[], ["--adopt=offices", "--adopt=vpn"]],
    [[], ["--scope=cloudfront"], ["--max-ip-sets=200", "--name=other"]],
]


def findings(policy):
    # A policy of a resource or a role names a principal and applies to what it is attached to. Otherwise its statements
    # are like any other, except that a trust policy has no resource and may use the claims of an issuer.
    plain = copy.deepcopy(policy)
    trusts = False
    for statement in plain["Statement"]:
        if statement.pop("Principal", None) and "Resource" not in statement:
            statement["Resource"] = "*"
            trusts = True
    found = [f"{each.issue}: {each.detail}" for each in parliament.analyze_policy_string(json.dumps(plain)).findings]
    if trusts:
        found = [each for each in found if not each.startswith("RESOURCE_STAR") and f"condition {ISSUER}:" not in each]
    return found


def printed(binary):
    for choice in itertools.product(*SETTINGS):
        arguments = [argument for part in choice for argument in part]
        if "--scope=cloudfront" in arguments and f"--web-acl={ACL}" in arguments:
            continue
        run = subprocess.run(
            [binary, "iam-policy", *arguments], env={"AWS_REGION": "eu-central-1"}, capture_output=True, text=True
        )
        if run.returncode == 64 and "--table-region" in run.stderr:
            continue
        if run.returncode != 0:
            sys.exit(f"iam-policy {' '.join(arguments)}: {run.stderr}")
        yield "iam-policy " + " ".join(arguments), json.loads(run.stdout)


def documented():
    """Yields every JSON policy in code blocks and in the quotes of commands."""
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]):
        text = page.read_text().replace("'\"$ISSUER\"'", ISSUER)
        for found in re.finditer(r'\{\s*"Version": "2012-10-17"', text):
            policy, _ = json.JSONDecoder().raw_decode(text[found.start() :])
            yield page.name, policy


def breakings(policy):
    def broken(edit, expected):
        edited = copy.deepcopy(policy)
        edit(edited["Statement"][0])
        return edited, expected

    yield broken(lambda statement: statement.update(Action=["dynamodb:Scans"]), "UNKNOWN_ACTION")
    yield broken(lambda statement: statement.update(Resource=[ACL]), "RESOURCE_MISMATCH")
    yield broken(lambda statement: statement.update(Efect="Allow"), "MALFORMED")
    yield broken(lambda statement: statement.update(Condition={"StringEquals": {"dynamodb:Nonsense": "x"}}), "UNKNOWN")


def main():
    of_program, of_pages = list(printed(sys.argv[1])), list(documented())
    if len(of_program) < 100 or len(of_pages) < 5:
        sys.exit(f"only {len(of_program)} policies printed and {len(of_pages)} documented")
    bad = 0
    for name, policy in [*of_program, *of_pages]:
        for finding in findings(policy):
            print(f"{name}: {finding}")
            bad += 1
    for policy, expected in breakings(of_program[0][1]):
        found = findings(policy)
        if not any(expected in each for each in found):
            sys.exit(f"not noticed: {expected}: {found}")
    print(f"parliament read {len(of_program)} policies of the program and {len(of_pages)} of the documentation")
    sys.exit(1 if bad else 0)


main()
