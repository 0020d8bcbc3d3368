#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keys that the s3 driver fetches: roles, web identities, containers, instances and programs, each
from an endpoint that answers from a script; and how they are renewed.

The scripted store takes the keys that were given out last, and those before them."""

import datetime
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import certificates
import stowage
import tap
from drive import Drive, pattern
from fake_s3 import Credentials, FakeS3

MIB = 1 << 20
ROLE = "arn:aws:iam::123456789012:role/registry"
NO_OPTIONS = {"accesskey": None, "secretkey": None, "sessiontoken": None}
NOBODY = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}


class Endpoint:
    """Gives out keys of a store, new ones each time, as STS, a container's endpoint or instance
    metadata would."""

    def __init__(self, fake, host="127.0.0.1", port=0, life=3600, tls=None):
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _run(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                endpoint._answer(self, body.decode())
            do_GET = do_PUT = do_POST = _run

            def log_message(self, *_):
                pass
        self.fake, self.life, self.calls, self.given = fake, life, [], 0
        self.status, self.answer = None, None   # in place of what would be said
        self.lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer((host, port), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True,
                                                  do_handshake_on_connect=False)
            self._server.handle_error = lambda *_: None  # who does not trust it goes
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        tap.defer(self.stop)
        self.url = f"{'https' if tls else 'http'}://{host}:{self._server.server_address[1]}"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def new_keys(self):
        self.given += 1
        keys = Credentials(f"AK{self.given}", f"secret-hush-{self.given}", f"token/{self.given}+=")
        # those from before are good for a little longer, as everywhere
        self.fake.credentials = [keys, *self.fake.credentials[:1]]
        until = datetime.datetime.fromtimestamp(self.fake.now() + self.life, datetime.timezone.utc)
        return keys, until.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _answer(self, request, body):
        with self.lock:
            self.calls.append((request.command, request.path, dict(request.headers.items()), body))
            status, text = self._say(request, body)
        data = text.encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _say(self, request, body):
        if self.status:
            return self.status, self.answer or ""
        if request.command == "PUT":
            return 200, "session-hush"
        if request.command == "POST":
            return 200, self._sts(body)
        if request.path.startswith("/latest/"):
            if request.headers.get("X-aws-ec2-metadata-token") != "session-hush":
                return 401, ""
            if request.path.endswith("/security-credentials/"):
                return 200, "my-role\n"
        keys, until = self.new_keys()
        return 200, json.dumps({"Code": "Success", "AccessKeyId": keys.accesskey,
                                "SecretAccessKey": keys.secretkey, "Token": keys.sessiontoken,
                                "Expiration": until})

    def _sts(self, body):
        action = urllib.parse.parse_qs(body)["Action"][0]
        keys, until = self.new_keys()
        return (f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
                f"<{action}Result><Credentials><AccessKeyId>{keys.accesskey}</AccessKeyId>"
                f"<SecretAccessKey>{keys.secretkey}</SecretAccessKey>"
                f"<SessionToken>{keys.sessiontoken}</SessionToken>"
                f"<Expiration>{until}</Expiration></Credentials></{action}Result>"
                f"</{action}Response>")


def setup(life=3600):
    fake = FakeS3().start()
    tap.defer(fake.stop)
    return fake, fake.new_bucket(), Endpoint(fake, life=life)


def forward(fake, d, seconds):
    fake.advance(seconds)
    d.must("clock", seconds)


def file_of(text, name="file"):
    path = os.path.join(stowage.temporary("credentials"), name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def works(d, key="k"):
    d.must("put", key, "text")
    tap.equal(d.must("get", key).data, b"text")
    tap.ok("hush" not in d.log(), "a secret in the log")


def web(endpoint, token="jwt-hush/1\n", **more):
    return {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": file_of(token, "token"),
            "AWS_ENDPOINT_URL_STS": endpoint.url, **NOBODY, **more}


# ---- each source ----

@tap.test
def web_identity():
    fake, bucket, sts = setup()
    environment = web(sts, AWS_ROLE_SESSION_NAME="pod")
    d = Drive(fake, bucket, environment=environment, **NO_OPTIONS)
    tap.equal(sts.calls, [], "opening asks nothing")
    works(d)
    (method, _, headers, body), = sts.calls
    given = {name: value[0] for name, value in urllib.parse.parse_qs(body).items()}
    tap.equal(method, "POST")
    tap.equal(given, {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15",
                      "RoleArn": ROLE, "RoleSessionName": "pod", "WebIdentityToken": "jwt-hush/1"})
    tap.ok("Authorization" not in headers, "it is not signed")
    # the token is read anew
    with open(environment["AWS_WEB_IDENTITY_TOKEN_FILE"], "w", encoding="utf-8") as f:
        f.write("jwt-hush/2")
    forward(fake, d, 3500)
    works(d)
    tap.ok("WebIdentityToken=jwt-hush%2F2" in sts.calls[-1][3], f"{sts.calls[-1]}")
    tap.equal(len(sts.calls), 2)


@tap.cases(trusted=(True,), not_trusted=(False,))
def keys_come_from_whom_a_certificate_names(trusted):
    """skipverify and cafile are said of the store; keys are asked for of the authorities that the
    system trusts, and of cafile's."""
    authority = certificates.Authority()
    fake = FakeS3(tls=certificates.Authority().context("IP:127.0.0.1")).start()
    tap.defer(fake.stop)
    sts = Endpoint(fake, tls=authority.context("IP:127.0.0.1"))
    d = Drive(fake, fake.new_bucket(), environment=web(sts), skipverify="yes", maxretries=0,
              **({"cafile": authority.file} if trusted else {}), **NO_OPTIONS)
    if trusted:
        works(d)
        return
    result = d("put", "k", "text")
    tap.ok(result.status != "OK", "it was taken")
    tap.ok(sts.url in result["message"], result["message"])
    tap.equal((sts.calls, fake.calls()), ([], []))


