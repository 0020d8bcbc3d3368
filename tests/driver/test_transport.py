#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How the s3 driver reaches a store: by TLS, through proxies, over connections that are kept; and what
its requests are on the wire."""

import collections
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import certificates
import stowage
import tap
from drive import Drive, pattern
from fake_s3 import FakeS3
from forward import Forward, tunnel
from listener import Listener

MIB = 1 << 20
ENVIRONMENT = {name: "" for one in ("http_proxy", "https_proxy", "all_proxy", "no_proxy",
                                    "request_method") for name in (one, one.upper())}
_authorities = []


def authority():
    """One serves all tests."""
    if not _authorities:
        _authorities.append(certificates.Authority())
    return _authorities[0]


def store(names=None, **more):
    """A started store, by TLS if it has names; its bucket."""
    tls = names and authority().context(names, **more.pop("certificate", {}))
    fake = FakeS3(tls=tls, **more).start()
    tap.defer(fake.stop)
    return fake, fake.new_bucket()


def proxy(fake, **more):
    p = Forward(fake.host, **more).start()
    tap.defer(p.stop)
    return p


def drive(fake, bucket, environment=None, **options):
    return Drive(fake, bucket, environment={**ENVIRONMENT, **(environment or {})}, **options)


def works(fake, bucket, d):
    d.must("check")
    d.must("put", "k", "text")
    tap.equal(d.must("get", "k").data, b"text")
    d.must("write", "big", 12 * MIB, MIB)
    tap.ok(fake.objects(bucket)["big"] == pattern(12 * MIB), "bytes")


# ---- TLS ----

@tap.cases(by_number=("IP:127.0.0.1", "127.0.0.1"), by_name=("DNS:localhost", "localhost"))
def own_authority(names, host):
    fake, bucket = store(names)
    endpoint = f"https://{host}:{fake.host.rpartition(':')[2]}"
    d = drive(fake, bucket, regionendpoint=endpoint, cafile=authority().file)
    works(fake, bucket, d)
    tap.equal(d.log(), "")


def not_trusted(fake, bucket, *words, **options):
    """At the start and at each call, with a reason, and at once: it will not pass by itself."""
    d = drive(fake, bucket, **options)
    for call in (("check",), ("put", "k", "text"), ("get", "k"), ("write", "k", 12 * MIB, MIB)):
        result = d(*call)
        tap.equal((result.status, result["retryable"], result.requests), ("EIO", "0", 1),
                  f"{call}: {result}")
        tap.ok(all(word in result["message"].lower() for word in ("certificate", *words)),
               result["message"])
    tap.equal(fake.calls(), [])


@tap.test
def unknown_authority():
    fake, bucket = store("IP:127.0.0.1")
    not_trusted(fake, bucket, "issuer")


@tap.test
def another_authority():
    fake, bucket = store("IP:127.0.0.1")
    not_trusted(fake, bucket, "not trusted", cafile=certificates.Authority().file)


@tap.cases(name=("DNS:elsewhere.test",), number=("IP:127.0.0.2",))
def certificate_of_another_name(names):
    """A known authority's all the same."""
    fake, bucket = store(names)
    not_trusted(fake, bucket, "127.0.0.1", cafile=authority().file)


@tap.cases(over=({"until": "20200102"}, "expired"), to_come=({"since": "20990101"}, "not yet valid"))
def certificate_out_of_its_time(dates, word):
    fake, bucket = store("IP:127.0.0.1", certificate=dates)
    not_trusted(fake, bucket, word, cafile=authority().file)


@tap.test
def authorities_that_cannot_be_read():
    """A file without any; one that is not there is refused when the store is opened."""
    fake, bucket = store("IP:127.0.0.1")
    path = os.path.join(stowage.temporary("authorities"), "ca.pem")
    with open(path, "w", encoding="ascii") as f:
        f.write("none\n")
    d = drive(fake, bucket, cafile=path)
    result = d("check")
    tap.ok(result.status != "OK" and path in result["message"], f"{result}")
    tap.equal(fake.calls(), [])


