# SPDX-License-Identifier: Apache-2.0
"""Which operation a request asks for, and each operation's course from request to answer.

It promises Amazon's answers, or those that the store's profile says.  Who may ask has been looked
at before; it must not know signatures, faults or connections.
"""

import base64
import hashlib
import re
import xml.etree.ElementTree

import answers
from answers import Answer, element
from sigv4 import Refused, decode

_OBJECT = {
    ("GET", ""): "GetObject", ("HEAD", ""): "HeadObject", ("PUT", ""): "PutObject",
    ("DELETE", ""): "DeleteObject", ("GET", "uploadId"): "ListParts",
    ("PUT", "uploadId"): "UploadPart", ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload", ("DELETE", "uploadId"): "AbortMultipartUpload",
}
_BUCKET = {
    ("PUT", ""): "CreateBucket", ("HEAD", ""): "HeadBucket", ("GET", ""): "ListObjects",
    ("GET", "list-type"): "ListObjectsV2", ("GET", "uploads"): "ListMultipartUploads",
    ("POST", "delete"): "DeleteObjects",
}
_LISTS = ("ListObjects", "ListObjectsV2", "ListMultipartUploads")


def name_of(request):
    """"PutObject", ...; "" for what nobody offers."""
    table = _OBJECT if request.key else _BUCKET
    what = next((name for _, name in table if name and name in request.arguments), "")
    name = table.get((request.method, what), "") if request.bucket else ""
    if request.header("x-amz-copy-source") is not None:
        name = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}.get(name, name)
    return name


