# SPDX-License-Identifier: Apache-2.0
"""The servers that tests start: Stowage, MinIO, CNCF Distribution.

Each listens on a free port of 127.0.0.1, keeps its data in a temporary folder of its own, and is
ended by its pid when the test program ends, however it ends.  Servers are started by the main
thread.  BUILD is the build folder ($O), ROOT the top of the tree.
"""

import atexit
import ctypes
import http.client
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import s3
import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("O") or "build")
SAN = os.environ.get("SAN", "")

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_folders = []
_running = []


def tool(name):
    """Path of crane, minio, registry (built by `make test-deps`), skopeo, ...; skips without."""
    for folder in (os.environ.get("STOWAGE_TOOLS"), os.path.join(BUILD, "tools/bin"),
                   os.path.join(ROOT, "build/tools/bin")):
        if folder and os.access(os.path.join(folder, name), os.X_OK):
            return os.path.join(folder, name)
    found = shutil.which(name)
    if not found:
        tap.skip(f"{name} is not there; make test-deps brings it")
    return found


def temporary(name="stowage"):
    """A folder that goes when the test program ends. podman makes the name of an image of such a
    path, which takes underlines only between other letters."""
    while True:
        folder = tempfile.mkdtemp(prefix=f"{name}-")
        if "_" not in folder[-8:]:
            break
        os.rmdir(folder)
    _folders.append(folder)
    return folder


def remove_at_end(folder):
    """One that was made elsewhere."""
    _folders.append(folder)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _clean():
    for server in list(_running):
        if SAN and server.name == "stowage":
            try:
                server.stop()  # so that what it leaked is reported
            except OSError:
                pass  # ended all the same
        else:
            server.kill()
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


atexit.register(_clean)


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A server process with its log in a file."""

    name = "server"
    patience = 30.0

    def __init__(self):
        self.process = None
        self.folder = temporary(self.name)
        self.log_path = os.path.join(self.folder, "log")

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def ready(self):
        raise NotImplementedError

    def start(self):
        main = threading.current_thread() is threading.main_thread()
        self.log_from = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        inherited = {k: v for k, v in os.environ.items()
                     if not k.startswith(("STOWAGE_", "MINIO_", "REGISTRY_", "AWS_"))}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), env=dict(inherited, **self.environment()), cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=_die_with_parent if main else None)
        _running.append(self)
        deadline = time.monotonic() + self.patience
        while not self.ready():
            if self.process.poll() is not None:
                status = self._gone()
                raise OSError(f"{self.name} ended with {status} at its start:\n{self.log()}")
            if time.monotonic() > deadline:
                self.kill()
                raise OSError(f"{self.name} was not ready in {self.patience} s:\n{self.log()}")
            time.sleep(0.02)
        return self

    def _gone(self):
        status = self.process.wait()
        self.process = None
        if self in _running:
            _running.remove(self)
        return status

    def stop(self, patience=40):
        """SIGTERM; the exit status."""
        if not self.process:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise OSError(f"{self.name} did not end in {patience} s:\n{self.log()}") from None
        return self._gone()

    def kill(self):
        """SIGKILL."""
        if self.process:
            self.process.kill()
            self._gone()

    def restart(self):
        self.stop()
        return self.start()

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        """All that it wrote since it was made."""
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def _log_now(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            f.seek(self.log_from)
            return f.read()

    def peak_rss(self):
        """Bytes, the most that was resident since its start."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1)) * 1024


class _Http(Process):
    port = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def start_on_free_port(self):
        """For servers that cannot listen on port 0: somebody may take the port in between."""
        for attempt in range(5):
            self.port = self.port or free_port()
            try:
                return Process.start(self)
            except OSError:
                if attempt == 4 or "in use" not in self._log_now():
                    raise
                self.port = None
        raise AssertionError("not reached")

    def listens(self):
        """Is it this process, and not somebody else, who listens on the port?"""
        want, inodes = f":{self.port:04X}", set()
        with open("/proc/net/tcp", encoding="ascii") as f:
            for line in f:
                column = line.split()
                if column[1].endswith(want) and column[3] == "0A":
                    inodes.add(f"socket:[{column[9]}]")
        folder = f"/proc/{self.pid}/fd"
        try:
            return any(os.readlink(os.path.join(folder, fd)) in inodes for fd in os.listdir(folder))
        except OSError:  # ended, or an entry went meanwhile: asked again
            return False

    def answers(self, path):
        if not self.listens():
            return False
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", path)
            status = connection.getresponse().status
            connection.close()
            return status == 200
        except (OSError, http.client.HTTPException):
            return False


def sanitized(command):
    """The thread sanitizer needs addresses where it expects them."""
    if "thread" in SAN and shutil.which("setarch"):
        return ["setarch", platform.machine(), "-R"] + command
    return command


