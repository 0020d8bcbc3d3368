// SPDX-License-Identifier: Apache-2.0

// Package stowage is a storage driver of CNCF Distribution that stores by any Stowage driver, such
// as s3.so: importing it registers "stowage".
//
//	storage:
//	  stowage:
//	    driver: s3
//	    driverpath: /usr/lib/stowage/drivers
//	    bucket: images
//	    region: eu-central-1
//
// It promises the semantics of Distribution's own driver on the same bucket, with no request more
// for what pushes and pulls read and write.
// It must not know what the paths mean: repositories, blobs and uploads are Distribution's.
package stowage
