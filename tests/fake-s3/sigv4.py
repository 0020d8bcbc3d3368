# SPDX-License-Identifier: Apache-2.0
"""The check of a request's signature, version 4, in its header and its query form.

It promises: what it lets pass carries the signature of known credentials over this very request
line, these headers and this body, made at a time near the clock's.  Paths are taken as they came
over the wire, never normalised; path and query must be encoded just as the signature has them, so
that a client cannot lean on a server's own encoding.  It must not know what the requests ask for.
"""

import calendar
import hashlib
import hmac
import re
import time

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
SKEW = 15 * 60
EXPIRES_MOST = 7 * 24 * 3600
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Refused(Exception):
    """An answer with an error of the store."""

    def __init__(self, status, code, message, headers=(), region=None):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.headers = list(headers)
        self.region = region  # that the error names


class Credentials:
    """One key, its secret, and the session token that goes with temporary ones."""

    def __init__(self, accesskey, secretkey, sessiontoken=None):
        self.accesskey, self.secretkey, self.sessiontoken = accesskey, secretkey, sessiontoken


def decode(text):
    """The bytes that percent-encoded wire text stands for."""
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m.group(1), 16)]),
                  text.encode("latin-1"))


def encode(data, keep=b""):
    """UriEncode() of the specification."""
    return "".join(chr(c) if c in _UNRESERVED or c in keep else f"%{c:02X}" for c in data)


def query_pairs(query):
    """[(name, value)] as sent; `?uploads` and `?uploads=` are the same."""
    pairs = (item.partition("=") for item in query.split("&") if item)
    return [(name, value) for name, _, value in pairs]


def check(request, credentials, region, now):
    """Returns the credentials that signed; raises Refused."""
    signed_query = any(name == "X-Amz-Signature" for name, _ in query_pairs(request.query))
    header = request.header("authorization")
    if header is not None and signed_query:
        raise Refused(400, "InvalidRequest", "signed by the header and by the query")
    if signed_query:
        return _check_query(request, credentials, region, now)
    if header is None:
        raise Refused(403, "AccessDenied", "the request is not signed")
    return _check_header(request, header, credentials, region, now)


# ---- the two forms ----

def _check_header(request, header, credentials, region, now):
    found = re.fullmatch(ALGORITHM + r" Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?"
                         r"Signature=([0-9a-f]{64})", header)
    if not found:
        raise Refused(400, "AuthorizationHeaderMalformed", "the Authorization header is malformed")
    date = request.header("x-amz-date") or ""
    payload = request.header("x-amz-content-sha256")
    if payload is None:
        raise Refused(400, "InvalidRequest", "x-amz-content-sha256 is missing")
    names = found.group(2).split(";")
    _require_headers(request, names, r"host|content-type|x-amz-.*")
    who, scope = _scope(found.group(1), credentials, region, date)
    if abs(_seconds(date) - now) > SKEW:
        raise Refused(403, "RequestTimeTooSkewed",
                      "the difference between the request time and the current time is too large")
    _compare(request, who, scope, date, request.query, names, payload, found.group(3))
    _check_token(who, request.header("x-amz-security-token"))
    if payload.startswith("STREAMING-"):
        raise Refused(501, "NotImplemented", f"{payload} is not offered")
    if payload not in (UNSIGNED, hashlib.sha256(request.body).hexdigest()):
        raise Refused(400, "XAmzContentSHA256Mismatch",
                      "x-amz-content-sha256 is not that of the body")
    return who