class Operations:
    """buckets: {name: Bucket}; now(): the store's clock."""

    def __init__(self, profile, buckets, now, make_bucket):
        self.profile, self.buckets, self.now = profile, buckets, now
        self._make_bucket = make_bucket
        self._tokens = {}

    def run(self, name, request):
        """The answer; raises Refused."""
        if not name:
            raise Refused(501, "NotImplemented", "there is no such operation")
        self._check_headers(request)
        if name == "CreateBucket":
            self._make_bucket(request.bucket)
            return Answer()
        if request.bucket not in self.buckets:
            raise Refused(404, "NoSuchBucket", "The specified bucket does not exist")
        if name in _LISTS and not self.profile.list_permission:
            raise Refused(403, "AccessDenied", "Access Denied")
        return getattr(self, "_" + name)(self.buckets[request.bucket], request)

    def _check_headers(self, request):
        for name, _ in request.headers:
            if self.profile.refuse_checksums and \
                    re.match(r"x-amz-(sdk-)?checksum-|x-amz-trailer", name.lower()):
                raise Refused(400, "InvalidArgument", f"the header {name} is not known")
        md5 = request.header("content-md5")
        if md5 is not None and \
                md5 != base64.b64encode(hashlib.md5(request.body).digest()).decode():
            raise Refused(400, "BadDigest", "Content-MD5 is not that of the body")

    # ---- objects ----

    def _HeadBucket(self, bucket, request):
        return Answer()

    def _PutObject(self, bucket, request):
        bucket.check_write(request.key, *_conditions(request))
        self._check_lock(request)
        stored = bucket.put(request.key, request.body, self.now(), request.header("content-type"))
        stored.customer_key, stored.headers = _customer_key(request), _made_with(request)
        return Answer(200, _etag(stored))

    def _check_lock(self, request):
        if self.profile.object_lock and request.header("content-md5") is None:
            raise Refused(400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is "
                          "required for Put Object requests with Object Lock parameters")

    def _GetObject(self, bucket, request):
        stored = bucket.get(request.key)
        _check_customer_key(stored, _customer_key(request))
        if_match = request.header("if-match")
        if if_match is not None and if_match != stored.etag:
            raise Refused(412, "PreconditionFailed", "the object is another")
        headers = [("Content-Type", stored.content_type), ("Accept-Ranges", "bytes"),
                   ("Last-Modified", answers.http_date(stored.mtime)), *_etag(stored)]
        wanted = _range(request.header("range"), len(stored.body))
        if wanted is None:
            return Answer(200, headers, stored.body)
        first, last = wanted
        headers.append(("Content-Range", f"bytes {first}-{last}/{len(stored.body)}"))
        return Answer(206, headers, stored.body[first:last + 1])

    def _HeadObject(self, bucket, request):
        answer = self._GetObject(bucket, request)
        answer.length, answer.body = len(answer.body), b""
        return answer

    def _DeleteObject(self, bucket, request):
        if self.profile.remove_conditions and request.header("if-match") is not None and \
                bucket.get(request.key).etag != request.header("if-match"):
            raise Refused(412, "PreconditionFailed", "the object is another")
        bucket.remove(request.key)
        return Answer(204)

    def _remove_one(self, bucket, key, etag):
        """The element of the answer."""
        stored = bucket.objects.get(key)
        if etag is not None and self.profile.remove_conditions and stored and stored.etag != etag:
            return element("Error", [element("Key", key), element("Code", "PreconditionFailed")])
        bucket.remove(key)
        return element("Deleted", [element("Key", key)])

    def _DeleteObjects(self, bucket, request):
        if not self.profile.remove_many:
            raise Refused(501, "NotImplemented", "removal of many is not offered")
        if self.profile.demand_md5 and request.header("content-md5") is None:
            raise Refused(400, "InvalidRequest", "Missing required header: Content-MD5")
        root = _xml(request.body, "Delete")
        items = [(item.findtext("{*}Key", "").encode(), item.findtext("{*}ETag"))
                 for item in root.iterfind("{*}Object")]
        if not 0 < len(items) <= self.profile.delete_most:
            raise Refused(400, "MalformedXML", f"{len(items)} keys are too many or too few")
        results = [self._remove_one(bucket, key, etag) for key, etag in items]
        quiet = root.findtext("{*}Quiet") == "true"
        return answers.document("DeleteResult", [] if quiet else results)

    def _source(self, request):
        """The object that x-amz-copy-source names."""
        if not self.profile.copies:
            raise Refused(501, "NotImplemented", "copies are not offered")
        name, _, key = decode(request.header("x-amz-copy-source")).lstrip(b"/").partition(b"/")
        if name.decode("latin-1") not in self.buckets:
            raise Refused(404, "NoSuchBucket", "The source's bucket does not exist")
        stored = self.buckets[name.decode("latin-1")].get(key)
        _check_customer_key(stored, _customer_key(request, "copy-source-"))
        if_match = request.header("x-amz-copy-source-if-match")
        if if_match is not None and if_match != stored.etag:
            raise Refused(412, "PreconditionFailed", "the source is another")
        return stored

    def _CopyObject(self, bucket, request):
        source = self._source(request)
        bucket.check_write(request.key, *_conditions(request))
        replace = request.header("x-amz-metadata-directive") == "REPLACE"
        stored = bucket.put(request.key, source.body, self.now(),
                            request.header("content-type") if replace else source.content_type)
        stored.customer_key, stored.headers = _customer_key(request), _made_with(request)
        return answers.document("CopyObjectResult", _copied(stored))

    # ---- listings ----

    def _encoded(self, request):
        return self.profile.encoding_type and request.arguments.get("encoding-type") == b"url"

    def _key(self, name, key, request):
        text = answers.key_text(key, self._encoded(request), self.profile.space)
        return element(name, text)

    def _most(self, request, name):
        text = request.arguments.get(name, b"1000")
        if not text.isdigit():
            raise Refused(400, "InvalidArgument", f"{name} is not a number")
        return min(int(text), self.profile.page_size, 1000)

    def _entries(self, request, page):
        """All objects, then all prefixes: their one order is for the client to find."""
        for key, stored in page.entries:
            if stored is not None:
                yield element("Contents", [
                    self._key("Key", key, request),
                    element("LastModified", answers.iso_date(stored.mtime)),
                    element("ETag", stored.etag), element("Size", len(stored.body)),
                    element("StorageClass", "STANDARD")])
        for key, stored in page.entries:
            if stored is None:
                yield element("CommonPrefixes", [self._key("Prefix", key, request)])

    def _head(self, request, most, page):
        prefix = request.arguments.get("prefix", b"")
        children = [element("Name", request.bucket), self._key("Prefix", prefix, request),
                    element("MaxKeys", most), element("IsTruncated", page.truncated)]
        if "delimiter" in request.arguments:
            children.append(self._key("Delimiter", request.arguments["delimiter"], request))
        if self._encoded(request):
            children.append(element("EncodingType", "url"))
        return children

    def _token(self, last):
        if not self.profile.token:
            return base64.b64encode(b"\xfb" + last).decode()  # '+' and '/' come up by themselves
        token = f"{self.profile.token}{len(self._tokens)}"
        self._tokens[token] = last
        return token

    def _token_place(self, token):
        text = token.decode("latin-1")
        try:
            if self.profile.token:
                return self._tokens[text]
            return base64.b64decode(text, validate=True)[1:]
        except (KeyError, ValueError):
            raise Refused(400, "InvalidArgument",
                          "The continuation token provided is incorrect") from None

    def _ListObjectsV2(self, bucket, request):
        if self.profile.list_v2 == "no":
            raise Refused(501, "NotImplemented", "there is no version 2 of listings")
        if self.profile.list_v2 == "ignored":
            return self._ListObjects(bucket, request)
        given, most = request.arguments, self._most(request, "max-keys")
        token, after = given.get("continuation-token"), given.get("start-after", b"")
        if token is not None:
            after = self._token_place(token)
        page = bucket.list(given.get("prefix", b""), given.get("delimiter", b""), after, most,
                           token is not None)
        children = self._head(request, most, page)
        children.append(element("KeyCount", len(page.entries)))
        if token is not None:
            children.append(element("ContinuationToken", token))
        if page.truncated:
            children.append(element("NextContinuationToken", self._token(page.last)))
        children += self._entries(request, page)
        return answers.document("ListBucketResult", children)

    def _ListObjects(self, bucket, request):
        given, most = request.arguments, self._most(request, "max-keys")
        marker, delimiter = given.get("marker", b""), given.get("delimiter", b"")
        page = bucket.list(given.get("prefix", b""), delimiter, marker, most)
        children = self._head(request, most, page) + [self._key("Marker", marker, request)]
        if page.truncated and delimiter:
            children.append(self._key("NextMarker", page.last, request))
        children += self._entries(request, page)
        return answers.document("ListBucketResult", children)

    # ---- multipart uploads ----

    def _CreateMultipartUpload(self, bucket, request):
        bucket.check_write(request.key, None, False)
        upload = bucket.begin(request.key, self.now(), request.header("content-type"))
        upload.customer_key, upload.headers = _customer_key(request), _made_with(request)
        return answers.document("InitiateMultipartUploadResult", [
            element("Bucket", request.bucket), element("Key", request.key),
            element("UploadId", upload.id)])

    def _upload(self, bucket, request):
        return bucket.upload(request.key, request.arguments["uploadId"].decode("latin-1"))

    def _number(self, request):
        text = request.arguments.get("partNumber", b"")
        if not text.isdigit():
            raise Refused(400, "InvalidArgument", "partNumber is not a number")
        return int(text)

    def _UploadPart(self, bucket, request):
        self._check_lock(request)
        upload = self._upload(bucket, request)
        _check_customer_key(upload, _customer_key(request))
        part = bucket.put_part(upload, self._number(request), request.body, self.now())
        return Answer(200, _etag(part))

    def _UploadPartCopy(self, bucket, request):
        upload, body = self._upload(bucket, request), self._source(request).body
        _check_customer_key(upload, _customer_key(request))
        wanted = request.header("x-amz-copy-source-range")
        if wanted is not None:
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
            if not found or not int(found.group(1)) <= int(found.group(2)) < len(body):
                raise Refused(400, "InvalidArgument", "the range is not within the source")
            body = body[int(found.group(1)):int(found.group(2)) + 1]
        part = bucket.put_part(upload, self._number(request), body, self.now())
        return answers.document("CopyPartResult", _copied(part))

    def _CompleteMultipartUpload(self, bucket, request):
        upload = self._upload(bucket, request)
        bucket.check_write(request.key, *_conditions(request))
        root = _xml(request.body, "CompleteMultipartUpload")
        try:
            named = [(int(part.findtext("{*}PartNumber", "")), part.findtext("{*}ETag", ""))
                     for part in root.iterfind("{*}Part")]
        except ValueError:
            raise Refused(400, "MalformedXML", "a PartNumber is not a number") from None
        stored = bucket.complete(upload, named, self.now())
        return answers.document("CompleteMultipartUploadResult", [
            element("Bucket", request.bucket), element("Key", request.key),
            element("ETag", stored.etag)])

    def _AbortMultipartUpload(self, bucket, request):
        bucket.abort(self._upload(bucket, request))
        return Answer(204)

    def _ListParts(self, bucket, request):
        upload, most = self._upload(bucket, request), self._most(request, "max-parts")
        marker = request.arguments.get("part-number-marker", b"0")
        after = int(marker) if marker.isdigit() else 0
        numbers = sorted(number for number in upload.parts if number > after)
        shown, truncated = numbers[:most], len(numbers) > most
        children = [element("Bucket", request.bucket), self._key("Key", upload.key, request),
                    element("UploadId", upload.id), element("PartNumberMarker", after),
                    element("MaxParts", most), element("IsTruncated", truncated)]
        if truncated:
            children.append(element("NextPartNumberMarker", shown[-1] if shown else after))
        for number in shown:
            part = upload.parts[number]
            children.append(element("Part", [
                element("PartNumber", number), element("Size", len(part.body)),
                element("LastModified", answers.iso_date(part.mtime)),
                element("ETag", part.etag)]))
        return answers.document("ListPartsResult", children)

    def _ListMultipartUploads(self, bucket, request):
        if self.profile.uploads_listed == "refused":
            raise Refused(501, "NotImplemented", "uploads are not listed")
        given, most = request.arguments, self._most(request, "max-uploads")
        after = (given.get("key-marker", b""),
                 given.get("upload-id-marker", b"").decode("latin-1"))
        shown, truncated = bucket.list_uploads(given.get("prefix", b""), after, most)
        children = [element("Bucket", request.bucket), element("MaxUploads", most),
                    element("IsTruncated", truncated)]
        if self._encoded(request):
            children.append(element("EncodingType", "url"))
        if truncated and shown:
            children += [self._key("NextKeyMarker", shown[-1].key, request),
                         element("NextUploadIdMarker", shown[-1].id)]
        for upload in shown:
            children.append(element("Upload", [
                self._key("Key", upload.key, request), element("UploadId", upload.id),
                element("Initiated", answers.iso_date(upload.begun))]))
        return answers.document("ListMultipartUploadsResult", children)


