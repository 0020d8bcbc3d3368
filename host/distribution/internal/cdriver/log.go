// SPDX-License-Identifier: Apache-2.0

package cdriver

/*
#include <stdint.h>
*/
import "C"

import "runtime/cgo"

// Level is how much a line matters.
type Level int

const (
	LevelError   Level = 0
	LevelWarning Level = 1
	LevelInfo    Level = 2
	LevelDebug   Level = 3
)

// LogFunc takes one line of a driver.  It may be called from any thread and must not call the
// driver.
type LogFunc func(level Level, component, line string)

//export stowageLog
func stowageLog(id C.uintptr_t, level C.int32_t, component, line *C.char) {
	if log, ok := cgo.Handle(id).Value().(LogFunc); ok && log != nil {
		log(Level(level), C.GoString(component), C.GoString(line))
	}
}
