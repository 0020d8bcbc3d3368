/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of [http] and [log], defaults and help lines included.  It knows nothing of how a value
 * is parsed or used.
 */
#include "host/serve/options.h"

const struct stow_option serve_http_options[] = {
	{ "listen", STOW_OPTION_STRING, 0, "127.0.0.1:5000",
	  "address and port to serve on: host:port, [v6]:port; port 0 takes a free one" },
	{ "secret", STOW_OPTION_STRING, STOW_OPTION_SECRET, NULL,
	  "keys of upload tokens, separated by commas, the first signs; unset: derived or kept" },
	{ "relativeurls", STOW_OPTION_BOOL, 0, "no",
	  "Location headers without scheme and host, for a proxy that ends TLS" },
	{ "threads", STOW_OPTION_COUNT, 0, "2",
	  "threads that move bytes of connections (1 to 64)" },
	{ "workers", STOW_OPTION_COUNT, 0, "128", "threads that wait for the store (4 to 4096)" },
	{ "maxconnections", STOW_OPTION_COUNT, 0, "8192",
	  "open connections; more wait until one of them ends" },
	{ "maxrequests", STOW_OPTION_COUNT, 0, "4096",
	  "requests under way at once; more are answered 503" },
	{ "maxqueue", STOW_OPTION_COUNT, 0, "2048",
	  "requests waiting for a worker; while there are more, new ones are answered 503" },
	{ "maxdiscard", STOW_OPTION_SIZE, 0, "64M",
	  "bytes of a refused body that are read so that the client sees the answer" },
	{ "manifestmemory", STOW_OPTION_SIZE, 0, "256M",
	  "memory of all manifests being received or sent; more are answered 503" },
	{ "idletimeout", STOW_OPTION_TIME, 0, "120s",
	  "a connection that moves no byte for so long is closed" },
	{ "requesttimeout", STOW_OPTION_TIME, 0, "60s",
	  "time for the store to take or give one step of a request" },
	{ "committimeout", STOW_OPTION_TIME, 0, "15m", "time to put a finished upload in place" },
	{ "draintime", STOW_OPTION_TIME, 0, "30s",
	  "after SIGTERM, time to finish what is under way" },
	{ NULL, 0, 0, NULL, NULL },
};

const struct stow_option serve_log_options[] = {
	{ "level", STOW_OPTION_STRING, 0, "info", "error, warning, info or debug" },
	{ "format", STOW_OPTION_STRING, 0, "text", "text (key=value) or json, one line an event" },
	{ "accesslog", STOW_OPTION_BOOL, 0, "on", "one line a request on standard output" },
	{ NULL, 0, 0, NULL, NULL },
};