# ---- parts of requests and answers ----

def _conditions(request):
    return request.header("if-match"), request.header("if-none-match") == "*"


def _made_with(request):
    return {name.lower(): value for name, value in request.headers
            if name.lower() in ("x-amz-acl", "x-amz-storage-class") or
            name.lower().startswith("x-amz-server-side-encryption") and "customer" not in name}


def _customer_key(request, of=""):
    """The MD5 of the key that goes with the request; "" is none."""
    name = f"x-amz-{of}server-side-encryption-customer-"
    key, md5 = request.header(name + "key"), request.header(name + "key-md5")
    if key is None:
        return ""
    found = base64.b64encode(hashlib.md5(base64.b64decode(key)).digest()).decode()
    if request.header(name + "algorithm") != "AES256" or md5 != found:
        raise Refused(400, "InvalidArgument", "the customer's key is not that of its MD5")
    return md5


def _check_customer_key(stored, md5):
    if stored.customer_key != md5:
        raise Refused(400, "InvalidRequest", "The object was stored using a form of Server Side "
                      "Encryption. The correct parameters must be provided to retrieve the object.")


def _etag(stored):
    return [("ETag", stored.etag)] if stored.etag else []


def _copied(stored):
    return [element("LastModified", answers.iso_date(stored.mtime)), element("ETag", stored.etag)]


def _range(text, size):
    """(first, last) of "bytes=..."; None is the whole."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", text or "")
    if not found or not any(found.groups()):
        return None
    first, last = found.groups()
    if first:
        first, last = int(first), min(int(last), size - 1) if last else size - 1
    else:
        first, last = max(size - int(last), 0), size - 1
    if first >= size or first > last:
        raise Refused(416, "InvalidRange", "The requested range is not satisfiable",
                      [("Content-Range", f"bytes */{size}")])
    return first, last


def _xml(body, name):
    try:
        root = xml.etree.ElementTree.fromstring(body)
    except xml.etree.ElementTree.ParseError:
        raise Refused(400, "MalformedXML", "The XML you provided was not well-formed") from None
    if root.tag.rpartition("}")[2] != name:
        raise Refused(400, "MalformedXML", f"a {name} was expected")
    return root
