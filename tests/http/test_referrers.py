#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The list of referrers: what is in it, in which order, filtered, paged; the tag schema of clients
of older registries; and an index in the store that is not as it should be."""

import json
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import registry
import stowage
import tap

server = stowage.Server(env={"STOWAGE_DELETE_ENABLED": "yes"}).start()
client = registry.Client(server)
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
SBOM, SIGNATURE = "application/vnd.example.sbom", "application/vnd.example.signature"
COUNT = [0]


def descriptor(data, media_type=images.MANIFEST):
    return {"mediaType": media_type, "digest": images.digest(data), "size": len(data)}


def new_repository(to=client):
    """With a config blob, and the bytes of a manifest that others may have for a subject."""
    COUNT[0] += 1
    name = f"team/repo{COUNT[0]}"
    to.push_blob(name, b"{}")
    return name, manifest({"annotations": {"of": name}})


def manifest(more, config_type=EMPTY_TYPE):
    return images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST,
                        "config": descriptor(b"{}", config_type), "layers": [], **more})


def put(name, data, reference=None, media_type=images.MANIFEST, to=client):
    return to.put_manifest(name, reference or images.digest(data), data, media_type)


def attach(name, subject, number=0, artifact_type=SBOM, to=client, **more):
    if artifact_type:
        more["artifactType"] = artifact_type
    data = manifest({"subject": descriptor(subject), "annotations": {"number": str(number)}, **more})
    answer = put(name, data, to=to)
    tap.equal(answer.headers["OCI-Subject"], images.digest(subject))
    return data


def listed(name, digest, query="", expect=200):
    answer = client.request("GET", f"/v2/{name}/referrers/{digest}{query}", expect=expect)
    tap.equal(answer.headers["Content-Type"], images.INDEX)
    value = json.loads(answer.body)
    tap.equal((value["schemaVersion"], value["mediaType"]), (2, images.INDEX))
    return value["manifests"], answer


def digests(name, subject, query=""):
    return [d["digest"] for d in listed(name, images.digest(subject), query)[0]]


@tap.test
def nothing_refers():
    name, subject = new_repository()
    tap.equal(digests(name, subject), [])
    tap.equal(digests("not/there", subject), [])
    client.request("GET", f"/v2/{name}/referrers/not-a-digest", expect=400)
    client.request("GET", f"/v2/{name}/referrers/sha256:{'0' * 63}", expect=400)
    answer = client.request("PUT", f"/v2/{name}/manifests/plain", subject,
                            {"Content-Type": images.MANIFEST}, 201)
    tap.equal(answer.headers["OCI-Subject"], None)


@tap.test
def descriptors_say_what_the_specification_wants():
    name, subject = new_repository()
    by_type = attach(name, subject, annotations={"org.example": "yes", "a\"b": "ü"})
    by_config = manifest({"subject": descriptor(subject)}, "application/vnd.example.config")
    put(name, by_config)
    index = images.dump({"schemaVersion": 2, "mediaType": images.INDEX, "manifests": [],
                         "subject": descriptor(subject), "artifactType": SIGNATURE})
    put(name, index, media_type=images.INDEX)
    plain_index = images.dump({"schemaVersion": 2, "mediaType": images.INDEX, "manifests": [],
                               "subject": descriptor(subject)})
    put(name, plain_index, media_type=images.INDEX)
    found = {d["digest"]: d for d in listed(name, images.digest(subject))[0]}
    tap.equal(found, {
        images.digest(by_type): {**descriptor(by_type), "artifactType": SBOM,
                                 "annotations": {"org.example": "yes", "a\"b": "ü"}},
        images.digest(by_config): {**descriptor(by_config),
                                   "artifactType": "application/vnd.example.config"},
        images.digest(index): {**descriptor(index, images.INDEX), "artifactType": SIGNATURE},
        images.digest(plain_index): descriptor(plain_index, images.INDEX)})
    tap.equal(list(found), sorted(found), "order")


@tap.test
def filtered_by_type():
    name, subject = new_repository()
    sbom, signature = attach(name, subject), attach(name, subject, artifact_type=SIGNATURE)
    found, answer = listed(name, images.digest(subject), f"?artifactType={SIGNATURE}")
    tap.equal([d["digest"] for d in found], [images.digest(signature)])
    tap.equal(answer.headers["OCI-Filters-Applied"], "artifactType")
    found, answer = listed(name, images.digest(subject))
    tap.equal({d["digest"] for d in found}, {images.digest(sbom), images.digest(signature)})
    tap.equal(answer.headers["OCI-Filters-Applied"], None)
    tap.equal(digests(name, subject, "?artifactType=application/none"), [])


@tap.test
def subject_comes_later_or_never():
    name, subject = new_repository()
    data = attach(name, subject)
    tap.equal(digests(name, subject), [images.digest(data)])
    put(name, subject, "v1")
    tap.equal(digests(name, subject), [images.digest(data)])
    client.request("DELETE", f"/v2/{name}/manifests/{images.digest(subject)}", expect=202)
    tap.equal(digests(name, subject), [images.digest(data)])


@tap.test
def deleted_referrers_go_and_come_back():
    name, subject = new_repository()
    data, other = attach(name, subject, 1), attach(name, subject, 2)
    client.request("DELETE", f"/v2/{name}/manifests/{images.digest(data)}", expect=202)
    tap.equal(digests(name, subject), [images.digest(other)])
    put(name, data)
    tap.equal(sorted(digests(name, subject)), sorted([images.digest(data), images.digest(other)]))


@tap.test
def other_repositories_have_their_own():
    (one, subject), (two, _) = new_repository(), new_repository()
    attach(one, subject)
    tap.equal(digests(two, subject), [])


@tap.test
def the_tag_schema_is_listed_too():
    """Written by clients while another registry served the bucket; some of it pushed since."""
    name, subject = new_repository()
    known = attach(name, subject, 1)
    old, gone = manifest({"annotations": {"old": "yes"}}), manifest({"annotations": {"gone": "1"}})
    put(name, old)
    listing = images.dump({"schemaVersion": 2, "mediaType": images.INDEX, "manifests": [
        {**descriptor(old), "artifactType": SIGNATURE, "annotations": {"kept": "as it is"}},
        {**descriptor(known), "artifactType": "application/vnd.wrong"}]})
    tag = images.digest(subject).replace(":", "-")
    put(name, listing, tag, images.INDEX)
    tap.equal(sorted(digests(name, subject)), sorted([images.digest(known), images.digest(old)]))
    found, = listed(name, images.digest(subject), f"?artifactType={SIGNATURE}")[0]
    tap.equal(found, {**descriptor(old), "artifactType": SIGNATURE,
                      "annotations": {"kept": "as it is"}})
    tap.equal(digests(name, subject, f"?artifactType={SBOM}"), [images.digest(known)])
    client.request("DELETE", f"/v2/{name}/manifests/{images.digest(old)}", expect=202)
    tap.equal(digests(name, subject), [images.digest(known)])
    tap.ok(images.digest(gone) not in digests(name, subject), "never pushed")


@tap.test
def a_tag_that_is_no_list_does_no_harm():
    name, subject = new_repository()
    known = attach(name, subject)
    put(name, manifest({"annotations": {"just": "an image"}}),
        images.digest(subject).replace(":", "-"))
    tap.equal(digests(name, subject), [images.digest(known)])


@tap.test
def pages():
    name, subject = new_repository()
    big = {"text": "x" * 12000}
    wanted = sorted(images.digest(attach(name, subject, i, annotations={**big, "n": str(i)}))
                    for i in range(120))
    query, found, n = "", [], 0
    while query is not None:
        page, answer = listed(name, images.digest(subject), query)
        tap.ok(len(answer.body) <= 1 << 20, f"{len(answer.body)} bytes")
        found += [d["digest"] for d in page]
        link = answer.headers["Link"]
        tap.ok(not link or link.startswith(f"</v2/{name}/referrers/{images.digest(subject)}?") and
               link.endswith('>; rel="next"'), link)
        query = "?" + link.partition("?")[2].partition(">")[0] if link else None
        n += 1
    tap.equal(n, 2)
    tap.equal(found, wanted)
    filtered = listed(name, images.digest(subject), f"?artifactType={SBOM}")[1].headers["Link"]
    tap.ok("artifactType=application%2Fvnd.example.sbom&last=" in filtered, filtered)


@tap.test
def too_long_annotations_are_left_out():
    name, subject = new_repository()
    data = attach(name, subject, annotations={"text": "x" * 20000})
    tap.equal(listed(name, images.digest(subject))[0],
              [{**descriptor(data), "artifactType": SBOM}])


@tap.test
def an_index_that_rotted_hides_nothing_else():
    name, subject = new_repository()
    good = attach(name, subject, 1)
    bad = [attach(name, subject, i) for i in range(2, 8)]
    folder = os.path.join(server.data, "docker/registry/v2/repositories", name,
                          "_stowage/referrers/sha256", images.digest(subject)[7:], "sha256")
    junk = [b"", b"not json", b"[]", b'{"digest":1}', json.dumps({
        **descriptor(good), "annotations": {"of": "another"}}).encode(), b"{" * 20000]
    for data, text in zip(bad, junk):
        with open(os.path.join(folder, images.digest(data)[7:], "descriptor"), "wb") as f:
            f.write(text)
    os.makedirs(os.path.join(folder, "no-digest"))
    with open(os.path.join(folder, "no-digest", "descriptor"), "wb") as f:
        f.write(b"{}")
    tap.equal(digests(name, subject), [images.digest(good)])


# ---- under the tag schema ----

def tagging():
    """A client of a server that keeps the tags."""
    other = stowage.Server(folder=server.data, env={"STOWAGE_DELETE_ENABLED": "yes",
                                                    "STOWAGE_MANIFESTS_REFERRERS_TAG": "on"}).start()
    tap.defer(other.kill)
    return registry.Client(other)


def schema_tag(subject):
    return images.digest(subject).replace(":", "-")


def tagged(name, subject, to=client):
    """The digests that the tag's index lists, each with the descriptor of the list."""
    answer = to.manifest(name, schema_tag(subject))
    tap.equal(answer.headers["Content-Type"], images.INDEX)
    value = json.loads(answer.body)
    tap.equal((value["schemaVersion"], value["mediaType"]), (2, images.INDEX))
    tap.equal(value["manifests"], listed(name, images.digest(subject))[0])
    return [d["digest"] for d in value["manifests"]]


