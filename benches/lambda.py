"""Measures the Lambda function: `benches/lambda.py [BINARY]`, by default the one in the zip of deploy/lambda-zip.

For each memory size and number of items it prints, as Markdown, how long the function takes from its start to its first
event and to its first call, what an invocation takes, and peak memory. The runtime API is cargo-lambda's, which
tests/deploy/run installs, behind the relay of those tests. AWS is the stand-in without rate limits, behind TLS, with the
certificates of this machine. A control group gives the function the memory of its size and the share of a processor that
Lambda gives with it. Needs Linux, root and openssl.
"""

import importlib.util
import json
import os
import pathlib
import platform
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
SIZES = [1_000, 100_000, 1_000_000]
MEMORY = [256, 512, 1_024]
# AWS: "Configure Lambda function memory".
MEGABYTES_OF_A_PROCESSOR = 1_769
PERIOD = 20_000
CHUNK = 1 << 16


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing answers on port {port}")


def processor_seconds(process):
    """What the threads of a process have used so far."""
    used = 0
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        used += int((task / "schedstat").read_text().split()[0])
    return used / 1e9


class Group:
    """A control group with the memory and the processor share of a Lambda function of this size."""

    def __init__(self, megabytes):
        quota = str(PERIOD * megabytes // MEGABYTES_OF_A_PROCESSOR)
        size = str(megabytes << 20)
        top = pathlib.Path("/sys/fs/cgroup")
        if (top / "cgroup.controllers").exists():
            self.folders = {top: {"cpu.max": f"{quota} {PERIOD}", "memory.max": size}}
        else:
            self.folders = {
                top / "cpu": {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": quota},
                top / "memory": {"memory.limit_in_bytes": size},
            }
        self.folders = {folder / f"wafsync-{os.getpid()}": limits for folder, limits in self.folders.items()}
        for folder, limits in self.folders.items():
            folder.mkdir()
            for name, value in limits.items():
                (folder / name).write_text(value)

    def enter(self):
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        for folder in self.folders:
            folder.rmdir()


class Tls:
    """Ends TLS in front of the stand-in, and notes when the first request arrives."""

    def __init__(self, certificate, key, upstream):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.upstream, self.first, self.function = upstream, None, None
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(listener, context), daemon=True).start()

    def accept(self, listener, context):
        while True:
            plain, _ = listener.accept()
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.connect, args=(plain, context), daemon=True).start()

    def connect(self, plain, context):
        try:
            client = context.wrap_socket(plain, server_side=True)
        except (OSError, ssl.SSLError):
            return
        server = socket.create_connection(("127.0.0.1", self.upstream))
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self.copy, args=(server, client), daemon=True).start()
        self.copy(client, server)

    def copy(self, source, sink):
        try:
            while data := source.recv(CHUNK):
                if self.first is None:
                    self.first = time.monotonic(), processor_seconds(self.function.pid)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except (OSError, ssl.SSLError):
            pass


def relay_class(port, upstream, times):
    """The relay of the deployment tests. It notes when the function asks for its first event and when it gets it."""
    specification = importlib.util.spec_from_file_location("relay", ROOT / "tests/deploy/relay.py")
    relay = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(relay)

    class Noting(relay.Relay):
        upstream_port = upstream

        def do_GET(self):
            times.setdefault("asked", time.monotonic())
            self.relay()
            times.setdefault("given", time.monotonic())

        def log_message(self, *_):
            pass

    server = relay.http.server.ThreadingHTTPServer(("127.0.0.1", port), Noting)
    # The function ends while it waits for its next event.
    server.handle_error = lambda *_: None
    return server


