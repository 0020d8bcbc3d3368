/* SPDX-License-Identifier: Apache-2.0 */
/* All that a host calls, in one include. */
#ifndef STOWAGE_H
#define STOWAGE_H

#include <stowage/config.h>
#include <stowage/driver.h>
#include <stowage/registry.h>
#include <stowage/store.h>
#include <stowage/types.h>

#endif
