# SPDX-License-Identifier: Apache-2.0
"""Bearer tokens as docker's token service makes them, the keys that sign them, and such a service.

    issuer = Issuer()
    server = stowage.Server(env=issuer.env())
    issuer.token(grant("a/b", "pull", "push"), sub="alice")   # what Authorization: Bearer takes
    issuer.token([], exp=time.time() - 100)                    # claims may be anything
    issuer.token([], header={"alg": "none"}, signature=b"")   # and the header, and the signature
    with Service(issuer, users={"alice": "secret"}) as service:
        server = stowage.Server(env=issuer.env(realm=service.url))

Keys are made, and signatures too, by the program openssl.
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.parse

import stowage

ISSUER = "https://auth.example.org"
SERVICE = "registry.example.org"
REALM = "https://auth.example.org/token"

_KINDS = {
    "ES256": ("EC", "ec_paramgen_curve:P-256"),
    "ES384": ("EC", "ec_paramgen_curve:P-384"),
    "ES512": ("EC", "ec_paramgen_curve:P-521"),
    "EdDSA": ("ED25519", None),
}
_CURVES = {"ES256": ("P-256", 32), "ES384": ("P-384", 48), "ES512": ("P-521", 66)}


def encode(data):
    """base64url without padding, as text."""
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def grant(name, *actions, kind="repository"):
    """One entry of the claim "access", in a list."""
    return [{"type": kind, "name": name, "actions": list(actions)}]


def catalog():
    return grant("catalog", "*", kind="registry")


def _openssl(*words, data=None):
    run = subprocess.run([stowage.tool("openssl"), *words], input=data, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, check=False)
    if run.returncode:
        raise OSError(f"openssl {' '.join(words)}: {run.stderr.decode(errors='replace')}")
    return run.stdout


def _der(data):
    """The first value of DER, its content and what follows it."""
    length, at = data[1], 2
    if length & 0x80:
        at += length & 0x7f
        length = int.from_bytes(data[2:at], "big")
    return data[at:at + length], data[at + length:]


def _integers(data):
    """Those of a SEQUENCE."""
    content, _ = _der(data)
    while content:
        value, content = _der(content)
        yield int.from_bytes(value, "big")


class Key:
    """One that signs by alg: RS256 ... ES512, EdDSA."""

    def __init__(self, alg="ES256", bits=2048, kid=None):
        self.alg, self.kid, self.certificate = alg, kid, None
        self._folder = stowage.temporary("key")
        self.file = os.path.join(self._folder, "key.pem")
        kind, option = _KINDS.get(alg, ("RSA", f"rsa_keygen_bits:{bits}"))
        _openssl("genpkey", "-algorithm", kind, *(("-pkeyopt", option) if option else ()), "-out",
                 self.file)
        self.public = _openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")
        self.pem = _openssl("pkey", "-in", self.file, "-pubout").decode("ascii")

    def jwk(self, **more):
        """Its public half; with kid where it has one."""
        if self.kid is not None:
            more = {"kid": self.kid, **more}
        return {**self._members(), **more}

    def _members(self):
        _, rest = _der(_der(self.public)[0])
        bits = _der(rest)[0][1:]
        if self.alg == "EdDSA":
            return {"crv": "Ed25519", "kty": "OKP", "x": encode(bits)}
        if self.alg in _CURVES:
            curve, size = _CURVES[self.alg]
            return {"crv": curve, "kty": "EC", "x": encode(bits[1:1 + size]),
                    "y": encode(bits[1 + size:])}
        n, e = (v.to_bytes((v.bit_length() + 7) // 8, "big") for v in _integers(bits))
        return {"e": encode(e), "kty": "RSA", "n": encode(n)}

    def thumbprint(self):
        """RFC 7638; Distribution 3 calls a certificate's key so."""
        text = json.dumps(self._members(), sort_keys=True, separators=(",", ":"))
        return encode(hashlib.sha256(text.encode()).digest())

    def name(self):
        """libtrust's; Distribution 2 knows no other."""
        text = base64.b32encode(hashlib.sha256(self.public).digest()[:30]).decode("ascii")
        return ":".join(text[i:i + 4] for i in range(0, 48, 4))

    def sign(self, data, alg=None):
        """As a JWS has it."""
        alg = alg or self.alg
        if alg == "EdDSA":
            path = os.path.join(self._folder, "data")
            with open(path, "wb") as f:
                f.write(data)
            return _openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.file, "-in", path)
        options = ()
        if alg.startswith("PS"):
            options = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
        found = _openssl("dgst", f"-sha{alg[2:]}", "-sign", self.file, *options, data=data)
        if alg in _CURVES:
            size = _CURVES[alg][1]
            return b"".join(v.to_bytes(size, "big") for v in _integers(found))
        return found

    def certify(self, name="a key of the tests", issuer=None, ca=False, days=7):
        """Makes its certificate, by the issuer's key or its own; a list for x5c is chain()."""
        base = os.path.join(self._folder, "certificate")
        with open(base + ".ext", "w", encoding="ascii") as f:
            f.write(f"basicConstraints = critical, CA:{'TRUE' if ca else 'FALSE'}\n")
        _openssl("req", "-new", "-key", self.file, "-subj", f"/CN={name}", "-out", base + ".csr")
        by = ("-signkey", self.file)
        if issuer:
            by = ("-CA", issuer.certificate, "-CAkey", issuer.file, "-CAcreateserial")
        _openssl("x509", "-req", "-in", base + ".csr", *by, "-days", str(days), "-extfile",
                 base + ".ext", "-out", base + ".pem")
        self.certificate = base + ".pem"
        return self

    def chain(self, *others):
        """Its certificate and the others', as x5c has them."""
        return [base64.b64encode(_openssl("x509", "-in", k.certificate, "-outform", "DER"))
                .decode("ascii") for k in (self, *others)]