def _check_query(request, credentials, region, now):
    given = {}
    for name, value in query_pairs(request.query):
        if name.startswith("X-Amz-"):
            if name in given:
                raise _malformed(f"{name} comes twice")
            given[name] = decode(value).decode("latin-1")
    missing = [f"X-Amz-{name}" for name in ("Algorithm", "Credential", "Date", "Expires",
                                            "SignedHeaders") if f"X-Amz-{name}" not in given]
    if missing:
        raise _malformed(f"{missing[0]} is missing")
    if given["X-Amz-Algorithm"] != ALGORITHM:
        raise _malformed("X-Amz-Algorithm is another")
    expires = given["X-Amz-Expires"]
    if not re.fullmatch(r"[0-9]{1,7}", expires) or not 1 <= int(expires) <= EXPIRES_MOST:
        raise _malformed("X-Amz-Expires is not 1 to 604800")
    names = given["X-Amz-SignedHeaders"].split(";")
    _require_headers(request, names, r"host|x-amz-.*")
    date = given["X-Amz-Date"]
    who, scope = _scope(given["X-Amz-Credential"], credentials, region, date)
    began = _seconds(date)
    if began - now > SKEW:
        raise Refused(403, "AccessDenied", "Request is not valid yet")
    if now >= began + int(expires):
        raise Refused(403, "AccessDenied", "Request has expired")
    query = "&".join(item for item in request.query.split("&")
                     if not item.startswith("X-Amz-Signature="))
    _compare(request, who, scope, date, query, names, UNSIGNED, given["X-Amz-Signature"])
    _check_token(who, given.get("X-Amz-Security-Token"))
    return who


def _malformed(message):
    return Refused(400, "AuthorizationQueryParametersError", message)


# ---- what both need ----

def _seconds(date):
    try:
        return calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise Refused(403, "AccessDenied", f"{date!r} is not a date") from None


def _scope(credential, credentials, region, date):
    accesskey, *scope = credential.rsplit("/", 4)
    if scope != [date[:8], region, "s3", "aws4_request"]:
        raise Refused(400, "AuthorizationHeaderMalformed",
                      f"the scope is {'/'.join(scope)}, expecting {date[:8]}/{region}/s3/"
                      "aws4_request", region=region)
    for one in credentials:
        if one.accesskey == accesskey:
            return one, "/".join(scope)
    raise Refused(403, "InvalidAccessKeyId", "the access key is not known")


def _check_token(who, token):
    if token != who.sessiontoken:
        raise Refused(400, "InvalidToken", "the session token is not that of the key")


def _require_headers(request, names, pattern):
    if names != sorted(set(names)) or any(name != name.lower() for name in names):
        raise Refused(403, "SignatureDoesNotMatch", "SignedHeaders are not sorted lower-case names")
    present = {name.lower() for name, _ in request.headers}
    for name in sorted(present | {"host"}):
        if re.fullmatch(pattern, name) and name not in names:
            raise Refused(403, "AccessDenied", f"the header {name} is not signed")
    for name in names:
        if name not in present:
            raise Refused(403, "SignatureDoesNotMatch", f"the signed header {name} was not sent")


def _canonical_query(query):
    pairs = query_pairs(query)
    for pair in pairs:
        for text in pair:
            if encode(decode(text)) != text:
                raise Refused(403, "SignatureDoesNotMatch", f"{text!r} is not encoded as signed")
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _canonical_headers(request, names):
    lines = []
    for name in names:
        values = [re.sub(" +", " ", value.strip(" \t")) for other, value in request.headers
                  if other.lower() == name]
        lines.append(f"{name}:{','.join(values)}\n")
    return "".join(lines)


def _compare(request, who, scope, date, query, names, payload, signature):
    if encode(decode(request.path), b"/") != request.path:
        raise Refused(403, "SignatureDoesNotMatch", "the path is not encoded as signed")
    canonical = "\n".join([request.method, request.path, _canonical_query(query),
                           _canonical_headers(request, names), ";".join(names), payload])
    text = "\n".join([ALGORITHM, date, scope,
                      hashlib.sha256(canonical.encode("latin-1")).hexdigest()])
    key = b"AWS4" + who.secretkey.encode()
    for part in scope.split("/") + [text]:
        key = hmac.new(key, part.encode("latin-1"), hashlib.sha256).digest()
    if not hmac.compare_digest(key.hex(), signature):
        raise Refused(403, "SignatureDoesNotMatch",
                      "the signature is not that of this request:\n" + canonical)