@tap.test
def pushes_and_deletes_keep_the_tag():
    to = tagging()
    name, subject = new_repository(to)
    first = attach(name, subject, 1, to=to, annotations={"kept": "yes"})
    tap.equal(tagged(name, subject, to), [images.digest(first)])
    second = attach(name, subject, 2, to=to)
    tap.equal(tagged(name, subject, to), sorted([images.digest(first), images.digest(second)]))
    for data, left in ((first, [images.digest(second)]), (second, [])):
        to.request("DELETE", f"/v2/{name}/manifests/{images.digest(data)}", expect=202)
        tap.equal(tagged(name, subject, to), left)
    put(name, subject, "v1", to=to)
    tap.equal(tagged(name, subject, to), [])


@tap.test
def what_clients_listed_is_kept_in_the_tag():
    to = tagging()
    name, subject = new_repository(to)
    old = manifest({"annotations": {"old": "yes"}})
    put(name, old, to=to)
    put(name, images.dump({"schemaVersion": 2, "mediaType": images.INDEX, "manifests": [
        {**descriptor(old), "artifactType": SIGNATURE}]}), schema_tag(subject), images.INDEX, to)
    new = attach(name, subject, to=to)
    tap.equal(tagged(name, subject, to), sorted([images.digest(old), images.digest(new)]))


