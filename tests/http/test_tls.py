#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS: versions, ciphers, certificates that change under way, client certificates, and that bytes
come through it whole however slowly they are taken."""

import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import certificates
import clients
import images
import raw
import registry
import stowage
import tap

NAMES = "DNS:localhost,IP:127.0.0.1"
OTHER = "sha256:" + "0" * 64
ca = certificates.Authority()
stranger = certificates.Authority()
PEM, KEY = ca.files(NAMES)
CLIENT = ca.files(extra="extendedKeyUsage = clientAuth", subject="/O=the tests/CN=robot")


def serve(start=True, **options):
    """One that ends with the test; options are those of [http], None leaves one out."""
    given = {"certificate": PEM, "key": KEY, **options}
    env = {f"STOWAGE_HTTP_{name.upper()}": value for name, value in given.items() if value}
    server = stowage.Server(env=dict(env, STOWAGE_LOG_LEVEL="debug"))
    if start:
        server.start()
        tap.defer(server.stop)
    return server


def trusting(pair=None, version=None, authority=ca):
    context = ssl.create_default_context(cafile=authority.file)
    if pair:
        context.load_cert_chain(*pair)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class Connection(raw.Connection):
    def __init__(self, server, context=None, timeout=30, buffer=None):
        plain = socket.socket()
        if buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        plain.settimeout(timeout)
        plain.connect(("127.0.0.1", server.port))
        try:
            self.socket = (context or trusting()).wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise
        self.rest = b""

    @property
    def serial(self):
        return self.socket.getpeercert()["serialNumber"]


class Client(registry.Client):
    def __init__(self, server, context=None):
        super().__init__(server)
        self.context = context or trusting()

    def open(self):
        return registry.http.client.HTTPSConnection(self.server.host, timeout=self.timeout,
                                                    context=self.context)


def ask(server, context=None):
    """The status of one request, or None where there was no connection for it."""
    try:
        with Connection(server, context) as c:
            reply = c.head("GET", "/v2/").reply()
            return reply.status if reply else None
    except (ssl.SSLError, ConnectionError):
        return None


def ticks(server):
    """Of processor time that it has used."""
    with open(f"/proc/{server.pid}/stat", encoding="ascii") as f:
        column = f.read().rsplit(")", 1)[1].split()
    return int(column[11]) + int(column[12])


def hello():
    """The first bytes of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def put(source, path):
    """As tools for certificates do it: whole or not at all."""
    shutil.copyfile(source, path + ".new")
    os.chmod(path + ".new", 0o600)
    os.rename(path + ".new", path)


def copies():
    folder = stowage.temporary("certificate")
    paths = os.path.join(folder, "tls.crt"), os.path.join(folder, "tls.key")
    put(PEM, paths[0])
    put(KEY, paths[1])
    return paths


# ---- versions and ciphers ----


def old_version(version):
    context = trusting()
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is what they are
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
    return context


@tap.test
def versions():
    server = serve()
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        with Connection(server, trusting(version=version)) as c:
            tap.equal(c.socket.version(), name)
            tap.equal(c.head("GET", "/v2/").reply().status, 200)
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        tap.equal(ask(server, old_version(version)), None)
    tap.ok("listening on https://" in server.log(), server.log())


@tap.test
def minimum_version():
    server = serve(minimumtls="tls1.3")
    tap.equal(ask(server, trusting(version=ssl.TLSVersion.TLSv1_2)), None)
    tap.equal(ask(server, trusting(version=ssl.TLSVersion.TLSv1_3)), 200)


def cipher_of(server, version, only=None):
    context = trusting(version=version)
    if only:
        context.set_ciphers(only)
    try:
        with Connection(server, context) as c:
            return c.socket.cipher()[0]
    except (ssl.SSLError, ConnectionError):
        return None


@tap.test
def ciphers():
    server = serve()
    two = ssl.TLSVersion.TLSv1_2
    for only in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                 "ECDHE-ECDSA-CHACHA20-POLY1305"):
        tap.equal(cipher_of(server, two, only), only)
    tap.equal(cipher_of(server, two, "ECDHE-ECDSA-AES128-SHA"), None)


