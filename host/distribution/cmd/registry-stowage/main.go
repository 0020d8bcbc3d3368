// SPDX-License-Identifier: Apache-2.0

// Registry-stowage is CNCF Distribution's registry with the storage driver "stowage" beside its
// own, so that a configuration changes in its storage section and nowhere else.
package main

import (
	"fmt"
	_ "net/http/pprof"
	"os"
	"runtime"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/silly"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	_ "github.com/distribution/distribution/v3/registry/proxy"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/azure"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/gcs"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/middleware/cloudfront"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/middleware/redirect"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/middleware/rewrite"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/s3-aws"

	_ "stowage/host/distribution"
)

func main() {
	defer complain()
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}

// complain turns the panic by which Distribution gives a wrong configuration up into one line; a
// fault of the program keeps its trace.
func complain() {
	switch v := recover().(type) {
	case nil:
	case runtime.Error:
		panic(v)
	default:
		fmt.Fprintf(os.Stderr, "registry-stowage: %v\n", v)
		os.Exit(1)
	}
}