@tap.cases(name=("DNS:elsewhere.test", {}), old=("IP:127.0.0.1", {"until": "20200102"}),
           unknown=("IP:127.0.0.1", {}))
def any_certificate_where_that_is_wanted(names, dates):
    fake, bucket = store(names, certificate=dates)
    d = drive(fake, bucket, skipverify="yes")
    works(fake, bucket, d)
    tap.ok("skipverify = yes: any certificate is taken for " + fake.endpoint in d.log(), d.log())


@tap.cases(plain_to_tls=(True,), tls_to_plain=(False,))
def the_wrong_scheme(tls):
    """Told at once or after a few attempts, never taken for an answer."""
    fake, bucket = store("IP:127.0.0.1" if tls else None)
    d = drive(fake, bucket, maxretries=1, cafile=authority().file, connecttimeout="1s",
              regionendpoint=("http://" if tls else "https://") + fake.host)
    tap.ok(d("put", "k", "text").status in ("EIO", "ETIMEOUT"), "the status")
    tap.equal((fake.calls(), fake.objects(bucket)), ([], {}))


# ---- on the wire ----

@tap.cases(plain=(None, {}), tls=("IP:127.0.0.1", {}), hashed=("IP:127.0.0.1",
                                                               {"unsignedpayload": "no"}))
def bodies_are_sent_as_they_are(names, options):
    """With their length and one hash, or over TLS none for parts; no chunks, no trailer."""
    fake, bucket = store(names)
    d = drive(fake, bucket, cafile=authority().file, **options)
    d.must("put", "k", "text")
    d.must("write", "big", 12 * MIB, MIB)
    d.must("park", "p", 9 * MIB, MIB)
    found = fake.objects(bucket)
    tap.ok(found["k"] == b"text" and found["big"] == pattern(12 * MIB), "bytes")
    for call in fake.calls("PutObject", "UploadPart", "CompleteMultipartUpload"):
        tap.equal(call.header("content-length"), str(len(call.body)), f"{call}")
        odd = [name for name, value in call.headers
               if name.lower() in ("transfer-encoding", "content-encoding", "te", "trailer",
                                   "expect", "x-amz-trailer", "x-amz-decoded-content-length") or
               "checksum" in name.lower() or "chunked" in value.lower()]
        tap.equal(odd, [], f"{call}")
        unsigned = names and not options and call.operation == "UploadPart"
        tap.equal(call.header("x-amz-content-sha256"),
                  "UNSIGNED-PAYLOAD" if unsigned else hashlib.sha256(call.body).hexdigest(),
                  f"{call}")


# ---- proxies ----

@tap.cases(capitals="HTTPS_PROXY", small="https_proxy", all="ALL_PROXY")
def tls_through_a_proxy(variable):
    """By CONNECT, with the certificate of the store's name; the proxy sees nothing of it."""
    fake, bucket = store("DNS:store.test")
    p = proxy(fake)
    d = drive(fake, bucket, {variable: p.url}, regionendpoint="https://store.test:8443",
              cafile=authority().file)
    works(fake, bucket, d)
    tap.equal((set(p.connects), p.forwards), ({"store.test:8443"}, []))
    tap.equal({c.header("host") for c in fake.calls()}, {"store.test:8443"})
    tap.ok(not any("uthorization" in line for head in p.heads for line in head), f"{p.heads}")


@tap.cases(put=(("put", "k", "text"), "PutObject", "EBUSY"),
           stat=(("stat", "k"), "HeadObject", "EBUSY"),
           write=(("write", "k", 12 * MIB, MIB), "UploadPart", "EBUSY"))
def what_the_proxy_says_is_not_the_stores_word(words, operation, status):
    """Each call over a connection that was made for it: 200 was the answer to CONNECT."""
    fake, bucket = store("DNS:store.test")
    p = proxy(fake)
    fake.fault(operation=operation, times=None, status=503, code="SlowDown")

    def new():
        return drive(fake, bucket, {"HTTPS_PROXY": p.url}, cafile=authority().file, maxretries=0,
                     regionendpoint="https://store.test")
    tap.equal(new()(*words).status, status)
    tap.equal(fake.objects(bucket), {})
    tap.equal(new()("get", "absent").status, "ENOTFOUND")
    fake.clear()
    put = new().must("put", "k", "text")
    tap.equal((put["etag"], new().must("read", "k", 0, -1)["size"]),
              (fake.bucket(bucket).objects[b"k"].etag, "4"))


