/* SPDX-License-Identifier: Apache-2.0 */
/* What the checked way to a driver stands on, compiled in as it is. */
#include "common/text.c"
