"""Tests a release on its own, as after a download: `release.py FOLDER`."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

folder = pathlib.Path(sys.argv[1]).resolve()
root = pathlib.Path(__file__).parents[2]
version = folder.name.removeprefix("release-")


def expect(what, condition):
    if not condition:
        sys.exit(what)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    expect(f"{command}: {done.stdout}{done.stderr}", done.returncode == 0)
    return done.stdout


# Every file has a checksum, and every checksum is correct.
run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=folder)
listed = {line.split()[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
expect("files without a checksum", listed | {"SHA256SUMS"} == {path.name for path in folder.iterdir()})

commands = ["plan", "apply", "watch", "explain", "check", "iam-policy", "completions"]
archives = list(folder.glob("*-linux.tar.gz"))
expect("no archive", archives)
for path in archives:
    name = path.name.removesuffix(".tar.gz")
    with tempfile.TemporaryDirectory() as empty, tarfile.open(path) as archive:
        for member in archive.getmembers():
            expect(f"{member.name} has an owner or a time", (member.uid, member.gid, member.mtime) == (0, 0, 0))
            expect(f"{member.name} is outside", member.name == name or member.name.startswith(f"{name}/"))
        archive.extractall(empty, filter="data")
        here = pathlib.Path(empty, name)
        for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md", "SECURITY.md", "docs/settings.md"]:
            expect(f"{file} differs from the repository", (here / file).read_bytes() == (root / file).read_bytes())
        for page in ["wafsync", *(f"wafsync-{command}" for command in commands)]:
            text = (here / f"man/{page}.1").read_text()
            expect(f"{page}.1 is not a manual page", f".TH {page} 1" in text and ".SH NAME" in text)
        run("bash", "-n", here / "completions/wafsync.bash")
        if os.uname().machine.replace("aarch64", "arm64") not in name:
            continue
        program = here / "wafsync"
        expect("wrong version", run(program, "--version", env={}).strip() == f"wafsync {version}")
        for shell, script in [("bash", "wafsync.bash"), ("zsh", "wafsync.zsh"), ("fish", "wafsync.fish")]:
            printed = run(program, "completions", shell, env={})
            expect(f"{script} does not match the program", (here / "completions" / script).read_text() == printed)
        policy = json.loads(run(program, "iam-policy", "--table=clusters", env={}))
        expect("no policy", policy["Version"] == "2012-10-17")

for path in folder.glob("*-lambda-*.zip"):
    with zipfile.ZipFile(path) as archive:
        expect("not a function", archive.namelist() == ["bootstrap"] and archive.infolist()[0].external_attr >> 16 & 0o111)

# The bill of materials lists crates of the lock file, with their licenses.
bom = json.loads((folder / f"wafsync-{version}.cdx.json").read_text())
expect("not a CycloneDX document", bom["bomFormat"] == "CycloneDX" and bom["metadata"]["component"]["version"] == version)
locked = set(re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"', (root / "Cargo.lock").read_text()))
parts = {(part["name"], part["version"]) for part in bom["components"]}
expect(f"not in the lock file: {sorted(parts - locked)}", parts <= locked)
expect("crates are missing", {"aws-sdk-wafv2", "aws-sdk-dynamodb", "tokio", "rustls"} <= {name for name, _ in parts})
without = [part["name"] for part in bom["components"] if not part.get("licenses")]
expect(f"no license: {without}", not without)
expect("build paths included", str(root) not in json.dumps(bom) and str(pathlib.Path.home()) not in json.dumps(bom))
print(f"{len(archives)} archives and a bill of {len(parts)} crates are complete")