@tap.cases(capitals="HTTP_PROXY", small="http_proxy")
def plain_through_a_proxy(variable):
    fake, bucket = store()
    p = proxy(fake)
    d = drive(fake, bucket, {variable: p.url}, regionendpoint="http://store.test:8080")
    works(fake, bucket, d)
    tap.equal(p.connects, [])
    tap.ok(p.forwards and all(url.startswith(f"http://store.test:8080/{bucket}")
                              for url in p.forwards), f"{p.forwards}")
    tap.equal([c for c in fake.calls() if c.status == 403], [])


@tap.cases(of_tls=({"HTTPS_PROXY": "{p}"}, "http"), of_plain=({"HTTP_PROXY": "{p}"}, "https"),
           of_a_request=({"HTTP_PROXY": "{p}", "REQUEST_METHOD": "GET"}, "http"))
def proxy_of_something_else(environment, scheme):
    """Of the other scheme; and in a CGI script HTTP_PROXY is what a client has sent."""
    fake, bucket = store()
    p = proxy(fake)
    d = drive(fake, bucket, {name: value.format(p=p.url) for name, value in environment.items()},
              regionendpoint=f"{scheme}://store.invalid", maxretries=0)
    tap.equal(d("get", "k").status, "EIO")
    tap.equal((p.heads, fake.calls()), ([], []))


@tap.cases(refused="403 Forbidden", no_such_host="502 Bad Gateway", who="407 Who are you")
def proxy_that_does_not_connect(status):
    """As where a name does not exist: an end, which names the host, and no second way."""
    fake, _ = store("DNS:store.test")
    p = proxy(fake, refusal=status)
    d = drive(fake, "images", {"HTTPS_PROXY": p.url}, regionendpoint=None, region="xx-nowhere-1",
              usedualstack="yes", maxretries=1)
    result = d("check")
    tap.equal(result.status, "EIO", f"{result}")
    tap.ok("images.s3.dualstack.xx-nowhere-1.amazonaws.com" in result["message"] and
           status[:3] in result["message"], result["message"])
    tap.equal(set(p.connects), {"images.s3.dualstack.xx-nowhere-1.amazonaws.com:443"})
    tap.equal(fake.calls(), [])


@tap.cases(number=("127.0.0.1",), name=("localhost",), bucket_in_the_host=("localhost", "no"))
def store_on_this_machine(host, pathstyle="auto"):
    """No proxy leads there."""
    fake, bucket = store(domain="localhost")
    p = proxy(fake)
    d = drive(fake, bucket, {"HTTP_PROXY": p.url, "http_proxy": p.url, "all_proxy": p.url},
              regionendpoint=f"http://{host}:{fake.host.rpartition(':')[2]}",
              forcepathstyle=pathstyle)
    works(fake, bucket, d)
    tap.equal(p.heads, [])


@tap.cases(plain=("http", 80), tls=("https", 443))
def port_of_the_scheme(scheme, port):
    """Given or not, it is neither in the Host header nor in what is signed."""
    fake, bucket = store("DNS:store.test" if scheme == "https" else None)
    p = proxy(fake)
    for endpoint in (f"{scheme}://store.test:{port}", f"{scheme}://store.test"):
        d = drive(fake, bucket, {"HTTP_PROXY": p.url, "HTTPS_PROXY": p.url},
                  regionendpoint=endpoint, cafile=authority().file)
        works(fake, bucket, d)
    tap.equal({c.header("host") for c in fake.calls()}, {"store.test"})
    tap.equal([c for c in fake.calls() if c.status == 403], [])


