#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What operators see and set: health, the log, read-only mode, redirects, what a SIGHUP changes."""

import hashlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import images
import raw
import registry
import stowage
import tap
from fake_s3 import FakeS3

BLOB = os.urandom(200_000)
SMALL = b"a small one"


def serve(**env):
    server = stowage.Server(env={f"STOWAGE_{k}": v for k, v in env.items()}).start()
    tap.defer(server.kill)
    return server


def on_fake(fake, **env):
    """The same on a scripted store."""
    bucket = fake.new_bucket()
    settings = {
        "STOWAGE_S3_BUCKET": bucket, "STOWAGE_S3_REGION": fake.region,
        "STOWAGE_S3_REGIONENDPOINT": fake.endpoint, "STOWAGE_S3_ACCESSKEY": fake.accesskey,
        "STOWAGE_S3_SECRETKEY": fake.secretkey, "STOWAGE_S3_MAXRETRIES": "0",
        **{f"STOWAGE_{k}": v for k, v in env.items()}}
    server = stowage.Server("s3", env=settings).start()
    tap.defer(server.kill)
    return server


# ---- health ----

@tap.test
def alive_and_ready():
    server = serve()
    for path, word in (("/livez", b"alive\n"), ("/readyz", b"ready\n")):
        answer = raw.ask(server, "GET", path)
        tap.equal((answer.status, answer.body), (200, word))
        tap.equal(raw.ask(server, "HEAD", path).status, 200)
        tap.equal(raw.ask(server, "POST", path, b"").status, 405)


@tap.test
def ready_follows_the_store():
    """It takes so many failures, and one success; whoever looks asks the store nothing."""
    fake = FakeS3().start()
    tap.defer(fake.stop)
    server = on_fake(fake, HEALTH_INTERVAL="200ms", HEALTH_THRESHOLD="2", HEALTH_TIMEOUT="2s")
    tap.equal(raw.ask(server, "GET", "/readyz").status, 200)
    fault = fake.fault(times=None, status=500, code="InternalError")
    tap.until(lambda: raw.ask(server, "GET", "/readyz").status == 503)
    tap.ok(fault.used >= 2, f"{fault.used} failures")
    answer = raw.ask(server, "GET", "/readyz")
    tap.equal((answer.status, answer.body), (503, b"the store does not answer\n"))
    tap.equal(raw.ask(server, "GET", "/livez").status, 200)
    fault.times = 0
    tap.until(lambda: raw.ask(server, "GET", "/readyz").status == 200)
    tap.equal(len(re.findall("not ready: the store failed 2 checks", server.log())), 1)
    tap.equal(server.log().count("the store answers again"), 1)


@tap.test
def looking_asks_the_store_nothing():
    fake = FakeS3().start()
    tap.defer(fake.stop)
    server = on_fake(fake, HEALTH_INTERVAL="0")
    before = len(fake.calls())
    for _ in range(20):
        tap.equal(raw.ask(server, "GET", "/readyz").status, 200)
    tap.equal(len(fake.calls()), before)


@tap.test
def alive_however_much_there_is_to_do():
    server = serve(HTTP_MAXREQUESTS="1")
    location = registry.Client(server).begin_upload("a").headers["Location"]
    with raw.Connection(server) as slow:
        slow.head("PATCH", raw.target(location), "Content-Length: 10")
        slow.send(b"x")
        tap.until(lambda: raw.ask(server, "GET", "/v2/").status == 503)
        for path in ("/livez", "/readyz"):
            tap.equal(raw.ask(server, "GET", path).status, 200, path)


@tap.test
def not_ready_while_it_ends():
    """Who has a connection still sees it; the request under way is finished."""
    server = serve()
    with raw.Connection(server) as kept, raw.Connection(server) as pushing:
        kept.head("GET", "/readyz")
        tap.equal(kept.reply().status, 200)
        location = registry.Client(server).begin_upload("a").headers["Location"]
        pushing.head("PATCH", raw.target(location), f"Content-Length: {len(SMALL)}")
        pushing.send(SMALL[:5])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        tap.until(lambda: "no new connections" in server.log())
        kept.head("GET", "/readyz")
        answer = kept.reply()
        tap.equal((answer.status, answer.body), (503, b"ending\n"))
        pushing.send(SMALL[5:])
        tap.equal(pushing.reply().status, 202)
    tap.equal(server.process.wait(30), 0)