def measure(binary, stand_in, cargo_lambda, work, items, megabytes):
    certificate, key, bundle = work / "cert.pem", work / "key.pem", work / "bundle.pem"
    started = []
    group = Group(megabytes)
    try:
        aws = subprocess.Popen(
            [stand_in, "--no-rates", "--preload", "--key-length", "60", "--items", str(items)]
            + ["--changed", str(items // 100)],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(aws)
        tls = Tls(certificate, key, int(aws.stdout.readline().rsplit(":", 1)[1].strip(" /\n")))
        lambda_port, runtime_port, times = free_port(), free_port(), {}
        started.append(
            subprocess.Popen(
                [cargo_lambda, "lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1"]
                + ["--invoke-port", str(lambda_port)],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        wait_for(lambda_port)
        server = relay_class(runtime_port, lambda_port, times)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        invocation = subprocess.Popen(
            [cargo_lambda, "lambda", "invoke", "--invoke-address", "127.0.0.1", "--invoke-port", str(lambda_port)]
            + ["wafsync", "--data-ascii", "{}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(invocation)
        environment = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "wafsync",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(megabytes),
            "AWS_ENDPOINT_URL": f"https://127.0.0.1:{tls.port}",
            "SSL_CERT_FILE": str(bundle),
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "example",
            "AWS_SECRET_ACCESS_KEY": "example",
            "WAFSYNC_TABLE": "clusters",
            "WAFSYNC_READ_RATE": "1000",
            "WAFSYNC_WRITE_RATE": "1000",
            "WAFSYNC_SETTLE": "0s",
        }
        # A change of one address in a hundred is what the guards let pass without approval.
        with open(work / "function.log", "w") as log:
            began = time.monotonic()
            tls.function = function = subprocess.Popen(
                [binary], env=environment, stdout=log, stderr=log, preexec_fn=group.enter
            )
        started.append(function)
        answer, _ = invocation.communicate(timeout=600)
        ended = time.monotonic()
        if '"outcome":"changed"' not in answer.replace("\n", "").replace(" ", ""):
            sys.exit(f"{items} items, {megabytes} MB: {answer}\n{(work / 'function.log').read_text()}")
        status = pathlib.Path(f"/proc/{function.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        server.shutdown()
        first, used = tls.first
        return {
            "asked": times["asked"] - began,
            "first": times["asked"] - began + first - times["given"],
            "used": used,
            "took": ended - times["given"],
            "processor": processor_seconds(function.pid),
            "peak": peak / 1024,
        }
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
        group.remove()


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if len(sys.argv) > 1:
            binary = pathlib.Path(sys.argv[1]).resolve()
        else:
            architecture = platform.machine().replace("aarch64", "arm64")
            with zipfile.ZipFile(TARGET / f"lambda/wafsync-{architecture}.zip") as archive:
                binary = pathlib.Path(archive.extract("bootstrap", work))
            binary.chmod(0o755)
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "wafsync-deploy"
        tools = pathlib.Path(os.environ.get("WAFSYNC_DEPLOY_TOOLS", cache))
        cargo_lambda = shutil.which("cargo-lambda") or str(tools / "venv/bin/cargo-lambda")
        subprocess.run(
            ["cargo", "build", "--quiet", "--locked", "--profile=bench", "--package=wafsync-test-aws"],
            cwd=ROOT,
            check=True,
        )
        stand_in = TARGET / "release/wafsync-test-aws"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            + ["-days", "1", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
            + ["-addext", "basicConstraints=CA:FALSE", "-keyout", work / "key.pem", "-out", work / "cert.pem"],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        system = pathlib.Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
        (work / "bundle.pem").write_text(system.read_text() + (work / "cert.pem").read_text())
        print("| memory size | items | start to first event | to first call | of it processor | invocation | "
              "of it processor | peak memory |")
        print("|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
        for megabytes in MEMORY:
            for items in SIZES:
                runs = [measure(binary, stand_in, cargo_lambda, work, items, megabytes) for _ in range(3)]
                median = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
                print(
                    f"| {megabytes} MB | {items:,} | {1000 * median['asked']:.0f} ms | {1000 * median['first']:.0f} ms | "
                    f"{1000 * median['used']:.0f} ms | {median['took']:.1f} s | {median['processor']:.1f} s | "
                    f"{median['peak']:.0f} MiB |",
                    flush=True,
                )


main()