@tap.cases(regional=("us-east-1",), new=("xx-future-9",), far=("af-south-1",))
def store_of_amazon(region):
    """Any region has a host of its own, with the bucket before it."""
    host = f"images.s3.{region}.amazonaws.com"
    fake, _ = store(f"DNS:{host}", domain=host.partition(".")[2])
    fake.region = region
    fake.make_bucket("images")
    p = proxy(fake)
    d = drive(fake, "images", {"HTTPS_PROXY": p.url}, regionendpoint=None, region=region,
              cafile=authority().file)
    works(fake, "images", d)
    tap.equal(set(p.connects), {host + ":443"})
    tap.ok(d.must("presign", "k", "GET", 60)["url"].startswith(f"https://{host}/k?"), "URL")


@tap.test
def wrong_region_of_amazon():
    """Led on by the word of the first host, once, to a host that the region makes."""
    right, wrong = ("s3.eu-west-1.amazonaws.com", "s3.us-east-1.amazonaws.com")
    fake, _ = store(f"DNS:*.{right},DNS:*.{wrong}", domain=right)
    fake.region = "eu-west-1"
    fake.make_bucket("images")
    p = proxy(fake)
    fake.fault(operation="", status=301, code="PermanentRedirect",
               headers={"x-amz-bucket-region": "eu-west-1"})
    d = drive(fake, "images", {"HTTPS_PROXY": p.url}, regionendpoint=None, cafile=authority().file,
              region="us-east-1")
    for n in range(10):
        d.must("put", f"k{n}", "text")
    hosts = [c.header("host") for c in fake.calls()]
    tap.equal(hosts, [f"images.{wrong}"] + [f"images.{right}"] * 10)


# ---- exceptions from proxies ----

INSIDE = ("10.1.2.3", "fd00::7")


@tap.test
def exceptions_from_the_proxy():
    """NO_PROXY, with addresses that only a network of its own has."""
    run = subprocess.run(["unshare", "-n", sys.executable, os.path.abspath(__file__), "inside"],
                         capture_output=True, text=True, timeout=120, check=False)
    if "Operation not permitted" in run.stderr:
        tap.skip("no network of its own may be made")
    tap.equal(run.returncode, 0, f"{run.stdout}\n{run.stderr}")


def inside():
    for word in ("127.0.0.1/8", "::1/128", INSIDE[0] + "/32", INSIDE[1] + "/128"):
        subprocess.run(["ip", "addr", "add", word, "dev", "lo"], check=False)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for none, host, direct in (
            ("10.0.0.0/8", "10.1.2.3", True), ("10.1.2.3", "10.1.2.3", True),
            ("10.1.2.3:{port}", "10.1.2.3", True), ("10.1.2.3:1", "10.1.2.3", False),
            ("10.9.0.0/16, 192.168.0.0/16", "10.1.2.3", False),
            (".internal 10.0.0.0/8", "10.1.2.3", True), ("*", "10.1.2.3", True),
            ("[fd00::7]", "[fd00::7]", True), ("fd00::7", "[fd00::7]", True),
            ("fd00::/8", "[fd00::7]", True), ("[fd00::7]:{port}", "[fd00::7]", True),
            ("[fd00::7]:1,[fd00::8]", "[fd00::7]", False), ("", "[fd00::7]", False),
            ("", "10.1.2.3", False),
            # names that do not exist: the way is seen by whether the proxy was asked
            (".internal", "store.internal", True), ("internal", "store.internal", True),
            ("*.internal", "store.internal", True), ("store.internal", "store.internal", True),
            ("store.internal:{port}", "store.internal", True),
            (".internal:{port}", "store.internal", True),
            ("store.internal:1", "store.internal", False),
            ("tore.internal,internal.test", "store.internal", False)):
        exception(none, host, direct)


