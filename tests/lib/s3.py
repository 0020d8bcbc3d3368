# SPDX-License-Identifier: Apache-2.0
"""As much of S3 as a test needs to look into a bucket from outside: signed requests, path style."""

import datetime
import hashlib
import hmac
import http.client
import urllib.parse
import xml.etree.ElementTree


class S3:
    def __init__(self, endpoint, accesskey, secretkey, region="us-east-1"):
        self.host = endpoint.split("://", 1)[1]
        self.accesskey, self.secretkey, self.region = accesskey, secretkey, region

    def _sign(self, method, path, query, headers, body_hash):
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        headers = dict(headers, host=self.host)
        headers["x-amz-date"], headers["x-amz-content-sha256"] = stamp, body_hash
        names = sorted(headers)
        canonical = "\n".join(
            [method, path, query]
            + [f"{n}:{headers[n].strip()}" for n in names]
            + ["", ";".join(names), body_hash]
        )
        scope = f"{day}/{self.region}/s3/aws4_request"
        text = "\n".join(
            ["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()]
        )
        key = ("AWS4" + self.secretkey).encode()
        for part in (day, self.region, "s3", "aws4_request", text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.accesskey}/{scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={key.hex()}"
        )
        return headers

    def request(self, method, path, query=None, headers=None, body=b""):
        """(status, headers, body); path is /bucket/key, not yet encoded."""
        path = urllib.parse.quote(path, safe="/-._~")
        query = "&".join(
            f"{urllib.parse.quote(k, safe='-._~')}={urllib.parse.quote(v, safe='-._~')}"
            for k, v in sorted((query or {}).items())
        )
        signed = self._sign(method, path, query, headers or {}, hashlib.sha256(body).hexdigest())
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            url = path + ("?" + query if query else "")
            connection.request(method, url, body=body, headers=signed)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def _must(self, *args, **named):
        status, headers, body = self.request(*args, **named)
        if status // 100 != 2:
            raise OSError(f"s3: {args[0]} {args[1]}: {status} {body[:300]!r}")
        return body

    def make_bucket(self, bucket, headers=None):
        self._must("PUT", "/" + bucket, headers=headers)

    def get(self, bucket, key):
        return self._must("GET", f"/{bucket}/{key}")

    def put(self, bucket, key, body):
        self._must("PUT", f"/{bucket}/{key}", body=body)

    def delete(self, bucket, key):
        self._must("DELETE", f"/{bucket}/{key}")

    def list(self, bucket, prefix=""):
        """{key: size} of all below prefix."""
        found, token = {}, None
        while True:
            query = {"list-type": "2", "prefix": prefix}
            if token:
                query["continuation-token"] = token
            root = xml.etree.ElementTree.fromstring(self._must("GET", "/" + bucket, query))
            for item in root.iterfind("{*}Contents"):
                found[item.findtext("{*}Key")] = int(item.findtext("{*}Size"))
            token = root.findtext("{*}NextContinuationToken")
            if not token:
                return found

    def uploads(self, bucket):
        """Keys of the open multipart uploads."""
        root = xml.etree.ElementTree.fromstring(self._must("GET", "/" + bucket, {"uploads": ""}))
        return [item.findtext("{*}Key") for item in root.iterfind("{*}Upload")]
