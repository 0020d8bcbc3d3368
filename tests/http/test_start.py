#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a bucket, at the start and later.  A mistake that time does not mend ends the
start with one line; a store that does not answer now does not.  Later it is the log's, not the
client's."""

import http.server
import os
import re
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import raw
import registry
import stowage
import tap

SECRET = "very-secret-key"
BLOB = b"a layer"
DIGEST = images.digest(BLOB)

minio = stowage.Minio().start()


def environment(**more):
    env = {"STOWAGE_STORAGE_DRIVER": "s3", "STOWAGE_HTTP_LISTEN": "127.0.0.1:0",
           "STOWAGE_S3_BUCKET": "images", "STOWAGE_S3_REGION": "us-east-1",
           "STOWAGE_S3_REGIONENDPOINT": minio.endpoint,
           "STOWAGE_S3_ACCESSKEY": minio.accesskey, "STOWAGE_S3_SECRETKEY": minio.secretkey,
           "STOWAGE_S3_MAXRETRIES": "1"}
    return dict(env, **more)


def refuses(*patterns, **more):
    """The start ends with status 1 and one line that holds each pattern, and no secret."""
    done = subprocess.run([os.path.join(stowage.BUILD, "stowage"), "serve"], text=True, timeout=60,
                          env=dict(os.environ, **environment(**more)), capture_output=True)
    tap.equal((done.returncode, done.stdout), (1, ""), done.stderr)
    lines = done.stderr.splitlines()
    tap.equal(len(lines), 1, done.stderr)
    tap.ok(lines[0].startswith("stowage: "), lines[0])
    for pattern in patterns:
        tap.ok(re.search(pattern, lines[0]), f"{pattern} in {lines[0]}")
    for secret in (SECRET, minio.secretkey):
        tap.ok(secret not in done.stderr, done.stderr)


class Scripted:
    """An endpoint that gives one answer to everything."""

    def __init__(self, status, headers=(), body=b"", tls=None, wait=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if wait:
                    wait.wait(30)
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.endpoint = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        tap.defer(self.end)

    def end(self):
        self.server.shutdown()
        self.server.server_close()


def error(code, more=""):
    return (f"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>so it is</Message>{more}"
            "<RequestId>R7</RequestId></Error>").encode()


@tap.test
def bucket_does_not_exist():
    refuses("no-such-bucket", "NoSuchBucket", STOWAGE_S3_BUCKET="no-such-bucket")


@tap.test
def keys_are_refused():
    refuses("images", "403", "InvalidAccessKeyId", STOWAGE_S3_ACCESSKEY="nobody",
            STOWAGE_S3_SECRETKEY=SECRET)
    refuses("images", "403", "SignatureDoesNotMatch", STOWAGE_S3_SECRETKEY=SECRET)


@tap.test
def region_is_wrong_and_the_right_one_is_not_named():
    body = error("AuthorizationHeaderMalformed")
    at = Scripted(400, body=body)
    refuses("images", "us-east-1", "AuthorizationHeaderMalformed",
            STOWAGE_S3_REGIONENDPOINT=at.endpoint)
    at = Scripted(301, body=error("PermanentRedirect"))
    refuses("images", "us-east-1", "301", STOWAGE_S3_REGIONENDPOINT=at.endpoint)


@tap.test
def certificate_is_not_trusted():
    folder = stowage.temporary("certificate")
    pem = os.path.join(folder, "server.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=store",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out",
                    pem + ".crt"], check=True, capture_output=True)
    with open(pem, "ab") as both, open(pem + ".crt", "rb") as certificate:
        both.write(certificate.read())
    at = Scripted(200, tls=pem, body=b"<ListBucketResult><IsTruncated>false</IsTruncated>"
                  b"</ListBucketResult>")
    refuses(re.escape(at.endpoint), "certificate", STOWAGE_S3_REGIONENDPOINT=at.endpoint)
    for trust in ({"STOWAGE_S3_CAFILE": pem + ".crt"}, {"STOWAGE_S3_SKIPVERIFY": "yes"}):
        server = stowage.Server("s3", env=environment(
            STOWAGE_S3_REGIONENDPOINT=at.endpoint, **trust)).start()
        server.stop()


@tap.test
def a_store_that_is_busy_or_slow_does_not_stop_the_start():
    never = threading.Event()
    tap.defer(never.set)
    for at in (Scripted(503, body=error("SlowDown")), Scripted(429), Scripted(500),
               Scripted(200, wait=never)):
        server = stowage.Server("s3", env=environment(
            STOWAGE_S3_REGIONENDPOINT=at.endpoint, STOWAGE_S3_READTIMEOUT="2s")).start()
        reply = raw.ask(server, "GET", f"/v2/a/b/blobs/{DIGEST}")
        tap.equal((reply.status, reply.codes), (503, ["UNAVAILABLE"]))
        tap.ok(int(reply["Retry-After"]) > 0, repr(reply))
        server.stop()


def in_the_log(server, reply, *words):
    lines = [x for x in server.log().splitlines()
             if reply["X-Request-Id"] in x and "level=error" in x]
    tap.equal(len(lines), 1, server.log())
    for word in words:
        tap.ok(word in lines[0], f"{word} in {lines[0]}")
        tap.ok(word.encode() not in reply.body, repr(reply))


@tap.test
def the_bucket_goes_later():
    bucket = minio.new_bucket()
    server = stowage.Server("s3", minio=minio, bucket=bucket).start()
    tap.defer(server.stop)
    tap.equal(minio.s3.request("DELETE", f"/{bucket}")[0], 204)
    for method, path, body in (("GET", f"/v2/a/b/blobs/{DIGEST}", None),
                               ("GET", "/v2/a/b/manifests/x", None),
                               ("GET", "/v2/a/b/tags/list", None),
                               ("POST", f"/v2/a/b/blobs/uploads/?digest={DIGEST}", BLOB)):
        reply = raw.ask(server, method, path, body)
        tap.equal((method, path, reply.status, reply.codes), (method, path, 500, ["UNKNOWN"]))
        in_the_log(server, reply, bucket, "NoSuchBucket")


@tap.test
def keys_are_refused_later():
    store = stowage.Minio().start()
    tap.defer(store.stop)
    bucket = store.new_bucket()
    server = stowage.Server("s3", minio=store, bucket=bucket).start()
    tap.defer(server.stop)
    registry.Client(server).push_blob("a/b", BLOB)
    store.stop()
    store.accesskey = "somebody-else"
    store.start()
    for method, path, body in (("GET", f"/v2/a/b/blobs/{DIGEST}", None),
                               ("POST", f"/v2/a/b/blobs/uploads/?digest={DIGEST}", BLOB)):
        reply = raw.ask(server, method, path, body)
        tap.equal((method, path, reply.status, reply.codes), (method, path, 500, ["UNKNOWN"]))
        in_the_log(server, reply, bucket, "InvalidAccessKeyId")


if __name__ == "__main__":
    minio.make_bucket("images")
    tap.main()