def exception(none, host, direct):
    fake = FakeS3().start()
    bucket = fake.new_bucket()
    port = int(fake.host.rpartition(":")[2])
    for name in ("NO_PROXY", "no_proxy"):
        p = Forward(fake.host).start()
        doors = [Door(fake.host).start(address, port) for address in INSIDE]
        d = drive(fake, bucket, {"HTTP_PROXY": p.url, name: none.format(port=port)}, maxretries=0,
                  regionendpoint=f"http://{host}:{port}")
        status = d("put", "k", "text").status
        named = host.startswith("store")
        tap.equal((status, bool(p.forwards)),
                  ("EIO" if named and direct else "OK", not direct), f"{name}={none} for {host}")
        d.close()
        for one in (p, *doors):
            one.stop()
    fake.stop()


class Door(Listener):
    """Leads from a port of another address to the store."""

    def __init__(self, target):
        super().__init__()
        self._target = target

    def serve(self, connection, number):
        host, _, port = self._target.rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            tunnel(connection, server)


# ---- connections ----

def statuses(result):
    return {status: result.all("status").count(status) for status in set(result.all("status"))}


@tap.cases(default=({}, 64), few=({"maxconnections": 8}, 8), threads=({"iothreads": 3}, 64))
def connections_are_used_again(options, most):
    """Thousands of requests of many threads; those whose answer is a refusal, too."""
    fake, bucket = store()
    d = drive(fake, bucket, **options)
    fake.put(bucket, "k", b"text" * 100)
    tap.equal(statuses(d.must("gets", "k", 64, 40)), {"OK": 64})
    tap.equal(statuses(d.must("gets", "absent", 64, 1)), {"ENOTFOUND": 64})
    fake.fault(operation="GetObject", times=100, status=500, code="InternalError")
    tap.equal(statuses(d.must("gets", "k", 64, 10)), {"OK": 64})
    calls = fake.calls()
    tap.ok(len(calls) >= 64 * 51, f"{len(calls)} requests")
    made = len({call.connection for call in calls})
    tap.ok(made <= most, f"{made} connections for {len(calls)} requests")
    tap.equal(int(d.must("metrics")["s3.retries"]), 100)


class Impatient(FakeS3):
    """Closes a connection that idles, with a word."""

    def __init__(self, word):
        super().__init__()
        self._word = word

    def _serve_one(self, connection, stream, number):
        go_on = super()._serve_one(connection, stream, number)
        if go_on:
            connection.settimeout(0.2)
            try:
                idle = not connection.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                idle = True
            if idle:
                connection.sendall(self._word)
                return False
            connection.settimeout(None)
        return go_on


TIMEOUT = (b"<?xml version=\"1.0\"?><Error><Code>RequestTimeout</Code><Message>Your socket connection "
           b"to the server was not read from or written to within the timeout period.</Message>"
           b"</Error>")