@tap.test
def pushes_side_by_side_leave_all():
    hosts = [tagging(), tagging()]
    name, subject = new_repository(hosts[0])
    made, failures = [], []

    def push(number):
        try:
            made.append(images.digest(attach(name, subject, number, to=registry.Client(
                hosts[number % 2].server))))
        except Exception as failure:  # pylint: disable=broad-except
            failures.append(failure)

    threads = [threading.Thread(target=push, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tap.equal(failures, [])
    tap.equal(tagged(name, subject), sorted(made))


@tap.test
def another_thing_under_the_tag_is_left_alone():
    to = tagging()
    name, subject = new_repository(to)
    image = manifest({"annotations": {"just": "an image"}})
    put(name, image, schema_tag(subject), to=to)
    attach(name, subject, to=to)
    tap.equal(to.manifest(name, schema_tag(subject)).body, image)
    tap.ok("is left alone" in to.server.log(), "said in the log")


def command(*args, expect=0):
    run = subprocess.run(stowage.sanitized([os.path.join(stowage.BUILD, "stowage"), "referrers",
                                            *args]),
                         env=dict(os.environ, STOWAGE_FILESYSTEM_ROOTDIRECTORY=server.data),
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                         check=False)
    tap.equal(run.returncode, expect, run.stderr)
    return run.stdout + run.stderr


@tap.test
def tags_written_by_command():
    name, subject = new_repository()
    other = manifest({"annotations": {"another": "subject"}})
    made = sorted(images.digest(attach(name, subject, i)) for i in range(3))
    alone = attach(name, other)
    client.manifest(name, schema_tag(subject), expect=404)
    tap.ok(f"{name}: 2 subjects have their tag" in command("--write-tags", name), "count")
    tap.equal(tagged(name, subject), made)
    tap.equal(tagged(name, other), [images.digest(alone)])
    before = sorted(os.path.join(t, f) for t, _, n in os.walk(server.data) for f in n)
    tap.ok("2 subjects" in command("--write-tags", name, name), "once more")
    tap.equal(sorted(os.path.join(t, f) for t, _, n in os.walk(server.data) for f in n), before)
    tap.ok("0 subjects" in command("--write-tags", "not/there"), "none")
    gone, third = new_repository()
    client.request("DELETE", f"/v2/{gone}/manifests/{images.digest(attach(gone, third))}", expect=202)
    tap.ok("0 subjects" in command("--write-tags", gone), "its one referrer is deleted")
    client.manifest(gone, schema_tag(third), expect=404)
    tap.ok("which repository" in command("--write-tags", expect=2), "usage")
    tap.ok("--write-tags" in command(name, expect=2), "usage")
    tap.ok("usage:" in command("--help"), "help")
    tap.ok("Not/Right" in command("--write-tags", "Not/Right", expect=1), "name")


if __name__ == "__main__":
    tap.main()