# ---- the log ----

def lines(server, **fields):
    found = []
    for line in server.log().splitlines():
        if line.startswith("{"):
            entry = json.loads(line)
            if all(entry.get(k) == v for k, v in fields.items()):
                found.append(entry)
    return found


@tap.cases(own=("abc-DEF_0.1", True), long=("x" * 65, False), odd=("a b", False),
           empty=("", False), quoted=('"x"', False), longest=("y" * 64, True))
def ids_are_taken_over_or_made(given, taken):
    server = serve(LOG_FORMAT="json")
    answer = raw.ask(server, "GET", "/v2/a/manifests/none", None, f"X-Request-Id: {given}")
    tap.equal(answer["X-Request-Id"] == given, taken, answer)
    tap.ok(re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer["X-Request-Id"]), answer)
    tap.until(lambda: lines(server, request=answer["X-Request-Id"], status=404))
    line, = lines(server, request=answer["X-Request-Id"], status=404)
    tap.equal((line["method"], line["path"]), ("GET", "/v2/a/manifests/none"))
    tap.ok({"remote", "received", "sent", "duration_us", "store_requests"} <= set(line), line)


@tap.test
def two_ids_are_none():
    server = serve()
    answer = raw.ask(server, "GET", "/v2/", None, "X-Request-Id: a", "X-Request-Id: b")
    tap.ok(re.fullmatch("[0-9a-f]{16}", answer["X-Request-Id"]), answer)


@tap.test
def levels_of_components():
    """A fault of the client's is debug; of one component it is shown, of others not."""
    server = serve(LOG_LEVELS="tag.get:debug, tag:error, http:error")
    raw.ask(server, "GET", "/v2/a/manifests/none")
    raw.ask(server, "GET", f"/v2/a/blobs/{images.digest(SMALL)}")
    tap.until(lambda: server.log().count("status=404") == 2)
    tap.ok("level=debug component=tag.get" in server.log(), server.log())
    tap.ok("component=blob" not in server.log(), server.log())


@tap.cases(level=({"LOG_LEVEL": "loud"}, "[log] level = loud"),
           levels=({"LOG_LEVELS": "s3:loud"}, "[log] levels = s3:loud"),
           no_name=({"LOG_LEVELS": ":debug"}, "[log] levels"),
           no_level=({"LOG_LEVELS": "s3"}, "[log] levels"),
           format_=({"LOG_FORMAT": "xml"}, "[log] format = xml"),
           listen=({"HTTP_LISTEN": "nonsense"}, "[http] listen = nonsense"),
           memory=({"HTTP_MANIFESTMEMORY": "0"}, "[http] manifestmemory"),
           redirects=({"HTTP_REDIRECTTIME": "8d"}, "[http] redirecttime"),
           interval=({"HEALTH_INTERVAL": "1ms"}, "[health] interval"),
           threshold=({"HEALTH_THRESHOLD": "0"}, "[health] threshold = 0"),
           timeout=({"HEALTH_TIMEOUT": "1ms"}, "[health] timeout"))
def mistakes_end_the_start(env, text):
    try:
        serve(**env)
    except OSError as e:
        tap.ok(text in str(e), e)
    else:
        tap.ok(False, "it started")
    check = subprocess.run([os.path.join(stowage.BUILD, "stowage"), "config", "--check"], text=True,
                           env=dict(os.environ, **{f"STOWAGE_{k}": v for k, v in env.items()}),
                           capture_output=True, timeout=60)
    tap.equal(check.returncode, 1, check.stderr)
    tap.ok(text in check.stderr, check.stderr)


# ---- SIGHUP ----

@tap.test
def levels_change_by_a_signal():
    folder = stowage.temporary("hup")
    path = os.path.join(folder, "plugin.conf")

    def write(level):
        with open(path, "w", encoding="ascii") as f:
            f.write(f"[log]\nlevel = {level}\n")

    write("error")
    server = stowage.Server(config=path).start()
    tap.defer(server.kill)
    raw.ask(server, "GET", "/v2/a/manifests/none")
    tap.ok("level=debug" not in server.log(), server.log())
    write("debug")
    server.process.send_signal(signal.SIGHUP)
    tap.until(lambda: "read anew" in server.log())
    raw.ask(server, "GET", "/v2/a/manifests/none")
    tap.until(lambda: "level=debug" in server.log())
    write("loud")
    server.process.send_signal(signal.SIGHUP)
    tap.until(lambda: "[log] level = loud" in server.log())
    tap.equal(raw.ask(server, "GET", "/v2/").status, 200)
    tap.equal(server.stop(), 0)


