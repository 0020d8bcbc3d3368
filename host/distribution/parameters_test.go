// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
	"github.com/sirupsen/logrus"

	"stowage/host/distribution/internal/cdriver"
)

func TestParse(t *testing.T) {
	folder := t.TempDir()
	must(t, os.WriteFile(filepath.Join(folder, "s3.so"), nil, 0o600))
	t.Setenv(envDriverPath, folder)
	p, err := parse(map[string]any{"driver": "s3", "bucket": "b", "secure": true, "chunksize": 8388608,
		"rate": 1.5, "nothing": nil, "maxcalls": "7", "purgeage": "90m"})
	if err != nil {
		t.Fatal(err)
	}
	if p.name != "s3" || p.folder != folder || p.maxCalls != 7 ||
		p.purgeAge != 90*time.Minute {
		t.Errorf("%+v", p)
	}
	got := ""
	for _, o := range p.options {
		got += o.Name + "=" + o.Value + " "
	}
	if got != "bucket=b chunksize=8388608 rate=1.5 secure=true " {
		t.Error(got)
	}
	t.Setenv(envDriverPath, "/not/there")
	p, err = parse(map[string]any{"driver": "s3", "driverpath": filepath.Join(folder, "s3.so"),
		"purgeage": 0})
	if err != nil || p.folder != folder || p.purgeAge != 0 || p.maxCalls != defaultMaxCalls {
		t.Errorf("%+v, %v", p, err)
	}
}

// Each ends the start with a line that names the parameter.
func TestBadParameters(t *testing.T) {
	for _, c := range []struct {
		params map[string]any
		want   string
	}{
		{map[string]any{}, "parameter driver is required"},
		{map[string]any{"driver": "s4"}, `no driver "s4", the folder holds .*s3`},
		{map[string]any{"driver": "../s3"}, "name"},
		{map[string]any{"driver": "memory", "memorry": "1M"}, `"memorry", did you mean "memory"`},
		{map[string]any{"driver": "memory", "memory": "lots"}, "memory"},
		{map[string]any{"driver": "memory", "driverpaht": "/x"}, `driverpaht.*did you mean "driverpath"`},
		{map[string]any{"driver": "memory", "maxcall": 1}, `maxcall.*did you mean "maxcalls"`},
		{map[string]any{"driver": "s3", "bukcet": "b", "region": "r"}, `"bukcet", did you mean "bucket"`},
		{map[string]any{"driver": "s3", "region": "r"}, "option [a-z]+ is required"},
		{map[string]any{"driver": "s3", "bucket": map[string]any{"name": "b"}}, "bucket must be one value"},
		{map[string]any{"driver": "s3", "bucket": []any{"b"}}, "bucket must be one value"},
		{map[string]any{"driver": "s3", "bucket": "b\x00c"}, "bucket holds a NUL"},
		{map[string]any{"driver": "memory", "maxcalls": 0}, "maxcalls"},
		{map[string]any{"driver": "memory", "maxcalls": "many"}, "maxcalls"},
		{map[string]any{"driver": "memory", "purgeage": "-1h"}, "purgeage"},
		{map[string]any{"driver": "memory", "purgeage": "soon"}, "purgeage"},
		{map[string]any{"driver": "s3", "driverpath": "/x/memory.so"}, "driverpath"},
	} {
		d, err := factory.Create(context.Background(), driverName, c.params)
		if err == nil {
			t.Errorf("%v was taken", c.params)
			d.(*Driver).Close()
			continue
		}
		if !regexp.MustCompile(c.want).MatchString(err.Error()) ||
			!strings.HasPrefix(err.Error(), "stowage: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", c.params, err)
		}
	}
}

// logged is what Distribution's log gets while f runs.
func logged(f func()) string {
	var buf bytes.Buffer
	logrus.SetOutput(&buf)
	defer logrus.SetOutput(os.Stderr)
	f()
	return buf.String()
}

// What has no effect is said so; what Distribution adds by itself is no mistake; no secret is shown.
func TestParametersOfOtherDrivers(t *testing.T) {
	server := startFake(t, emptyBucket)
	params := server.parameters()
	params["v4auth"] = true
	params["loglevel"] = "debug"
	params[useragent] = useragentOfHost + "v3.1.2 go1.26"
	text := logged(func() { create(t, params) })
	for _, want := range []string{"parameter v4auth has no effect", "parameter loglevel has no effect"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(text, "not-to-be-shown") {
		t.Errorf("a secret: %s", text)
	}
	create(t, map[string]any{paramDriver: "memory", useragent: useragentOfHost + "v3.1.2"})
	if _, err := New(context.Background(), map[string]any{paramDriver: "memory", useragent: "mine"}); err == nil {
		t.Error("a user agent for memory was taken")
	}
}

// A mistake of configuration ends the start; a store that is away does not.
func TestCheckAtStart(t *testing.T) {
	server := startFake(t, answerWith(403, "<Error><Code>InvalidAccessKeyId</Code>"+
		"<Message>who are you</Message></Error>"))
	if _, err := New(context.Background(), server.parameters()); err == nil ||
		!strings.Contains(err.Error(), "InvalidAccessKeyId") ||
		strings.Contains(err.Error(), "not-to-be-shown") {
		t.Errorf("%v", err)
	}
	server.set(answerWith(503, "<Error><Code>SlowDown</Code><Message>later</Message></Error>"))
	text := logged(func() { create(t, server.parameters()) })
	if !strings.Contains(text, "the store does not answer yet") {
		t.Errorf("%s", text)
	}
}

func TestS3BucketKey(t *testing.T) {
	for root, want := range map[string]string{"": "a/b", "/": "a/b", "/some/root/": "some/root/a/b",
		"root": "root/a/b"} {
		d := &Driver{d: &driver{root: rootOf([]cdriver.Option{{Name: "rootdirectory", Value: root}})}}
		if got := d.S3BucketKey("/a/b"); got != want {
			t.Errorf("%q: %q", root, got)
		}
	}
}

// The sample names only parameters that are there.
func TestSample(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("config.yml"))
	must(t, err)
	section := string(text[bytes.Index(text, []byte("stowage:")):])
	section = section[:strings.Index(section, "  delete:")]
	server := startFake(t, emptyBucket)
	params := map[string]any{}
	for _, m := range regexp.MustCompile(`(?m)^    (?:# )?([a-z]+): (\S+)`).FindAllStringSubmatch(section, -1) {
		params[m[1]] = m[2]
	}
	if len(params) < 10 {
		t.Fatalf("%v", params)
	}
	delete(params, paramDriverPath)
	params["regionendpoint"] = server.URL
	params["bucket"] = "bucket"
	create(t, params)
}
