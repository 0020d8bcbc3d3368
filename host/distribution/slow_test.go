// SPDX-License-Identifier: Apache-2.0

//go:build race || asan

package stowage

const slowness = 3 // limits of time are so many times as long