class Server(_Http):
    """`stowage serve`.  folder is the filesystem driver's (made if not given), minio a started
    Minio for s3, bucket a name (made if not given) and prefix its rootdirectory; env adds or
    replaces variables.  A restart keeps the port."""

    name = "stowage"

    def __init__(self, driver="filesystem", env=None, folder=None, minio=None, bucket=None,
                 prefix=None, args=(), config=None):
        super().__init__()
        self.driver, self.env, self.args, self.config = driver, env or {}, list(args), config
        self.data, self.minio, self.bucket, self.prefix = folder, minio, bucket, prefix
        if driver == "filesystem" and not folder:
            self.data = os.path.join(self.folder, "data")
        if driver == "s3" and minio and not bucket:
            self.bucket = minio.new_bucket()

    def command(self):
        command = [os.path.join(BUILD, "stowage"), "serve"]
        if self.config:
            command += ["-c", self.config]
        return sanitized(command + self.args)

    def environment(self):
        env = {"STOWAGE_HTTP_LISTEN": f"127.0.0.1:{self.port or 0}",
               "STOWAGE_STORAGE_DRIVER": self.driver}
        if self.driver == "filesystem":
            env["STOWAGE_FILESYSTEM_ROOTDIRECTORY"] = self.data
        if self.driver == "s3" and self.minio:
            env.update(STOWAGE_S3_BUCKET=self.bucket, STOWAGE_S3_REGION="us-east-1",
                       STOWAGE_S3_REGIONENDPOINT=self.minio.endpoint,
                       STOWAGE_S3_ACCESSKEY=self.minio.accesskey,
                       STOWAGE_S3_SECRETKEY=self.minio.secretkey)
            if self.prefix:
                env["STOWAGE_S3_ROOTDIRECTORY"] = self.prefix
        env.update(self.env)
        return {k: v for k, v in env.items() if v is not None}

    def ready(self):
        found = re.search(r"listening on https?://127\.0\.0\.1:(\d+)", self._log_now())
        if found:
            self.port = int(found.group(1))
        return bool(found)


class Minio(_Http):
    """One MinIO on one folder.  new_bucket() makes one with a name of its own."""

    name = tool = "minio"
    accesskey, secretkey = "stowage-test", "stowage-test-secret"
    count = 0

    def __init__(self, folder=None):
        self.program = tool(self.tool)
        super().__init__()
        self.data = folder or os.path.join(self.folder, "data")

    def start(self):
        os.makedirs(self.data, exist_ok=True)
        return self.start_on_free_port()

    def command(self):
        return [self.program, "server", "--quiet", "--address", f"127.0.0.1:{self.port}",
                self.data]

    def environment(self):
        return {"MINIO_ROOT_USER": self.accesskey, "MINIO_ROOT_PASSWORD": self.secretkey,
                "MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "MINIO_CI_CD": "1",
                "HOME": self.folder}

    def ready(self):
        return self.answers("/minio/health/ready")

    @property
    def endpoint(self):
        return self.url

    @property
    def s3(self):
        return s3.S3(self.endpoint, self.accesskey, self.secretkey)

    def make_bucket(self, name, headers=None):
        deadline = time.monotonic() + 15
        while True:  # ready a moment before it is writable
            try:
                return self.s3.make_bucket(name, headers)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def new_bucket(self):
        Minio.count += 1
        name = f"bucket-{Minio.count}"
        self.make_bucket(name)
        return name


class Distribution(_Http):
    """CNCF Distribution on a folder, or on a bucket of a started Minio.  program is the tool:
    "registry" is v3.1.2, "registry-2.8" v2.8.2."""

    name = "registry"

    def __init__(self, folder=None, minio=None, bucket=None, prefix=None, program="registry"):
        self.program = tool(program)
        super().__init__()
        self.data, self.minio, self.bucket, self.prefix = folder, minio, bucket, prefix
        if not minio and not folder:
            self.data = os.path.join(self.folder, "data")
        if minio and not bucket:
            self.bucket = minio.new_bucket()

    def start(self):
        return self.start_on_free_port()

    def command(self):
        store = f"  filesystem:\n    rootdirectory: {self.data}\n"
        if self.minio:
            store = (f"  s3:\n    accesskey: {self.minio.accesskey}\n"
                     f"    secretkey: {self.minio.secretkey}\n    region: us-east-1\n"
                     f"    regionendpoint: {self.minio.endpoint}\n    bucket: {self.bucket}\n"
                     "    forcepathstyle: true\n    secure: false\n")
            if self.prefix:
                store += f"    rootdirectory: {self.prefix}\n"
        with open(os.path.join(self.folder, "config.yml"), "w", encoding="utf-8") as f:
            f.write("version: 0.1\nlog:\n  level: warn\nstorage:\n" + store +
                    "  redirect:\n    disable: true\n  delete:\n    enabled: true\n"
                    "  maintenance:\n    uploadpurging:\n"
                    f"      enabled: false\nhttp:\n  addr: 127.0.0.1:{self.port}\n"
                    "  secret: stowage-tests\n")
        return [self.program, "serve", os.path.join(self.folder, "config.yml")]

    def collect(self, *options):
        """Its own garbage-collect, while it does not serve; what it printed."""
        config = self.command()[-1]
        inherited = {k: v for k, v in os.environ.items()
                     if not k.startswith(("REGISTRY_", "AWS_"))}
        run = subprocess.run([self.program, "garbage-collect", *options, config],
                             env=dict(inherited, **self.environment()), cwd=self.folder,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.STDOUT, timeout=120, check=False)
        tap.equal(run.returncode, 0, f"exit status of garbage-collect:\n{run.stdout}\n")
        return run.stdout

    def environment(self):
        return {"OTEL_TRACES_EXPORTER": "none", "HOME": self.folder}

    def ready(self):
        return self.answers("/v2/")
