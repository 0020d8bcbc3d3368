/* SPDX-License-Identifier: Apache-2.0 */
/* The option tables of the sections that the HTTP host adds. */
#ifndef SERVE_OPTIONS_H
#define SERVE_OPTIONS_H

#include <stowage/driver.h>

extern const struct stow_option serve_http_options[];
extern const struct stow_option serve_health_options[];
extern const struct stow_option serve_auth_options[];
extern const struct stow_option serve_access_options[];
extern const struct stow_option serve_log_options[];

#endif
