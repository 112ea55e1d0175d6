"""Follows the README with the AWS CLI against the stand-in: `cli.py AWS-FOLDER PROGRAMS EXCHANGES`.

The commands come from README.md and docs/web-acl.md: a table is created, wafsync applied, the rule groups attached, and a
cluster let in. Only the ARNs that the README leaves to the reader are filled in, and kubectl is a stand-in that leaves a file.
The exchanges are appended to the file EXCHANGES, for model.py.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

aws_folder, programs, exchanges = (pathlib.Path(argument).absolute() for argument in sys.argv[1:4])
root = pathlib.Path(__file__).parents[2]
pages = [(root / page).read_text() for page in ("README.md", "docs/web-acl.md")]
blocks = [rest.split("\n```\n")[0] for page in pages for rest in page.split("\n```sh\n")[1:]]

BALANCER = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/rancher/0123456789abcdef"


def written(start):
    """The command of a page that begins like this, with the lines that continue it."""
    commands = [command for block in blocks for command in block.replace("\\\n", "").split("\n")]
    found = [command for command in commands if command.startswith(start)]
    return found[0] if found else sys.exit(f"no page has a command that begins with {start!r}")


def block_with(text):
    """The whole block of commands with this text."""
    return next((block for block in blocks if text in block), None) or sys.exit(f"no block of commands has {text!r}")


def run(command, code=0, says=""):
    ran = subprocess.run(["bash", "-o", "pipefail", "-ec", command], env=env, cwd=folder, text=True, capture_output=True)
    if ran.returncode != code or says not in ran.stdout + ran.stderr:
        sys.exit(f"expected {code} and {says!r}, got {ran.returncode}:\n{command}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    (folder / "kubectl").write_text('#!/bin/sh\necho "$@" >joined\n')
    (folder / "kubectl").chmod(0o755)
    stand_in = subprocess.Popen(
        [programs / "wafsync-test-aws", "--table", "other", "--no-rates"],
        env={"WAFSYNC_EXCHANGES": str(exchanges)}, stdout=subprocess.PIPE, text=True,
    )
    try:
        url = stand_in.stdout.readline().split()[-1]
        env = {
            "PATH": f"{folder}:{aws_folder}:{programs}:{os.environ['PATH']}", "HOME": str(folder),
            "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-central-1",
            # Version 1 of the AWS CLI, the one that is a Python package, does not read AWS_REGION.
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_PAGER": "",
            "WAFSYNC_SETTLE": "0s", "WAFSYNC_READ_RATE": "1000", "WAFSYNC_WRITE_RATE": "1000",
        }
        create = written("aws dynamodb create-table")
        assert json.loads(run(create))["TableDescription"]["TableName"] == "clusters"
        run(create, 255, "ResourceInUseException")
        run("aws dynamodb wait table-exists --table-name clusters")

        env["WAFSYNC_TABLE"] = "clusters"
        run("wafsync plan && wafsync apply")
        arns = json.loads(run(written("aws wafv2 list-rule-groups")))
        # AWS promises no order.
        assert sorted(arn.split("/")[-2] for arn in arns) == ["wafsync-1", "wafsync-2"], arns
        run(block_with("aws wafv2 create-web-acl"))
        arn = json.loads(run("aws wafv2 list-web-acls --scope REGIONAL --query WebACLs[].ARN --output json"))[0]
        associate = written("aws wafv2 associate-web-acl").split("#")[0]
        run(associate.replace("LOAD_BALANCER_ARN", BALANCER).replace(" ARN ", f" {arn} "))
        run(f"aws wafv2 list-resources-for-web-acl --web-acl-arn {arn}", says=BALANCER)

        env["WAFSYNC_WEB_ACL"] = "rancher"
        run("wafsync explain --item=edge-0042", 7, "not in the table")
        run(written("aws dynamodb put-item"))
        key = "--table-name clusters --key '{\"id\": {\"S\": \"edge-0042\"}}'"
        run(f"aws dynamodb get-item {key}", says="203.0.113.43/32")
        run("wafsync explain --item=edge-0042", 5, "is wanted but not in force")
        run("wafsync apply", says="written")
        run(written("wafsync explain --item=edge-0042 --wait=10m"), says="is wanted and in force")
        assert (folder / "joined").read_text() == "apply -f join.yaml\n"
        run("wafsync check", says="0 failures")
        run(f"aws dynamodb delete-item {key}")
        run(f"aws dynamodb get-item {key} --query Item --output text", says="None")
    finally:
        stand_in.terminate()
        stand_in.wait()
print("the README's way from a table to a cluster that gets in works with the AWS CLI")
