"""Fails unless the overlay for several targets has a copy of cronjob.yaml for each target, without collisions.

The arguments are the output of kubectl for the overlay, and cronjob.yaml.
"""

import sys

import yaml

TARGETS = {"frankfurt": ("eu-central-1", None), "virginia": ("us-east-1", None), "cloudfront": ("us-east-1", "cloudfront")}


def read(path):
    with open(path) as file:
        return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(file)}


def expect(what, condition):
    if not condition:
        sys.exit(what)


def pod(cronjob):
    return cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]


made, one = read(sys.argv[1]), read(sys.argv[2])
names = {("Namespace", "wafsync")} | {
    (kind, f"{name}-{target}") for kind, name in one if kind != "Namespace" for target in TARGETS
}
expect(f"other objects: {sorted(names ^ set(made))}", names == set(made))
expect("the namespaces differ", made["Namespace", "wafsync"] == one["Namespace", "wafsync"])

schedules = set()
for target, (region, scope) in TARGETS.items():
    name = f"wafsync-{target}"
    settings = made["ConfigMap", name]["data"]
    expect(f"{target}: Region {settings['AWS_REGION']}", settings["AWS_REGION"] == region)
    expect(f"{target}: scope", settings.get("WAFSYNC_SCOPE") == scope)
    expect(f"{target}: metrics collide with those of another target", settings["WAFSYNC_NAME"] == name)
    expect(f"{target}: another table", settings["WAFSYNC_TABLE"] == one["ConfigMap", "wafsync"]["data"]["WAFSYNC_TABLE"])
    role = made["ServiceAccount", name]["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
    expect(f"{target}: role {role}", role.endswith(f":role/{name}"))
    schedules.add(made["CronJob", name]["spec"]["schedule"])
    for cronjob in ["wafsync", "wafsync-plan"]:
        ours, theirs = pod(made["CronJob", f"{cronjob}-{target}"]), pod(one["CronJob", cronjob])
        expect(f"{target}: service account", ours["serviceAccountName"] == name)
        container, model = ours["containers"][0], theirs["containers"][0]
        expect(f"{target}: settings", container["envFrom"] == [{"configMapRef": {"name": name}}])
        rest = [{**each, "envFrom": None, "containers": None, "serviceAccountName": None} for each in (ours, theirs)]
        expect(f"{target}: the pods differ", rest[0] == rest[1])
        expect(f"{target}: the containers differ", {**container, "envFrom": None} == {**model, "envFrom": None})
expect(f"targets start at the same time: {schedules}", len(schedules) == len(TARGETS))
