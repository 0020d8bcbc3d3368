/* SPDX-License-Identifier: Apache-2.0 */
/* The checked way to a driver, compiled in as it is: see docs/design/README.md. */
#include "plugin/loader.c"
