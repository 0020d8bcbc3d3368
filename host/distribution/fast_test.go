// SPDX-License-Identifier: Apache-2.0

//go:build !race && !asan

package stowage

const slowness = 1
