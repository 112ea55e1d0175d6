"""Follows the README from an empty cluster to a client that gets in: `cluster.py KUBECTL BINARY AWS-ENDPOINT`.

kubectl is the real one, and its commands are those of the README and of the program's own messages. A small stand-in for the
API server keeps the objects, and runs the pod of a Job at once: the program, with the arguments and the environment of the
manifest. The credentials are added, as a webhook of EKS does.
"""

import copy
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request

kubectl, binary, endpoint = sys.argv[1:4]
root = pathlib.Path(__file__).parents[2]

# Kind: group, plural, namespaced.
KINDS = {
    "Namespace": ("", "namespaces", False),
    "ServiceAccount": ("", "serviceaccounts", True),
    "ConfigMap": ("", "configmaps", True),
    "Pod": ("", "pods", True),
    "CronJob": ("batch", "cronjobs", True),
    "Job": ("batch", "jobs", True),
}
VERSIONS = {"": "v1", "batch": "batch/v1"}


def prefix(group):
    return f"/apis/{VERSIONS[group]}" if group else "/api/v1"


def resources(group):
    verbs = ["create", "get", "list", "patch", "watch"]
    known = [(kind, plural, namespaced) for kind, (of, plural, namespaced) in KINDS.items() if of == group]
    return [{"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs} for kind, plural, namespaced in known]


def openapi(group):
    """Says no more than that the server validates fields, so that kubectl leaves it to the server."""
    paths = {}
    for kind, (of, plural, namespaced) in KINDS.items():
        if of == group:
            place = f"{prefix(group)}/{'namespaces/{namespace}/' if namespaced else ''}{plural}/{{name}}"
            gvk = {"group": group, "version": "v1", "kind": kind}
            patch = {"parameters": [{"name": "fieldValidation", "in": "query"}], "x-kubernetes-group-version-kind": gvk}
            paths[place] = {"patch": patch}
    return {"openapi": "3.0.0", "info": {"title": "stand-in", "version": "v1"}, "paths": paths}


def merge(old, patch):
    """A merge patch; for what kubectl changes here, a strategic one is the same."""
    if not isinstance(patch, dict) or not isinstance(old, dict):
        return patch
    merged = {key: merge(old.get(key), value) for key, value in patch.items() if value is not None and not key.startswith("$")}
    return {key: value for key, value in {**old, **merged}.items() if patch.get(key, "") is not None}


def members(message):
    """The members of a Protobuf message that are strings or messages: number and bytes."""
    def varint():
        nonlocal place
        value = shift = 0
        while True:
            byte, place = message[place], place + 1
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    place = 0
    while place < len(message):
        key = varint()
        length = varint()
        if key & 7 == 2:
            yield key >> 3, message[place:place + length]
            place += length


def job_of(body, namespace):
    """The Job in a request of `kubectl create job --from`, which is Protobuf: that of the CronJob that it names as its owner."""
    raw = dict(members(body.removeprefix(b"k8s\0")))[2]
    metadata = dict(members(dict(members(raw))[1]))
    owner = dict(members(metadata[13]))[3].decode()
    spec = copy.deepcopy(cluster.objects["cronjobs", namespace, owner]["spec"]["jobTemplate"]["spec"])
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": metadata[1].decode(), "namespace": namespace}, "spec": spec}


class Cluster:
    def __init__(self):
        self.objects, self.logs, self.lock = {}, {}, threading.Lock()

    def create(self, plural, namespace, given):
        name = given["metadata"]["name"]
        given["metadata"].update(uid=f"uid-{plural}-{name}", resourceVersion="1", creationTimestamp="2026-01-01T00:00:00Z")
        self.objects[plural, namespace, name] = given
        if plural == "jobs":
            self.run(namespace, given)
        return given

    def run(self, namespace, job):
        """Runs the pod of a Job to its end."""
        name, template = job["metadata"]["name"], job["spec"]["template"]
        [container] = template["spec"]["containers"]
        fields = {"metadata.namespace": namespace, "spec.serviceAccountName": template["spec"]["serviceAccountName"]}
        env = {"KUBERNETES_SERVICE_HOST": "192.0.2.1", "HOSTNAME": f"{name}-x7k2p"}
        for source in container["envFrom"]:
            env.update(self.objects["configmaps", namespace, source["configMapRef"]["name"]]["data"])
        env.update({one["name"]: fields[one["valueFrom"]["fieldRef"]["fieldPath"]] for one in container["env"]})
        env.update(AWS_ENDPOINT_URL=endpoint, AWS_ACCESS_KEY_ID="example", AWS_SECRET_ACCESS_KEY="example")
        ran = subprocess.run(
            [binary, *container["args"]], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=300,
        )
        job["spec"]["selector"] = {"matchLabels": {"job-name": name}}
        done = "Complete" if ran.returncode == 0 else "Failed"
        job["status"] = {"conditions": [{"type": done, "status": "True"}]}
        pod = {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": f"{name}-x7k2p", "namespace": namespace, "labels": {"job-name": name}},
            "spec": template["spec"],
            "status": {"phase": "Succeeded" if ran.returncode == 0 else "Failed"},
        }
        self.objects["pods", namespace, pod["metadata"]["name"]] = pod
        self.logs[pod["metadata"]["name"]] = (ran.returncode, ran.stdout)


cluster = Cluster()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, value, content_type="application/json"):
        body = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def status(self, code, reason):
        self.answer(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": reason})

    def handle_one(self):
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = dict(urllib.parse.parse_qsl(url.query))
        fixed = {
            "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.0"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [{
                "name": "batch", "versions": [{"groupVersion": "batch/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "batch/v1", "version": "v1"},
            }]},
            "/openapi/v3": {"paths": {
                prefix(group).strip("/"): {"serverRelativeURL": f"/openapi/v3{prefix(group)}"} for group in VERSIONS
            }},
            **{f"/openapi/v3{prefix(group)}": openapi(group) for group in VERSIONS},
            **{prefix(group): {"kind": "APIResourceList", "groupVersion": version, "resources": resources(group)} for group, version in VERSIONS.items()},
        }
        if url.path in fixed:
            return self.answer(200, fixed[url.path])
        path = re.fullmatch(
            r"(?:/api/v1|/apis/batch/v1)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?P<log>/log)?",
            url.path,
        )
        if not path and (namespace := re.fullmatch(r"/api/v1/namespaces(?:/([^/]+))?", url.path)):
            namespace, plural, name, log = "", "namespaces", namespace[1], None
        elif path:
            namespace, plural, name, log = path["namespace"] or "", path["plural"], path["name"], path["log"]
        else:
            return self.status(404, "NotFound")
        with cluster.lock:
            found = cluster.objects.get((plural, namespace, name))
            if self.command == "POST":
                given = job_of(body, namespace) if body.startswith(b"k8s") else json.loads(body)
                if (plural, namespace, given["metadata"]["name"]) in cluster.objects:
                    return self.status(409, "AlreadyExists")
                return self.answer(201, cluster.create(plural, namespace, given))
            if self.command == "GET" and not name:
                wanted = dict(one.split("=") for one in query.get("labelSelector", "").split(",") if one)
                by_name = query.get("fieldSelector", "").removeprefix("metadata.name=")
                items = [
                    each for (of, place, name), each in cluster.objects.items()
                    if (of, place) == (plural, namespace) and wanted.items() <= each["metadata"].get("labels", {}).items()
                    and by_name in ("", name)
                ]
                kind, group = next((kind, group) for kind, (group, of, _) in KINDS.items() if of == plural)
                return self.answer(200, {"kind": f"{kind}List", "apiVersion": VERSIONS[group], "metadata": {"resourceVersion": "1"}, "items": items})
            if not found:
                return self.status(404, "NotFound")
            if self.command == "PATCH":
                found = cluster.objects[plural, namespace, name] = merge(found, json.loads(body))
            return self.answer(200, cluster.logs[name][1], "text/plain") if log else self.answer(200, found)

    do_GET = do_POST = do_PATCH = handle_one


def commands(page, start):
    """The commands of a page that begin like this, without comments."""
    text = (root / page).read_text().replace("\\\n", " ")
    return [re.sub(r"\s+# .*", "", line) for line in text.split("\n") if line.startswith(start)]


def run(command, code=0):
    ran = subprocess.run(["bash", "-o", "pipefail", "-ec", command], env=env, cwd=folder, text=True, capture_output=True)
    if ran.returncode != code:
        sys.exit(f"{command}\nexited with {ran.returncode}, not {code}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def delete_item(key):
    scope = "example/20260101/eu-central-1/dynamodb/aws4_request"
    request = urllib.request.Request(endpoint, json.dumps({"TableName": "clusters", "Key": {"id": {"S": key}}}).encode(), {
        "X-Amz-Target": "DynamoDB_20120810.DeleteItem", "Content-Type": "application/x-amz-json-1.0",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}",
    })
    urllib.request.urlopen(request, timeout=10).close()


def log(job, code):
    """What the pod of a Job wrote, which exited with this code."""
    found, said = cluster.logs[f"{job}-x7k2p"]
    assert found == code, f"{job} exited with {found}, not {code}:\n{said}"
    return said


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    (folder / "config").write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "here", "users": [],
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": ""}}],
    }))
    (folder / "kubectl").symlink_to(pathlib.Path(kubectl).absolute())
    env = {
        "PATH": f"{folder}:{os.environ['PATH']}", "KUBECONFIG": str(folder / "config"), "HOME": str(folder),
    }
    manifest = (root / "cronjob.yaml").read_text()
    (folder / "cronjob.yaml").write_text(manifest)

    apply, *way = commands("README.md", "kubectl ")
    assert len(way) == 3, way
    assert "cronjob.batch/wafsync created" in run(apply)
    said = "".join(run(command) for command in way)
    assert "PLANNED: 3 to add." in said, said
    assert "kubectl -n wafsync create job wafsync-now --from=cronjob/wafsync" in said, said
    first = run("kubectl -n wafsync logs job/first-run")
    assert '"outcome":"changed"' in first, first
    log("first-run", 0)

    # Two of three items go, and a guard holds that. The log has the command that approves it.
    limited = manifest.replace("WAFSYNC_LOG_FORMAT: json", "WAFSYNC_LOG_FORMAT: json\n  WAFSYNC_MAX_REMOVALS: '1'\n  WAFSYNC_SETTLE: 0s")
    (folder / "cronjob.yaml").write_text(limited)
    assert "configmap/wafsync configured" in run(apply)
    delete_item("cluster-0000000")
    delete_item("cluster-0000001")
    run("kubectl -n wafsync create job --from=cronjob/wafsync second-run")
    lines = [json.loads(line) for line in log("second-run", 3).split("\n") if line]
    [approve] = [line["approve"] for line in lines if "approve" in line]
    created = run(approve)
    assert re.fullmatch(r"job.batch/wafsync-approve-[0-9a-f]{8} created\n", created), created
    assert '"outcome":"changed"' in log(created.split("/")[1].split()[0], 0)
print("the README's way from an empty cluster to a run that adds, and an approval, work with kubectl")
