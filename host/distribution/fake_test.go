// SPDX-License-Identifier: Apache-2.0

package stowage

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// fake is a server that answers S3's requests as a test wants it.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	handler  http.HandlerFunc
	changed  chan struct{} // closed when there is another handler
	requests int
}

func startFake(t testing.TB, handler http.HandlerFunc) *fake {
	f := &fake{handler: handler, changed: make(chan struct{})}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests++
		answer := f.handler
		f.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

func (f *fake) set(handler http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handler = handler
	close(f.changed)
	f.changed = make(chan struct{})
}

// count is how many requests came since it was asked last.
func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.requests
	f.requests = 0
	return n
}

func (f *fake) parameters() map[string]any {
	return map[string]any{paramDriver: "s3", "region": "us-east-1", "regionendpoint": f.URL,
		"bucket": "bucket", "accesskey": "access", "secretkey": "not-to-be-shown",
		"maxretries": 0, paramPurgeAge: "0"}
}

// create opens s3 on the server, which answers as an empty bucket until that is done.
func (f *fake) create(t testing.TB) *Driver {
	f.set(emptyBucket)
	return create(t, f.parameters())
}

func answerWith(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

const emptyListing = `<?xml version="1.0" encoding="UTF-8"?>` +
	`<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>` +
	`<Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys>` +
	`<IsTruncated>false</IsTruncated></ListBucketResult>`

func emptyBucket(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && (r.URL.Path == "/bucket" || r.URL.Path == "/bucket/") {
		answerWith(200, emptyListing)(w, r)
		return
	}
	if r.Method == http.MethodHead && (r.URL.Path == "/bucket" || r.URL.Path == "/bucket/") {
		w.WriteHeader(200)
		return
	}
	answerWith(404, "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")(w, r)
}

// hang has requests wait until there is another handler, or the client has gone.
func (f *fake) hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.changed)
	changed := make(chan struct{})
	f.changed = changed
	f.handler = func(_ http.ResponseWriter, r *http.Request) {
		// the server notices that the client is gone once it has the body
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-changed:
			panic(http.ErrAbortHandler)
		}
	}
}
