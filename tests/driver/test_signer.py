#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The driver's signer against a second one, written from the specification of signature version 4
("Create a signed AWS API request", "Authenticating Requests: Using Query Parameters").

SEED chooses other random requests, CASES how many."""

import datetime
import functools
import hashlib
import hmac
import os
import random
import subprocess
import sys
import types
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
sys.path.insert(0, os.path.join(HERE, "../fake-s3"))

import sigv4
import stowage
import tap

SEED = int(os.environ.get("SEED", "20261130"))
CASES = int(os.environ.get("CASES", "3000"))
CORPUS = os.path.join(stowage.ROOT, "tests/fuzz/corpus/s3-sign")
ALGORITHM = b"AWS4-HMAC-SHA256"
UNSIGNED = b"UNSIGNED-PAYLOAD"
EMPTY = hashlib.sha256(b"").hexdigest().encode()
QUERY_MAX = 12  # of sign.h; the presigned form takes six of them
DAY = 24 * 3600


class Case(types.SimpleNamespace):
    """A request, who signs it and when.  Texts are bytes; headers are kept as sign.h wants them."""

    def __init__(self, **given):
        super().__init__(**{**dict(
            method=b"GET", key=b"k", query=[], headers=[(b"host", b"bucket.example")],
            payload=UNSIGNED, host=b"bucket.example", accesskey=b"AKIDEXAMPLE",
            secretkey=b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", sessiontoken=None,
            region=b"us-east-1", service=b"s3", seconds=1369353600, expires=600), **given})
        self.headers = sorted(self.headers)


# ---- the second signer ----

def encoded(data, keep=""):
    return urllib.parse.quote_from_bytes(data, safe=keep).encode()


def encoded_query(pairs):
    return b"&".join(b"=".join(pair) for pair in sorted((encoded(n), encoded(v)) for n, v in pairs))


def trimmed(value):
    """Without blanks around it, and one where there were more."""
    return b" ".join(filter(None, value.replace(b"\t", b" ").split(b" ")))


def canonical_request(case, query, headers, payload):
    return b"\n".join([case.method, b"/" + encoded(case.key, "/"), query,
                       *(name + b":" + trimmed(value) for name, value in headers), b"",
                       b";".join(name for name, _ in headers), payload])


def time_of(case):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=case.seconds)
    return moment.strftime("%Y%m%dT%H%M%SZ").encode()


def scope_parts(case):
    return [time_of(case)[:8], case.region, case.service, b"aws4_request"]


def scope_of(case):
    return b"/".join(scope_parts(case))


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def signature(case, canonical):
    key = functools.reduce(mac, scope_parts(case), b"AWS4" + case.secretkey)
    text = b"\n".join([ALGORITHM, time_of(case), scope_of(case),
                       hashlib.sha256(canonical).hexdigest().encode()])
    return mac(key, text).hex().encode()


def authorization(case, canonical):
    return b"".join([ALGORITHM, b" Credential=", case.accesskey, b"/", scope_of(case),
                     b",SignedHeaders=", b";".join(name for name, _ in case.headers),
                     b",Signature=", signature(case, canonical)])


def presigned(case):
    pairs = [(b"X-Amz-Algorithm", ALGORITHM), (b"X-Amz-Date", time_of(case)),
             (b"X-Amz-Credential", case.accesskey + b"/" + scope_of(case)),
             (b"X-Amz-Expires", b"%d" % case.expires), (b"X-Amz-SignedHeaders", b"host")]
    if case.sessiontoken is not None:
        pairs.append((b"X-Amz-Security-Token", case.sessiontoken))
    query = encoded_query(case.query + pairs)
    canonical = canonical_request(case, query, [(b"host", case.host)], UNSIGNED)
    return query + b"&X-Amz-Signature=" + signature(case, canonical)


def expected(case):
    """What the program answers: [(status, text)] of the canonical request and both forms."""
    answers = [("ERANGE", b"")] * 3
    if len(case.query) <= QUERY_MAX:
        canonical = canonical_request(case, encoded_query(case.query), case.headers, case.payload)
        answers[:2] = ("OK", canonical), ("OK", authorization(case, canonical))
    if len(case.query) <= QUERY_MAX - 6:
        answers[2] = "OK", presigned(case)
    return answers


# ---- the driver's ----

class Signer:
    """The program tests/driver/signer."""

    def __init__(self):
        program = os.path.join(stowage.BUILD, "tests/driver/signer")
        tap.ok(os.path.exists(program), f"{program} is not there")
        self._process = subprocess.Popen(stowage.sanitized([program]), stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE)
        tap.defer(self.close)

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        tap.equal(self._process.wait(60), 0, "exit status of signer")

    def __call__(self, case):
        words = []
        for name, value in vars(case).items():
            if name in ("query", "headers"):
                words += [b"%s=%s=%s" % (name.rstrip("s").encode(), encoded(n), encoded(v))
                          for n, v in value]
            elif value is not None:
                value = b"%d" % value if isinstance(value, int) else value
                words.append(name.encode() + b"=" + encoded(value))
        self._process.stdin.write(b" ".join(words) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline().decode("ascii")
        tap.ok(line.endswith("\n"), f"signer ended at {case}")
        return [(status, urllib.parse.unquote_to_bytes(text)) for status, _, text in
                (field.partition("=") for field in line.rstrip("\n").split("\t"))]

    def agrees(self, case):
        """Both sign it alike."""
        for what, got, want in zip(("canonical request", "Authorization", "presigned query"),
                                   self(case), expected(case)):
            tap.equal(got, want, f"SEED={SEED}: {what} of {str(case)[:2000]}")


# ---- requests ----

KEY_BITS = (b"%", b"%2F", b"%252f", b"%zz", b"+", b" ", b"~", b"/", b"//", b"/./", b"/../", b".",
            b"..", b"?", b"#", b"&", b"=", b";", b":", b"@", b"$", b",", b"!", b"'", b"(", b")",
            b"*", b"[", b"]", b"^", b"`", b"{", b"|", b"}", b"\\", b'"', b"<", b">", b"\t", b"\r",
            b"\n", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xc3\xa9", b"e\xcc\x81",
            b"\xf0\x9f\x90\xb3", b"\xed\xa0\x80", b"a", b"Z", b"0", b"-", b"_", b"docker/registry/")
NAMES = (b"", b"a", b"A", b"aa", b"a-", b"a.", b"a=", b"a%", b"a~", b"a/", b"a ", b"a+", b"%61",
         b"b", b"\xc3\xa9", b"~", b"uploads", b"uploadId", b"partNumber", b"list-type", b"prefix",
         b"X-Amz-Date", b"X-Amz-Signature", b"x-amz-date", b"[", b"_")
HEADERS = (b"content-md5", b"content-type", b"if-match", b"if-none-match", b"range", b"x",
           b"x-amz-acl", b"x-amz-content-sha256", b"x-amz-copy-source", b"x-amz-date",
           b"x-amz-meta-a", b"x-amz-meta-a-b", b"x-amz-meta-a1", b"x-amz-meta.a")
REGIONS = (b"us-east-1", b"eu-central-1", b"cn-north-1", b"us-gov-west-1", b"auto", b"", b"x",
           b"region with blanks", b"\xc3\xa9", b"us-east-1,x=y", b"r" * 300)
SERVICES = (b"s3", b"s3-object-lambda", b"s3express", b"service", b"iam", b"")
DATES = ("1969-12-31", "1970-01-01", "1972-02-29", "1999-12-31", "2000-02-28", "2000-02-29",
         "2000-03-01", "2023-02-28", "2024-02-29", "2024-12-31", "2026-11-30", "2038-01-19",
         "2038-01-20", "2100-02-28", "2100-03-01", "2106-02-07", "2400-02-29", "9999-12-30")


def some(rng, bits, most=8):
    """Bytes from everywhere, or put together from the bits."""
    if rng.random() < 0.3:
        return bytes(rng.randrange(1, 256) for _ in range(rng.randrange(most * 3)))
    return b"".join(rng.choice(bits) for _ in range(rng.randrange(most)))


def some_value(rng):
    """Of a header: what may stand in one."""
    return b"".join(rng.choice((b"a", b"B", b" ", b"  ", b"\t", b" \t ", b",", b"=", b'"', b":",
                                b"%20", b"\xc3\xa9", b"\xff", b"\xc2\xa0", b";"))
                    for _ in range(rng.randrange(12)))


def some_seconds(rng):
    days = (datetime.date.fromisoformat(rng.choice(DATES)) - datetime.date(1970, 1, 1)).days
    return days * DAY + rng.choice((0, 1, 59, 60, DAY - 1, rng.randrange(DAY)))


def some_case(rng):
    names = rng.sample(HEADERS, rng.randrange(8))
    return Case(
        method=rng.choice((b"GET", b"PUT", b"POST", b"HEAD", b"DELETE", b"get", b"X")),
        key=some(rng, KEY_BITS),
        query=[(rng.choice(NAMES) if rng.random() < 0.7 else some(rng, KEY_BITS, 4),
                rng.choice((b"", b"1", b"2", some(rng, KEY_BITS, 5))))
               for _ in range(rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13)))],
        headers=[(b"host", rng.choice((b"h", b"127.0.0.1:9000", b"[::1]:80")))] +
                [(name, some_value(rng)) for name in names],
        payload=rng.choice((UNSIGNED, EMPTY, rng.randbytes(32).hex().encode())),
        host=rng.choice((b"h", b"bucket.s3.eu-west-1.amazonaws.com", b"[::1]:80")),
        accesskey=rng.choice((b"AKIDEXAMPLE", b"a", some(rng, KEY_BITS))),
        secretkey=some(rng, KEY_BITS, rng.choice((8, 40))),
        sessiontoken=rng.choice((None, b"", b"a+b/c==", some(rng, KEY_BITS, 100))),
        region=rng.choice(REGIONS), service=rng.choice(SERVICES), seconds=some_seconds(rng),
        expires=rng.choice((1, 60, 604800, 604801, 0, -1, 1 << 62)))


# ---- tests ----

@tap.test
def published():
    """The second signer, on examples of the Amazon S3 API Reference."""
    case = Case(key=b"test.txt", host=b"examplebucket.s3.amazonaws.com", payload=EMPTY,
                accesskey=b"AKIAIOSFODNN7EXAMPLE",
                secretkey=b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", expires=86400,
                headers=[(b"x-amz-date", b"20130524T000000Z"), (b"range", b"bytes=0-9"),
                         (b"host", b"examplebucket.s3.amazonaws.com"),
                         (b"x-amz-content-sha256", EMPTY)])
    header, query = expected(case)[1][1], expected(case)[2][1]
    tap.ok(header.endswith(b"=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
           header)
    tap.ok(query.endswith(b"=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
           query)
    Signer().agrees(case)


@tap.test
def each_byte():
    """In each place where it can stand; a line of a header has no control characters."""
    signer = Signer()
    for number in range(1, 256):
        c = bytes([number])
        signer.agrees(Case(key=c))
        signer.agrees(Case(key=b"a/" + c + b"/" + c * 2, query=[(c, b""), (b"a", c), (b"a", b"a"),
                                                               (b"a" + c, c + b"a")],
                           accesskey=c, secretkey=c * 61, sessiontoken=c))
        if number >= 0x20 and number != 0x7f or c == b"\t":
            signer.agrees(Case(headers=[(b"host", b"h"), (b"x", c), (b"y", b"a" + c + b"a"),
                                        (b"z", c + b"a" + c * 3 + b"a" + c)], host=c))
    signer.agrees(Case(key=bytes(range(1, 256)), sessiontoken=bytes(range(255, 0, -1))))


@tap.test
def each_bit_of_a_key():
    signer = Signer()
    for bit in KEY_BITS:
        for key in (bit, b"a" + bit, bit + b"a", bit + bit, b"a/" + bit + b"/a", b"/" + bit):
            signer.agrees(Case(key=key, query=[(b"prefix", key)]))


@tap.test
def order_of_a_query():
    """Each two names, either way round, with one value and with others."""
    signer = Signer()
    for one in NAMES:
        for other in NAMES:
            signer.agrees(Case(query=[(one, b"1"), (other, b""), (one, b""), (other, b"1")]))


@tap.test
def dates():
    signer = Signer()
    for day in DATES:
        days = (datetime.date.fromisoformat(day) - datetime.date(1970, 1, 1)).days
        for second in (-1, 0, 1, 59, 60, 3599, 3600, DAY // 2, DAY - 1, DAY):
            signer.agrees(Case(seconds=days * DAY + second))


@tap.test
def who_and_where():
    """Every region and service; secrets on both sides of what a block of the hash takes."""
    signer = Signer()
    for region in REGIONS:
        for service in SERVICES:
            signer.agrees(Case(region=region, service=service))
    for size in (0, 1, 59, 60, 61, 123, 124, 125, 1000):
        signer.agrees(Case(secretkey=b"s" * size, accesskey=b"a" * size))


@tap.test
def many_pairs():
    """Up to the bounds and one over them."""
    signer = Signer()
    for n in range(QUERY_MAX + 2):
        pairs = [(b"p%d" % i, b"%d" % (n - i)) for i in range(n)]
        signer.agrees(Case(query=pairs))
        signer.agrees(Case(query=pairs, sessiontoken=b"t"))
    signer.agrees(Case(headers=[(b"x-%03d" % i, b"%d" % i) for i in range(60)]))


@tap.cases(key="key", query="query", header="header", token="token")
def long(place):
    """Nothing is cut on the way."""
    signer = Signer()
    for size in (1023, 1024, 2047, 4094, 4095, 4096, 4097, 8192, 15000):
        for text in (b"t" * size, b"/" * (size // 3), b"\xff" * (size // 3 + 1)):
            signer.agrees(Case(**{"key": dict(key=text), "query": dict(query=[(b"marker", text)]),
                                  "header": dict(headers=[(b"host", b"h"), (b"x", text)]),
                                  "token": dict(sessiontoken=text)}[place]))


@tap.test
def at_random():
    signer, rng = Signer(), random.Random(SEED)
    for _ in range(CASES):
        signer.agrees(some_case(rng))
    print(f"SEED={SEED}: {CASES} requests")


def corpus_case(data):
    """As tests/fuzz/s3-sign.c reads its input; headers are the pairs that can be some."""
    method, _, rest = data.partition(b"\0")[0].partition(b"\n")
    key, _, rest = rest.partition(b"\n")
    pairs = []
    while rest and len(pairs) < 16:
        line, _, rest = rest.partition(b"\n")
        name, _, value = line.partition(b"=")
        pairs.append((name, value))
    return Case(method=method, key=key, query=pairs,
                headers=dict((name.lower(), value) for name, value in pairs).items())


@tap.test
def corpus():
    """What the fuzzer was given and has found, each file whole and each beginning of it."""
    signer = Signer()
    names = sorted(name for name in os.listdir(CORPUS) if not name.startswith("."))
    tap.ok(names, f"{CORPUS} is empty")
    for name in names:
        with open(os.path.join(CORPUS, name), "rb") as f:
            data = f.read()
        for end in {*range(0, len(data), len(data) // 4096 + 1), len(data)}:
            signer.agrees(corpus_case(data[:end]))


class Request:
    """As the fake server has it: text of one byte a character."""

    def __init__(self, case, query, headers, body=b""):
        self.method, self.path = case.method.decode(), "/" + encoded(case.key, "/").decode()
        self.query, self.body = query.decode(), body
        self.headers = [(n.decode(), v.decode("latin-1")) for n, v in headers]

    def header(self, name):
        return next((value for n, value in self.headers if n == name), None)


@tap.test
def accepted_by_the_fake_store():
    """Its check takes both forms, so that all three are of one mind, and no byte may change."""
    signer, rng = Signer(), random.Random(SEED)
    for _ in range(CASES // 10):
        case = some_case(rng)
        case.accesskey, case.secretkey, case.service = b"AKID", b"secret/+", b"s3"
        case.query = [(n, v) for n, v in case.query[:6] if not n.startswith(b"X-Amz-")]
        case.region, case.expires = rng.choice((b"us-east-1", b"auto")), 600
        case.sessiontoken = rng.choice((None, b"a+b/c=="))
        body = rng.randbytes(8)
        case.payload = rng.choice((UNSIGNED, hashlib.sha256(body).hexdigest().encode()))
        headers = dict(case.headers)
        headers.update({b"x-amz-date": time_of(case), b"x-amz-content-sha256": case.payload})
        if case.sessiontoken:
            headers[b"x-amz-security-token"] = case.sessiontoken
        # it leaves tabs within a value alone
        case.headers = sorted((n, v.replace(b"\t", b" ")) for n, v in headers.items())
        line, query = signer(case)[1][1], signer(case)[2][1]
        given = [sigv4.Credentials("AKID", "secret/+",
                                   case.sessiontoken and case.sessiontoken.decode())]
        for request in (Request(case, encoded_query(case.query),
                                case.headers + [(b"authorization", line)], body),
                        Request(case, query, [(b"host", case.host)])):
            try:
                sigv4.check(request, given, case.region.decode(), case.seconds)
            except sigv4.Refused as e:
                raise AssertionError(f"SEED={SEED}: {case}: {e}") from e
            request.path += "a"
            try:
                sigv4.check(request, given, case.region.decode(), case.seconds)
            except sigv4.Refused:
                continue
            raise AssertionError(f"SEED={SEED}: {case}: another path passes")


if __name__ == "__main__":
    tap.main()