@tap.test
def web_identity_that_fails_is_not_replaced():
    """No silent fall-back to the rights of the node."""
    fake, bucket, sts = setup()
    node = Endpoint(fake)
    sts.status, sts.answer = 403, (
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform "
        "sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>")
    environment = web(sts, AWS_EC2_METADATA_DISABLED="false",
                      AWS_EC2_METADATA_SERVICE_ENDPOINT=node.url)
    d = Drive(fake, bucket, environment=environment, **NO_OPTIONS)
    result = d("put", "k", "text")
    tap.equal(result.status, "EDENIED")
    tap.ok("AccessDenied: Not authorized" in result["message"] and ROLE in result["message"],
           result["message"])
    tap.equal((node.calls, fake.calls()), ([], []))


@tap.cases(source_profile=("source_profile = base",),
           credential_source=("credential_source = Environment",))
def role_of_a_profile(line):
    fake, bucket, sts = setup()
    config = file_of(f"[profile registry]\nrole_arn = {ROLE}\n{line}\nexternal_id = ex/1\n"
                     "duration_seconds = 900\nregion = eu-west-1\n"
                     "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = base-hush\n")
    environment = {"AWS_CONFIG_FILE": config, "AWS_ENDPOINT_URL_STS": sts.url, **NOBODY,
                   "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    if "Environment" in line:
        environment |= {"AWS_ACCESS_KEY_ID": "BASE", "AWS_SECRET_ACCESS_KEY": "base-hush"}
    d = Drive(fake, bucket, environment=environment, awsprofile="registry", **NO_OPTIONS)
    works(d)
    (_, _, headers, body), = sts.calls
    given = {name: value[0] for name, value in urllib.parse.parse_qs(body).items()}
    tap.equal(given, {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE,
                      "RoleSessionName": "stowage", "ExternalId": "ex/1",
                      "DurationSeconds": "900"})
    headers = {name.lower(): value for name, value in headers.items()}
    tap.ok("Credential=BASE/" in headers["authorization"] and
           "/eu-west-1/sts/aws4_request" in headers["authorization"], headers["authorization"])


@tap.test
def roles_that_lead_in_a_circle():
    config = file_of("[profile a]\nrole_arn = x\nsource_profile = b\n"
                     "[profile b]\nrole_arn = x\nsource_profile = a\n")
    run = subprocess.run([os.path.join(stowage.BUILD, "tests/driver/drive"),
                          os.path.join(stowage.BUILD, "drivers/s3.so"), "bucket=b", "region=r",
                          "awsprofile=a"], env={**os.environ, **NOBODY, "AWS_CONFIG_FILE": config},
                         capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    tap.ok("lead in a circle" in run.stderr, run.stderr)


@tap.cases(token=("AWS_CONTAINER_AUTHORIZATION_TOKEN", "tok-hush"),
           token_file=("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", None), neither=(None, None))
def container(name, token):
    """The full URI, as EKS Pod Identity sets it."""
    fake, bucket, endpoint = setup()
    environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint.url + "/v1/credentials", **NOBODY}
    if name:
        environment[name] = token or file_of("tok-hush\n")
    d = Drive(fake, bucket, environment=environment, **NO_OPTIONS)
    works(d)
    (method, path, headers, _), = endpoint.calls
    tap.equal((method, path, headers.get("Authorization")),
              ("GET", "/v1/credentials", "tok-hush" if name else None))


@tap.test
def instance_metadata():
    fake, bucket, imds = setup()
    d = Drive(fake, bucket, **NO_OPTIONS, environment={
        **NOBODY, "AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": imds.url,
        "http_proxy": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1:0"})
    d("put", "k", "text")  # the store would be asked through the proxy: that fails
    role = "/latest/meta-data/iam/security-credentials/"
    tap.equal([(m, p) for m, p, _, _ in imds.calls],
              [("PUT", "/latest/api/token"), ("GET", role), ("GET", role + "my-role")])
    d = Drive(fake, bucket, **NO_OPTIONS, environment={
        **NOBODY, "AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": imds.url})
    works(d)
    forward(fake, d, 3500)
    works(d)
    tap.equal(sum(m == "PUT" for m, _, _, _ in imds.calls), 3, "a session each time")


@tap.test
def nobody_has_keys():
    fake, bucket, imds = setup()
    imds.status = 404
    d = Drive(fake, bucket, **NO_OPTIONS, environment={
        **NOBODY, "AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": imds.url})
    result = d("check")
    tap.ok(result.status != "OK" and "no keys: nothing is configured" in result["message"],
           f"{result}")
    tap.equal(fake.calls(), [])


@tap.test
def a_program():
    fake, bucket, _ = setup()
    config = file_of("[default]\ncredential_process = printf "
                     f"'{{\"AccessKeyId\":\"{fake.accesskey}\",\"SecretAccessKey\":"
                     f"\"{fake.secretkey}\"}}'\n")
    works(Drive(fake, bucket, environment={**NOBODY, "AWS_CONFIG_FILE": config}, **NO_OPTIONS))


@tap.test
def addresses_that_are_not_of_this_machine():
    """The relative URI's, and the instance's own, in a network that has nothing else."""
    run = subprocess.run(["unshare", "-n", sys.executable, os.path.abspath(__file__), "inside"],
                         capture_output=True, text=True, timeout=120)
    if "Operation not permitted" in run.stderr:
        tap.skip("no network of its own may be made")
    tap.equal(run.returncode, 0, f"{run.stdout}\n{run.stderr}")


def inside():
    for address in ("127.0.0.1/8", "169.254.170.2/32", "169.254.169.254/32"):
        subprocess.run(["ip", "addr", "add", address, "dev", "lo"], check=False)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    fake = FakeS3().start()
    bucket = fake.new_bucket()
    near, imds = Endpoint(fake, "169.254.170.2", 80), Endpoint(fake, "169.254.169.254", 80)
    d = Drive(fake, bucket, **NO_OPTIONS, environment={
        **NOBODY, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/some-id"})
    works(d)
    tap.equal([c[1] for c in near.calls], ["/v2/credentials/some-id"])
    d = Drive(fake, bucket, **NO_OPTIONS, environment={"HOME": "/nonexistent"})
    works(d)
    tap.equal(len(imds.calls), 3)


# ---- renewal ----

@tap.test
def one_fetch_serves_all():
    fake, bucket, sts = setup()
    d = Drive(fake, bucket, environment=web(sts), **NO_OPTIONS)
    fake.put(bucket, "k", b"text")
    for n in range(1, 4):
        result = d.must("crowd", "k", 100)
        tap.equal(set(result.all("status")), {"OK"})
        tap.equal(len(sts.calls), n)
        forward(fake, d, 3500)


@tap.test
def old_keys_serve_while_they_are_good():
    fake, bucket, sts = setup()
    d = Drive(fake, bucket, environment=web(sts), maxretries=0, **NO_OPTIONS)
    works(d)
    sts.status = 503
    forward(fake, d, 3400)
    works(d)
    tap.ok("keys could not be renewed" in d.log(), d.log())
    before = len(sts.calls)
    works(d)
    tap.equal(len(sts.calls), before, "not asked again at once")
    forward(fake, d, 300)
    result = d("put", "k", "text")
    tap.ok(result.status != "OK" and "HTTP 503" in result["message"], f"{result}")
    sts.status = None
    time.sleep(1.1)  # a source that fails is left alone for a second
    works(d)


@tap.cases(expired=(400, "ExpiredToken"), invalid=(400, "InvalidToken"))
def refused_in_the_middle_of_an_upload(status, code):
    """The same part is signed anew, the upload is kept."""
    fake, bucket, sts = setup()
    d = Drive(fake, bucket, environment=web(sts), **NO_OPTIONS)
    fake.fault(operation="UploadPart", nth=2, status=status, code=code)
    d.must("write", "k", 30 * MIB, MIB)
    tap.ok(fake.objects(bucket)["k"] == pattern(30 * MIB), "bytes")
    tap.equal(len(fake.calls("CreateMultipartUpload")), 1)
    tap.equal(len(sts.calls), 2)


@tap.test
def keys_that_live_shorter_than_an_upload():
    """Renewed while they are good: the store refuses none, and the upload is one."""
    fake, bucket, sts = setup(life=3)
    d = Drive(fake, bucket, environment=web(sts), **NO_OPTIONS)
    fake.fault(operation="UploadPart", times=None, delay=1)
    d.must("write", "k", 130 * MIB, MIB)
    tap.ok(fake.objects(bucket)["k"] == pattern(130 * MIB), "bytes")
    tap.equal((len(fake.calls("CreateMultipartUpload")), {c.status for c in fake.calls()}), (1, {200}))
    tap.ok(len({c.header("x-amz-security-token") for c in fake.calls()}) >= 2, "keys were renewed")


@tap.test
def keys_in_a_file_that_were_replaced():
    fake, bucket, _ = setup()
    path = file_of("[default]\naws_access_key_id = old\naws_secret_access_key = old-hush\n")
    fake.credentials = [Credentials("old", "old-hush")]
    d = Drive(fake, bucket, environment={**NOBODY, "AWS_SHARED_CREDENTIALS_FILE": path},
              **NO_OPTIONS)
    works(d)
    fake.credentials = [Credentials("new", "new-hush")]
    with open(path, "w", encoding="utf-8") as f:
        f.write("[default]\naws_access_key_id = new\naws_secret_access_key = new-hush\n")
    works(d)


@tap.test
def urls_live_no_longer_than_their_keys():
    fake, bucket, sts = setup(life=1000)
    d = Drive(fake, bucket, environment=web(sts), **NO_OPTIONS)
    url = urllib.parse.urlsplit(d.must("presign", "k", "GET", 7200)["url"])
    seconds = int(urllib.parse.parse_qs(url.query)["X-Amz-Expires"][0])
    tap.ok(990 <= seconds <= 1000, f"{seconds} seconds")
    url = urllib.parse.urlsplit(d.must("presign", "k", "GET", 60)["url"])
    tap.equal(urllib.parse.parse_qs(url.query)["X-Amz-Expires"], ["60"])


@tap.cases(empty=(200, ""), no_xml=(200, "hush"), other=(200, "<Other/>"),
           no_credentials=(200, "<AssumeRoleWithWebIdentityResponse/>"), moved=(301, ""),
           bad=(400, "hush"))
def answers_that_are_none(status, answer):
    fake, bucket, sts = setup()
    sts.status, sts.answer = status, answer
    d = Drive(fake, bucket, environment=web(sts), maxretries=0, **NO_OPTIONS)
    result = d("put", "k", "text")
    tap.ok(result.status in ("EIO", "EDENIED"), f"{result}")
    tap.ok("hush" not in result["message"] and ROLE in result["message"], result["message"])
    tap.equal(fake.calls(), [])


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        inside()
    else:
        tap.main()