class Issuer:
    """Who signs, and the files of what is trusted: a JWK set, a bundle if it is asked for."""

    def __init__(self, alg="ES256", issuer=ISSUER, service=SERVICE):
        self.issuer, self.service = issuer, service
        self.key = Key(alg)
        self._folder = stowage.temporary("issuer")
        self.jwks = os.path.join(self._folder, "jwks.json")
        self.bundle = None
        self.trust(self.key)

    def trust(self, *keys):
        """Writes the JWK set anew; SIGHUP makes a server read it."""
        with open(self.jwks + ".new", "w", encoding="ascii") as f:
            json.dump({"keys": [k if isinstance(k, dict) else k.jwk() for k in keys]}, f)
        os.replace(self.jwks + ".new", self.jwks)

    def trust_certificates(self, *keys):
        self.bundle = os.path.join(self._folder, "bundle.pem")
        with open(self.bundle, "w", encoding="ascii") as f:
            for key in keys:
                with open(key.certificate, encoding="ascii") as one:
                    f.write(one.read())

    def env(self, realm=REALM, **more):
        """[auth] of a server that takes these tokens."""
        env = {"ISSUER": self.issuer, "SERVICE": self.service, "REALM": realm, "JWKS": self.jwks}
        if self.bundle:
            env["ROOTCERTBUNDLE"] = self.bundle
        env.update({k.upper(): v for k, v in more.items()})
        return {f"STOWAGE_AUTH_{k}": v for k, v in env.items() if v is not None}

    def token(self, access, key=None, header=None, signature=None, payload=None, **claims):
        """Good where nothing is said.  A claim or a member of the header that is None is left out;
        payload is a text in place of all claims."""
        key = key or self.key
        now = int(time.time())
        head = {"typ": "JWT", "alg": key.alg, "kid": key.kid or key.thumbprint(), **(header or {})}
        body = {"iss": self.issuer, "sub": "", "aud": self.service, "exp": now + 300,
                "nbf": now - 10, "iat": now, "jti": os.urandom(8).hex(), "access": access,
                **claims}
        parts = [compact({k: v for k, v in part.items() if v is not None})
                 for part in (head, body)]
        if payload is not None:
            parts[1] = payload
        text = ".".join(encode(part) for part in parts)
        if signature is None:
            signature = key.sign(text.encode("ascii"))
        return text + "." + encode(signature)

    def forged(self, access, secret, **claims):
        """HS256, whose secret is what everybody knows: the public key."""
        text = self.token(access, header={"alg": "HS256"}, signature=b"", **claims)[:-1]
        sum_ = hmac.new(secret.encode() if isinstance(secret, str) else secret,
                        text.encode("ascii"), hashlib.sha256).digest()
        return text + "." + encode(sum_)


def bearer(token):
    """The header's value."""
    return "Bearer " + token


class Service:
    """A token service for real clients: GET with or without a password, and POST as OAuth 2.

    allowed(user, kind, name, action) says what of a scope is granted; user "" is nobody.  users:
    {name: password}.  What was asked for is in asked, a list of (user, [scope])."""

    def __init__(self, issuer, users=None, allowed=lambda user, kind, name, action: bool(user)):
        self.issuer, self.users, self.allowed, self.asked = issuer, users or {}, allowed, []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                scheme, _, word = (self.headers.get("Authorization") or "").partition(" ")
                user, password = "", ""
                if scheme.lower() == "basic":
                    user, _, password = base64.b64decode(word).decode().partition(":")
                self._answer(user, password, query.get("scope", []))

            def do_POST(self):
                length = int(self.headers.get("Content-Length") or 0)
                form = urllib.parse.parse_qs(self.rfile.read(length).decode())
                self._answer(form.get("username", [""])[0], form.get("password", [""])[0],
                             form.get("scope", []))

            def _answer(self, user, password, scopes):
                scopes = [one for text in scopes for one in text.split()]
                status, answer = service.answer(user, password, scopes)
                body = compact(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def answer(self, user, password, scopes):
        """(status, what is told)."""
        self.asked.append((user, scopes))
        if user and self.users.get(user) != password:
            return 401, {"details": "incorrect username or password"}
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            access += grant(name, *(a for a in actions.split(",")
                                    if self.allowed(user, kind, name, a)), kind=kind)
        token = self.issuer.token(access, sub=user)
        return 200, {"token": token, "access_token": token, "expires_in": 300}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