@tap.cases(request_timeout=(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                            b"Content-Length: %d\r\n\r\n%s" % (len(TIMEOUT), TIMEOUT),),
           bad_request=(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",),
           status_408=(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",))
def connections_that_idled(word):
    """What was said before a request was sent is not the answer to it."""
    fake = Impatient(word).start()
    tap.defer(fake.stop)
    bucket = fake.new_bucket()
    d = drive(fake, bucket)
    fake.put(bucket, "there", b"bytes")
    for n in range(2):
        for call in (("put", f"k{n}", "text"), ("stat", "there"), ("get", "there"),
                     ("write", f"big{n}", 12 * MIB, MIB), ("list", ""), ("remove", f"k{n}"),
                     ("remove_many", f"k{n}", f"big{n}")):
            d.must("stat", "there")
            time.sleep(0.4)
            d.must(*call)
    tap.equal(fake.objects(bucket), {"there": b"bytes"})


# ---- memory ----

@tap.cases(default=({}, 256 * MIB), little=({"memory": "64M"}, 64 * MIB),
           larger_parts=({"memory": "96M", "chunksize": "24M"}, 96 * MIB))
def memory_of_many_writers(options, most):
    """No more than the option says, however many there are, and given back at the end."""
    if stowage.SAN:
        tap.skip("a sanitizer's memory is its own")
    fake, bucket = store()
    d = drive(fake, bucket, unsignedpayload="yes", **options)
    fake.fault(operation="UploadPart", times=None, forget=True, body=b"",
               headers={"ETag": '"e"'})
    fake.fault(operation="CompleteMultipartUpload", times=None, body=b"<CompleteMultipartUpload"
               b"Result><ETag>&quot;e&quot;</ETag></CompleteMultipartUploadResult>")
    d.must("put", "k", "text")
    before, count = d.rss(), 32
    tap.equal(statuses(d.must("writers", "k", count, 40 * MIB, 64 << 10)), {"OK": count})
    # what threads, connections and curl's own buffers take
    own = count * MIB
    peak, after = d.rss(peak=True) - before, d.rss() - before
    tap.ok(peak <= most + own, f"{peak / MIB:.0f} MiB at most, {most / MIB:.0f} are for buffers")
    tap.ok(after <= own, f"{after / MIB:.0f} MiB are left")
    tap.ok(len(fake.calls("UploadPart")) >= 2 * count, "parts were sent")


@tap.cases(of_connections={"maxconnections": 2}, of_memory={"memory": "40M"})
def callers_take_their_turns(options):
    """Many writers at what there is little of: none is done while another has hardly begun."""
    fake, bucket = store()
    d = drive(fake, bucket, chunksize="5M", unsignedpayload="yes", **options)
    fake.fault(operation="UploadPart", times=None, forget=True, body=b"",
               headers={"ETag": '"e"'})
    fake.fault(operation="CompleteMultipartUpload", times=None, body=b"<CompleteMultipartUpload"
               b"Result><ETag>&quot;e&quot;</ETag></CompleteMultipartUploadResult>")
    count, parts = 8, 12
    tap.equal(statuses(d.must("writers", "k", count, parts * 5 * MIB, MIB)), {"OK": count})
    calls = fake.calls("UploadPart", "CompleteMultipartUpload")
    first = [c.operation for c in calls].index("CompleteMultipartUpload")
    sent = collections.Counter(c.target.partition("?")[0] for c in calls[:first])
    tap.equal(len(sent), count, f"{sent}")
    tap.ok(min(sent.values()) >= parts // 3, f"{sent}")


# ---- patience ----

@tap.test
def stores_that_slow_down_are_written_to_all_the_same():
    """For a while three of four requests are refused, of whatever kind; each refusal costs one."""
    fake, bucket = store()
    d = drive(fake, bucket)
    end = time.monotonic() + 8
    refused = fake.fault(times=None, status=503, code="SlowDown")
    refused.is_due = lambda: refused.seen % 4 != 0 and time.monotonic() < end
    tap.equal(statuses(d.must("writers", "k", 20, 9 * MIB, MIB)), {"OK": 20})
    tap.ok(all(data == pattern(9 * MIB) for data in fake.objects(bucket).values()), "bytes")
    tap.equal((len(fake.objects(bucket)), list(fake.bucket(bucket).uploads)), (20, []))
    calls = fake.calls()
    good = sum(c.status == 200 for c in calls)
    tap.equal((good, len(calls)), (20 * 4, refused.used + good))


@tap.test
def pauses_grow():
    """A store that says nothing else is asked a few times, ever more seldom, and no more."""
    fake, bucket = store()
    d = drive(fake, bucket, maxretries=3)
    fake.fault(times=None, status=503, code="SlowDown")
    d.must("deadline", 10000)
    result = d("put", "k", "text")
    tap.equal((result.status, result["retryable"]), ("EBUSY", "1"), f"{result}")
    # by chance pauses are anything from nothing up to 0.2 s, 0.4 s, ... 5 s
    tap.ok(4 <= len(fake.calls()) <= 40, f"{len(fake.calls())} requests")


@tap.test
def each_attempt_is_signed_for_its_second():
    fake, bucket = store()
    d = drive(fake, bucket)
    fake.fault(times=3, status=503, code="SlowDown", headers={"Retry-After": "1"})
    d.must("put", "k", "text")
    dates = [c.header("x-amz-date") for c in fake.calls()]
    tap.equal((len(dates), sorted(set(dates))), (4, dates))
    tap.equal(len({c.header("authorization") for c in fake.calls()}), 4)


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        inside()
    else:
        tap.main()
