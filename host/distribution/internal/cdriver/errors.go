// SPDX-License-Identifier: Apache-2.0

package cdriver

// #include "shim.h"
import "C"

import (
	"errors"
	"time"
)

// Status is what a caller does next, as stowage/types.h has it.
type Status int

const (
	NotFound   Status = C.STOW_ENOTFOUND
	Exists     Status = C.STOW_EEXIST
	Changed    Status = C.STOW_ECHANGED
	Invalid    Status = C.STOW_EINVAL
	Range      Status = C.STOW_ERANGE
	Denied     Status = C.STOW_EDENIED
	NotOffered Status = C.STOW_ENOTSUP
	Busy       Status = C.STOW_EBUSY
	Timeout    Status = C.STOW_ETIMEOUT
	Canceled   Status = C.STOW_ECANCELED
	Corrupt    Status = C.STOW_ECORRUPT
	Failed     Status = C.STOW_EIO
	NoMemory   Status = C.STOW_ENOMEM
)

// Error is a failed call: a line that an operator can act on.
type Error struct {
	Status     Status
	Where      string        // the operation: "s3.put"
	Message    string        // bucket, key, cause; never a secret
	Request    string        // the store's own id of the request, "" if it has none
	RetryAfter time.Duration // how long the store asked to wait
	Retryable  bool          // the same call may succeed later
	Maybe      bool          // a write that may still take effect, or has
}

func (e *Error) Error() string {
	text := e.Message
	if e.Where != "" {
		text = e.Where + ": " + text
	}
	if e.Request != "" {
		text += " (request " + e.Request + ")"
	}
	return text
}

// Is tells whether err is a failed call with that status.
func Is(err error, status Status) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

func newError(status C.int, from *C.struct_stow_error) *Error {
	return &Error{
		Status:     Status(status),
		Where:      C.GoString(&from.where[0]),
		Message:    C.GoString(&from.message[0]),
		Request:    C.GoString(&from.request[0]),
		RetryAfter: time.Duration(from.retry_after_ms) * time.Millisecond,
		Retryable:  from.flags&C.STOW_ERROR_RETRYABLE != 0,
		Maybe:      from.flags&C.STOW_ERROR_MAYBE != 0,
	}
}