# ---- read-only ----

@tap.test
def read_only():
    server = serve()
    c = registry.Client(server)
    c.push("a", images.layout(stowage.temporary("image")), "one")
    digest = images.digest(SMALL)
    c.push_blob("a", SMALL)
    server.env.update(STOWAGE_HTTP_READONLY="yes", STOWAGE_DELETE_ENABLED="yes")
    server.restart()
    before = raw.tree(server.data)
    for method, path in (("POST", "/v2/a/blobs/uploads/"), ("PUT", "/v2/a/manifests/two"),
                         ("PATCH", "/v2/a/blobs/uploads/x"), ("PUT", "/v2/a/blobs/uploads/x"),
                         ("DELETE", "/v2/a/manifests/one"), ("DELETE", f"/v2/a/blobs/{digest}")):
        answer = raw.ask(server, method, path, b"{}")
        tap.equal((answer.status, answer.codes, answer["Allow"]),
                  (405, ["UNSUPPORTED"], "GET, HEAD"), f"{method} {path}")
    c.pull("a", "one")
    tap.equal(c.blob("a", digest).body, SMALL)
    tap.equal(raw.tree(server.data), before)


# ---- redirects ----

@tap.test
def blobs_are_the_stores_to_send():
    fake = FakeS3().start()
    tap.defer(fake.stop)
    server = on_fake(fake, HTTP_REDIRECT="yes", HTTP_REDIRECTAGENTS="docker , containerd/",
                     HTTP_REDIRECTTIME="7m")
    c = registry.Client(server)
    digest, small = images.digest(BLOB), images.digest(SMALL)
    c.push_blob("a", BLOB)
    c.push_blob("a", SMALL)
    path = f"/v2/a/blobs/{digest}"
    for agent in ("docker/27 go", "containerd/2.1"):
        answer = c.request("GET", path, headers={"User-Agent": agent})
        tap.equal((answer.status, answer.body), (307, b""), agent)
        url = urllib.parse.urlsplit(answer.headers["Location"])
        tap.equal(url.netloc, urllib.parse.urlsplit(fake.endpoint).netloc)
        tap.equal(urllib.parse.parse_qs(url.query)["X-Amz-Expires"], ["420"])
        connection = http.client.HTTPConnection(url.netloc, timeout=30)
        connection.request("GET", f"{url.path}?{url.query}", headers={"Range": "bytes=5-9"})
        got = connection.getresponse()
        tap.equal((got.status, got.read()), (206, BLOB[5:10]))
        connection.close()
    head = raw.ask(server, "HEAD", path, None, "User-Agent: docker/27")
    tap.equal((head.status, head["Content-Length"], head["Docker-Content-Digest"]),
              (200, str(len(BLOB)), digest), "HEAD is answered here")
    for agent, what, data in (("skopeo/1", digest, BLOB), ("a docker/27", digest, BLOB),
                              ("docker/27", small, SMALL)):
        answer = c.request("GET", f"/v2/a/blobs/{what}", headers={"User-Agent": agent})
        tap.equal((answer.status, answer.body), (200, data), agent)
    tap.equal(c.request("GET", path).body, BLOB, "no agent")
    same = c.request("GET", path, headers={"User-Agent": "docker/27",
                                           "If-None-Match": f'"{digest}"'})
    tap.equal(same.status, 304)
    none = "sha256:" + hashlib.sha256(b"none").hexdigest()
    tap.equal(c.request("GET", f"/v2/a/blobs/{none}", headers={"User-Agent": "docker"}).status, 404)
    tap.equal(c.request("GET", f"/v2/b/blobs/{digest}",
                        headers={"User-Agent": "docker"}).status, 404, "of another repository")


@tap.test
def no_redirects_without_urls():
    """The filesystem driver has none, and manifests are never redirected."""
    server = serve(HTTP_REDIRECT="yes", HTTP_REDIRECTSIZE="0")
    c = registry.Client(server)
    image = images.layout(stowage.temporary("image"))
    c.push("a", image, "one")
    tap.ok(c.pull("a", "one"), "served from here")


if __name__ == "__main__":
    tap.main()