@tap.test
def ciphers_that_change_the_default():
    server = serve(ciphers="-AES-128-GCM:-AES-256-GCM")
    tap.equal(cipher_of(server, ssl.TLSVersion.TLSv1_3), "TLS_CHACHA20_POLY1305_SHA256")
    tap.equal(cipher_of(server, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256"), None)


@tap.test
def ciphers_of_its_own_never_lower_the_version():
    server = serve(ciphers="NORMAL:+VERS-TLS1.0:+VERS-TLS1.1")
    two = ssl.TLSVersion.TLSv1_2
    tap.equal(cipher_of(server, two, "ECDHE-ECDSA-AES128-SHA"), "ECDHE-ECDSA-AES128-SHA")
    tap.equal(ask(server, old_version(ssl.TLSVersion.TLSv1_1)), None)
    server = serve(ciphers="NORMAL:+VERS-TLS1.2", minimumtls="tls1.3")
    tap.equal(ask(server, trusting(version=two)), None)


# ---- what is refused at the start ----


def write(text):
    path = os.path.join(stowage.temporary("broken"), "file")
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    return path


@tap.cases(
    no_file=({"certificate": "/nowhere/tls.crt"}, "[http] certificate = /nowhere/tls.crt"),
    no_key_file=({"key": "/nowhere/tls.key"}, "[http] key = /nowhere/tls.key"),
    a_folder=({"key": "/tmp"}, "[http] key = /tmp"),
    empty=({"certificate": "/dev/null"}, "[http] certificate = /dev/null"),
    no_pem=({"certificate": __file__}, f"[http] certificate = {__file__}"),
    key_no_pem=({"key": PEM}, f"[http] key = {PEM}"),
    cut=({"certificate": write("-----BEGIN CERTIFICATE-----\nMIIB")}, "[http] certificate = "),
    other_key=({"key": ca.files(NAMES)[1]}, "not the key of the certificate"),
    no_authority=({"clientca": KEY}, f"[http] clientca = {KEY}"),
    only_certificate=({"key": None}, f"[http] certificate = {PEM}: needs [http] key"),
    only_key=({"certificate": None}, f"[http] key = {KEY}: needs [http] certificate"),
    authority_alone=({"certificate": None, "key": None, "clientca": ca.file},
                     f"[http] clientca = {ca.file}: needs [http] certificate"),
    ciphers_alone=({"certificate": None, "key": None, "ciphers": "NORMAL"},
                   "[http] ciphers = NORMAL: needs [http] certificate"),
    asking_alone=({"clientcertificate": "required"},
                  "[http] clientcertificate = required: needs [http] clientca"),
    asking=({"clientca": ca.file, "clientcertificate": "maybe"},
            "[http] clientcertificate = maybe: expected no, optional or required"),
    version=({"minimumtls": "1.2"}, "[http] minimumtls = 1.2: expected tls1.2 or tls1.3"),
    ciphers=({"ciphers": "NORMAL:+NOTHING-SUCH"}, '"+NOTHING-SUCH'),
    no_ciphers=({"ciphers": "-CIPHER-ALL"}, "[http] ciphers = -CIPHER-ALL"),
)
def refused_at_the_start(options, words):
    server = serve(start=False, **options)
    try:
        server.start()
    except OSError as e:
        said = [line for line in str(e).splitlines() if line.startswith("stowage: ")]
        tap.equal(len(said), 1, "lines")
        tap.ok(words in said[0], said[0])
        return
    server.stop()
    raise AssertionError("it started")


@tap.test
def a_key_that_others_can_read_is_warned_of():
    certificate, key = copies()
    for mode, warned in ((0o600, False), (0o640, False), (0o644, True), (0o620, True)):
        os.chmod(key, mode)
        server = serve(certificate=certificate, key=key)
        tap.equal((mode, f"mode {mode:04o}" in server.log()), (mode, warned))
        server.stop()


@tap.test
def an_expired_certificate_is_warned_of():
    pair = ca.files(NAMES, until="20200102")
    server = serve(certificate=pair[0], key=pair[1])
    tap.ok("it has expired" in server.log(), server.log())


@tap.test
def a_chain_in_the_wrong_order():
    path = write(open(PEM, encoding="ascii").read() + open(ca.file, encoding="ascii").read())
    tap.equal(ask(serve(certificate=path)), 200)


# ---- certificates that change ----


@tap.test
def reread_on_change():
    certificate, key = copies()
    server = serve(certificate=certificate, key=key)
    with Connection(server) as old, Connection(server) as busy:
        tap.equal(old.head("GET", "/v2/").reply().status, 200)
        location = raw.target(Client(server).begin_upload("a/b").headers["Location"])
        busy.head("PATCH", location, "Content-Length: 200000").send(b"x" * 100000)
        before = old.serial
        pair = ca.files(NAMES)
        put(pair[1], key)
        put(pair[0], certificate)

        def serial():
            with Connection(server) as c:
                tap.equal(c.head("GET", "/v2/").reply().status, 200)
                return c.serial

        tap.until(lambda: serial() != before)
        tap.equal(old.head("GET", "/v2/").reply().status, 200)
        tap.equal(busy.send(b"x" * 100000).reply().status, 202)


def complaints(server):
    return [x for x in server.log().splitlines() if "the certificate stays as it was" in x]


@tap.test
def bad_files_change_nothing():
    certificate, key = copies()
    server = serve(certificate=certificate, key=key)
    pair = ca.files(NAMES)
    for n, (path, source, words) in enumerate((
            (certificate, __file__, f"[http] certificate = {certificate}"),
            (certificate, pair[0], f"not the key of the certificate in {certificate}"),
            (key, __file__, f"[http] key = {key}"),
            (key, None, f"[http] key = {key}"))):
        if source:
            put(source, path)
        else:
            os.unlink(path)
        tap.until(lambda: len(complaints(server)) == n + 1)
        tap.ok(words in complaints(server)[n], complaints(server)[n])
        tap.equal(ask(server), 200)
    time.sleep(4)
    tap.equal(len(complaints(server)), 4, "lines, each said once")
    put(pair[1], key)
    tap.until(lambda: server.log().count("msg=\"certificate of") == 2)
    tap.equal(ask(server), 200)


@tap.test
def reread_by_signal():
    certificate, key = copies()
    server = serve(certificate=certificate, key=key)
    pair = ca.files(NAMES)
    put(pair[1], key)
    put(pair[0], certificate)
    os.kill(server.pid, signal.SIGHUP)
    tap.until(lambda: "read anew: " in server.log())
    tap.equal(server.log().count("msg=\"certificate of"), 2)
    tap.equal(ask(server), 200)
    put(__file__, key)
    os.kill(server.pid, signal.SIGHUP)
    tap.until(lambda: f"[http] key = {key}" in server.log())
    tap.equal(ask(server), 200)


@tap.test
def changes_under_load():
    certificate, key = copies()
    server = serve(certificate=certificate, key=key)
    pairs = [ca.files(NAMES) for _ in range(2)] + [(PEM, KEY)]
    stop, wrong, asked = threading.Event(), [], []

    def work():
        while not stop.is_set():
            try:
                asked.append(ask(server))
                if asked[-1] != 200:
                    wrong.append(asked[-1])
            except Exception as e:
                wrong.append(e)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for n, pair in enumerate(pairs):
        put(pair[1], key)
        put(pair[0], certificate)
        tap.until(lambda: server.log().count("msg=\"certificate of") == n + 2)
    stop.set()
    for t in threads:
        t.join()
    tap.equal(wrong, [])
    tap.ok(len(asked) > 10, "asked meanwhile")


# ---- client certificates ----


@tap.test
def client_certificate_required():
    server = serve(clientca=ca.file)
    tap.equal(ask(server, trusting(CLIENT)), 200)
    both = ca.files(extra="extendedKeyUsage = serverAuth, clientAuth")
    tap.equal(ask(server, trusting(both)), 200)
    for what, pair, words in (
            ("none", None, "there is none"),
            ("of another authority", stranger.files(subject="/CN=robot"), "issuer is unknown"),
            ("expired", ca.files(until="20200102"), "expired certificate"),
            ("not valid yet", ca.files(since="20981231"), "not yet valid"),
            ("for servers", ca.files(extra="extendedKeyUsage = serverAuth"), "purpose"),
            ("of an authority that is none", ca.files(issuer=CLIENT, subject="/CN=robot"), ""),
            ("without a name", ca.files(subject="/O=no name"), "no usable name")):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            since = len(server.log())
            tap.equal((what, ask(server, trusting(pair, version))), (what, None))
            tap.until(lambda: "refused: " in server.log()[since:], 5)
            tap.ok(words in server.log()[since:], f"{what}: {server.log()[since:]}")
    tap.equal(ask(server, trusting(CLIENT)), 200)


@tap.test
def client_certificate_optional():
    server = serve(clientca=ca.file, clientcertificate="optional")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        tap.equal(ask(server, trusting(None, version)), 200)
        tap.equal(ask(server, trusting(CLIENT, version)), 200)
        for pair in (stranger.files(subject="/CN=robot"), ca.files(until="20200102")):
            tap.equal(ask(server, trusting(pair, version)), None)
    tap.ok("expired certificate" in server.log(), server.log())


@tap.test
def client_certificate_not_asked_for():
    server = serve(clientca=ca.file, clientcertificate="no")
    tap.equal(ask(server, trusting(stranger.files())), 200)
    tap.ok("client certificate" not in server.log(), server.log())


@tap.test
def refusals_are_said_in_an_alert():
    server = serve(clientca=ca.file)
    for pair, alert in ((None, "CERTIFICATE_REQUIRED"),
                        (ca.files(until="20200102"), "CERTIFICATE_EXPIRED"),
                        (stranger.files(), "UNKNOWN_CA")):
        try:
            with Connection(server, trusting(pair, ssl.TLSVersion.TLSv1_3)) as c:
                c.socket.recv(1)
            raise RuntimeError("taken")
        except ssl.SSLError as e:
            tap.ok(alert in e.reason, e.reason)


@tap.test
def names_of_clients():
    server = serve(clientca=ca.file)
    for subject, names, name in (
            ("/O=x/CN=robot", "DNS:other", "robot"),
            ("/O=x/CN=first/CN=second", None, "first"),
            ("/CN=Zo\u00eb \u0416", None, "Zo\u00eb \u0416"),
            ("/O=x", "IP:127.0.0.1,URI:spiffe://tests/robot,email:a@example.org",
             "spiffe://tests/robot"),
            ("/O=x", "email:a@example.org,DNS:example.org", "a@example.org"),
            ("/O=x", "DNS:robot.example.org", "robot.example.org"),
            ("/CN=" + "n" * 64, None, "n" * 64)):
        since = len(server.log())
        tap.equal(ask(server, trusting(ca.files(names, subject=subject))), 200)
        tap.until(lambda: "client certificate of" in server.log()[since:], 5)
        tap.ok(f": {name}\"" in server.log()[since:], server.log()[since:])
    for subject, names in (("/O=x", "IP:127.0.0.1"), ("/CN=a\x01b", None), ("/O=x", "URI:x:a\x01b")):
        tap.equal(ask(server, trusting(ca.files(names, subject=subject))), None)


@tap.test
def names_need_an_authority():
    server = serve(start=False)
    server.env.update(STOWAGE_AUTH_CLIENTCERTIFICATE="yes")
    try:
        server.start()
    except OSError as e:
        tap.ok("[auth] clientcertificate = yes: needs [http] clientca" in str(e), e)
    else:
        server.kill()
        tap.ok(False, "it started")


@tap.test
def names_are_users():
    """[auth] clientcertificate takes the name for the user's; rules hold for it."""
    server = serve(start=False, clientca=ca.file, clientcertificate="optional")
    server.env.update(STOWAGE_AUTH_CLIENTCERTIFICATE="yes", STOWAGE_ACCESS_PULL="a : robot")
    server.start()
    tap.defer(server.stop)
    for subject, path, status in (("/CN=robot", "/v2/", 200), (None, "/v2/", 403),
                                  ("/CN=robot", "/v2/a/manifests/x", 404),
                                  ("/CN=other", "/v2/a/manifests/x", 403),
                                  (None, "/v2/a/manifests/x", 403)):
        pair = ca.files(None, subject=subject) if subject else None
        with Connection(server, trusting(pair)) as c:
            c.head("GET", path)
            tap.equal(c.reply().status, status, f"{subject} {path}")
    tap.until(lambda: "user=robot" in server.log(), 5)


@tap.test
def the_authority_is_reread():
    folder = stowage.temporary("authority")
    path = os.path.join(folder, "ca.pem")
    put(ca.file, path)
    server = serve(clientca=path)
    pair = stranger.files(subject="/CN=robot")
    tap.equal(ask(server, trusting(pair)), None)
    put(stranger.file, path)
    tap.until(lambda: ask(server, trusting(pair)) == 200)
    tap.equal(ask(server, trusting(CLIENT)), None)


# ---- bytes ----


@tap.cases(tls12=ssl.TLSVersion.TLSv1_2, tls13=ssl.TLSVersion.TLSv1_3)
def large_blobs(version):
    server = serve()
    context = trusting(version=version)
    blob = os.urandom(1 << 20) * 24
    digest = images.digest(blob)
    client = Client(server, context)
    client.push_blob("a/b", blob)
    tap.ok(client.blob("a/b", digest).body == blob, "as it was pushed")
    # a reader that stops and goes, with little room
    with Connection(server, context, buffer=16384) as c:
        c.head("GET", f"/v2/a/b/blobs/{digest}")
        got, since = hashlib.sha256(), 0
        while b"\r\n\r\n" not in c.rest:
            c.rest += c.socket.recv(100)
        left = len(blob)
        data = c.rest.split(b"\r\n\r\n", 1)[1]
        while True:
            got.update(data)
            left -= len(data)
            if left == 0:
                break
            since += len(data)
            if since > 1 << 20:
                since = 0
                time.sleep(0.05)
            data = c.socket.recv(min(left, 50000))
            tap.ok(data, f"cut {left} bytes before its end")
        tap.equal("sha256:" + got.hexdigest(), digest)
        c.rest = b""
        tap.equal(c.head("GET", "/v2/").reply().status, 200)
    # a writer that does
    location = raw.target(client.begin_upload("a/c").headers["Location"])
    with Connection(server, context) as c:
        c.head("PUT", f"{location}&digest={digest}", f"Content-Length: {len(blob)}")
        at, n = 0, 1
        while at < len(blob):
            c.send(blob[at:at + n])
            at += n
            n = n * 7 % 1000003 + 1
            if n % 4 == 0:
                time.sleep(0.01)
        tap.equal(c.reply().status, 201)
    tap.ok(client.blob("a/c", digest).body == blob, "as it was pushed slowly")


@tap.test
def many_at_once():
    server = serve()
    tap.equal(registry.side_by_side(Client, server, 40), [])


@tap.test
def keep_alive_and_pipelined():
    server = serve()
    client = Client(server)
    blob = os.urandom(300000)
    client.push_blob("a/b", blob)
    path = f"/v2/a/b/blobs/{images.digest(blob)}"
    with Connection(server) as c:
        for _ in range(5):
            c.head("GET", path).head("GET", "/v2/nothing").head(
                "POST", "/v2/a/b/blobs/uploads/", "Content-Length: 0")
        for _ in range(5):
            tap.ok(c.reply().body == blob, "the blob")
            tap.equal(c.reply().status, 404)
            reply = c.reply()
            tap.equal(reply.status, 202)
            tap.ok(reply["Location"].startswith("https://registry.test/v2/"), reply["Location"])
    with Connection(server) as c:  # a record a byte
        for byte in b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n" * 2:
            c.send(bytes([byte]))
        tap.equal([c.reply().status, c.reply().status], [200, 200])
    with Connection(server) as c:  # and many requests a record
        c.send(b"HEAD /v2/ HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
        tap.equal({c.reply("HEAD").status for _ in range(300)}, {200})


@tap.test
def curl_keeps_its_connection():
    server = serve()
    blob = os.urandom(500000)
    Client(server).push_blob("a/b", blob)
    url = f"https://localhost:{server.port}/v2/a/b/blobs/{images.digest(blob)}"
    folder = stowage.temporary("curl")
    run = subprocess.run(
        [stowage.tool("curl"), "-sS", "--noproxy", "*", "--cacert", ca.file, "--resolve",
         f"localhost:{server.port}:127.0.0.1", "-w", "%{http_code} %{num_connects}\\n"] +
        [word for i in range(4) for word in ("-o", os.path.join(folder, str(i)), url)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=60, check=False)
    tap.equal(run.stdout.split("\n"), ["200 1", "200 0", "200 0", "200 0", ""])
    for i in range(4):
        with open(os.path.join(folder, str(i)), "rb") as f:
            tap.ok(f.read() == blob, "the blob")


@tap.test
def clients_gone_in_the_middle():
    server = serve()
    client = Client(server)
    blob = os.urandom(1 << 20) * 8
    client.push_blob("a/b", blob)
    location = raw.target(client.begin_upload("a/b").headers["Location"])
    before = server.log().count("status=0")
    for abrupt in (False, True) * 5:
        with Connection(server) as up, Connection(server) as down:
            up.head("PATCH", location, "Content-Length: 9000000").send(b"x" * 3000000)
            down.head("GET", f"/v2/a/b/blobs/{images.digest(blob)}")
            down.socket.recv(100000)
            if abrupt:
                for c in (up, down):
                    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                        b"\1\0\0\0\0\0\0\0")
    tap.until(lambda: server.log().count("status=0") == before + 10)
    tap.until(lambda: not [p for p in raw.tree(server.data) if "_stowage/uploads" in p])
    tap.ok(client.blob("a/b", images.digest(blob)).body == blob, "still served")


@tap.test
def crane_and_skopeo():
    server = serve(clientca=ca.file)
    folder = stowage.temporary("certs.d")
    for source, name in ((ca.file, "ca.crt"), (CLIENT[0], "client.cert"), (CLIENT[1],
                                                                         "client.key")):
        shutil.copyfile(source, os.path.join(folder, name))
    image = images.layout(os.path.join(stowage.temporary("image"), "layout"))
    name = f"localhost:{server.port}/a/b:latest"
    clients.skopeo("copy", "--dest-cert-dir", folder, f"oci:{image.folder}:{image.tag}",
                   f"docker://{name}")
    pulled = os.path.join(stowage.temporary("pulled"), "layout")
    clients.skopeo("copy", "--preserve-digests", "--src-cert-dir", folder, f"docker://{name}",
                   f"oci:{pulled}:latest")
    for digest, data in image.contents.items():
        with open(os.path.join(pulled, "blobs/sha256", digest.split(":")[1]), "rb") as f:
            tap.ok(f.read() == data, digest)
    server = serve()
    os.environ["SSL_CERT_FILE"] = ca.file
    tap.defer(os.environ.pop, "SSL_CERT_FILE")
    name = f"localhost:{server.port}/a/b:latest"
    clients.crane_push(image, name)
    tap.equal(clients.crane("digest", name).strip(), image.digest)
    tap.ok("method=PATCH" in server.log() or "method=PUT" in server.log(), server.log())


# ---- those that speak something else, or nothing ----


@tap.test
def plain_http_is_told():
    server = serve()
    for _ in range(20):
        with raw.Connection(server, timeout=10) as c:
            reply = c.head("GET", "/v2/", "A: " + "b" * 5000).reply()
            tap.equal(reply.status, 400)
            tap.ok(b"TLS" in reply.body, reply.body)
            tap.ok(c.ended(), "closed")
    tap.equal(ask(server), 200)


@tap.test
def tls_on_a_plain_port_is_told():
    """Clients that try both go on with HTTP after an answer, and not all of them after none."""
    server = stowage.Server().start()
    tap.defer(server.stop)
    for _ in range(60):
        with raw.Connection(server, timeout=10) as c:
            reply = c.send(hello()).reply()
            tap.equal(reply.status, 400)
            tap.ok(b"HTTP" in reply.body, reply.body)
            tap.ok(c.ended(), "closed")
    tap.equal(raw.ask(server, "GET", "/v2/").status, 200)


@tap.test
def what_is_no_tls_is_closed():
    server = serve()
    first = hello()
    for data in (b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x16\x03\x01\0\0",
                 b"\x80\x2e\x01\x03\x01", os.urandom(5000), first[:5] + os.urandom(500),
                 first + os.urandom(5000), first + b"\x15\x03\x03\0\x02\x02\x28"):
        with raw.Connection(server, timeout=10) as c:
            try:
                c.send(data)
                c.socket.shutdown(socket.SHUT_WR)
                while c.socket.recv(65536):
                    pass
            except OSError:
                pass
    for end in range(1, len(first), 7):
        with raw.Connection(server) as c:
            c.send(first[:end])
    tap.equal(ask(server), 200)


@tap.test
def a_head_that_trickles_within_tls_is_closed():
    server = serve(idletimeout="3s")
    with Connection(server) as c:
        c.send("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nLong: ")
        tap.ok(c.is_cut_off(), "it goes on")
    tap.equal(ask(server), 200)


@tap.test
def slow_handshakes_cost_nothing_and_end():
    server = serve(idletimeout="3s")
    first = hello()
    before, began = ticks(server), time.monotonic()
    slow = [raw.Connection(server).send(data) for data in (first[:3], first[:100], first)
            for _ in range(30)]
    tap.equal(ask(server), 200)
    for c in slow[:30]:  # one that drips does not go on for longer
        c.send(first[3:4])
    for c in slow:
        while not c.ended():
            c.rest = b""
    took, used = time.monotonic() - began, (ticks(server) - before) / os.sysconf("SC_CLK_TCK")
    tap.ok(1.5 < took < 12, f"closed after {took:.1f} s")
    print(f"{used:.2f} s of the processor in {took:.1f} s")
    if not stowage.SAN:
        tap.ok(used < 0.4, "processor time")
    tap.equal(ask(server), 200)


@tap.cases(tls12=ssl.TLSVersion.TLSv1_2, tls13=ssl.TLSVersion.TLSv1_3)
def a_handshake_that_drips_comes_through(version):
    server = serve()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = trusting(version=version).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with raw.Connection(server) as c:
        while True:
            try:
                session.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            for byte in outgoing.read():
                c.send(bytes([byte]))
                time.sleep(0.002)
            if done:
                break
            incoming.write(c.socket.recv(65536))
        session.write(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        c.send(outgoing.read())
        incoming.write(c.socket.recv(65536))
        tap.ok(session.read().startswith(b"HTTP/1.1 200 "), "an answer")


@tap.cases(tls12=ssl.TLSVersion.TLSv1_2, tls13=ssl.TLSVersion.TLSv1_3)
def a_connection_outlives_the_time_of_handshakes(version):
    server = serve(idletimeout="2s")
    with Connection(server, trusting(version=version)) as c:
        for _ in range(5):
            tap.equal(c.head("GET", "/v2/").reply().status, 200)
            time.sleep(1)
        began = time.monotonic()
        tap.ok(c.ended(), "closed where it is idle")
        tap.ok(time.monotonic() - began < 8, "in its time")


@tap.test
def handshakes_do_not_hold_up_the_end():
    server = serve(start=False)
    server.start()
    first = hello()
    held = [raw.Connection(server).send(data) for data in (first[:50], first) for _ in range(20)]
    time.sleep(0.3)
    began = time.monotonic()
    tap.equal(server.stop(), 0)
    tap.ok(time.monotonic() - began < 5, "at once")
    for c in held:
        c.close()


if __name__ == "__main__":
    tap.main()
