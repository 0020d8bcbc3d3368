/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of [http], [health], [auth], [access] and [log], defaults and help lines included.  It knows nothing of how a value
 * is parsed or used.
 */
#include "host/serve/options.h"

const struct stow_option serve_http_options[] = {
	{ "listen", STOW_OPTION_STRING, 0, "127.0.0.1:5000",
	  "address and port to serve on: host:port, [v6]:port; port 0 takes a free one" },
	{ "certificate", STOW_OPTION_STRING, 0, NULL,
	  "PEM file: the certificate and its chain; set, the port speaks TLS; reread on change" },
	{ "key", STOW_OPTION_STRING, 0, NULL, "PEM file: the certificate's key; reread on change" },
	{ "minimumtls", STOW_OPTION_STRING, 0, "tls1.2", "tls1.2 or tls1.3" },
	{ "ciphers", STOW_OPTION_STRING, 0, NULL,
	  "GnuTLS priority string; beginning with +, - or %, it changes the default" },
	{ "clientca", STOW_OPTION_STRING, 0, NULL,
	  "PEM file: authorities whose client certificates are taken; reread on change" },
	{ "clientcertificate", STOW_OPTION_STRING, 0, NULL,
	  "no, optional or required; unset: required where there is a clientca" },
	{ "secret", STOW_OPTION_STRING, STOW_OPTION_SECRET, NULL,
	  "keys of upload tokens, separated by commas, the first signs; unset: derived or kept" },
	{ "host", STOW_OPTION_STRING, 0, NULL,
	  "URL that clients use, https://registry.example.org[:port][/path]; stronger than what "
	  "requests and proxies say; unset: from each request" },
	{ "prefix", STOW_OPTION_STRING, 0, NULL,
	  "path in front of /v2/ that requests come with, /registry/; others are not found" },
	{ "relativeurls", STOW_OPTION_BOOL, 0, "no",
	  "Location headers without scheme and host, where host is not set" },
	{ "trustedproxies", STOW_OPTION_STRING, 0, NULL,
	  "addresses and networks, separated by commas, whose Forwarded and X-Forwarded-For, "
	  "-Host, -Prefix and -Proto are believed" },
	{ "headers", STOW_OPTION_STRING, 0, NULL,
	  "headers of every answer, Name: value, separated by a ; in front of the next name; in a "
	  "file, @/path, one a line" },
	{ "threads", STOW_OPTION_COUNT, 0, "2",
	  "threads that move bytes of connections (1 to 64)" },
	{ "workers", STOW_OPTION_COUNT, 0, "128", "threads that wait for the store (4 to 4096)" },
	{ "maxconnections", STOW_OPTION_COUNT, 0, "8192",
	  "open connections; more wait until one of them ends" },
	{ "maxperaddress", STOW_OPTION_COUNT, 0, "0",
	  "open connections of one address; one more is closed at once; 0: no limit" },
	{ "maxheader", STOW_OPTION_SIZE, 0, "32K",
	  "memory of a connection, which the head of a request must fit into (8K to 1M)" },
	{ "maxrequests", STOW_OPTION_COUNT, 0, "4096",
	  "requests under way at once; more are answered 503" },
	{ "maxqueue", STOW_OPTION_COUNT, 0, "2048",
	  "requests waiting for a worker; while there are more, new ones are answered 503" },
	{ "maxblob", STOW_OPTION_SIZE, 0, "0", "the largest blob that is taken; 0: no limit" },
	{ "maxdiscard", STOW_OPTION_SIZE, 0, "64M",
	  "bytes of a refused body that are read so that the client sees the answer" },
	{ "manifestmemory", STOW_OPTION_SIZE, 0, "256M",
	  "memory of all manifests and lists under way; more are answered 503" },
	{ "idletimeout", STOW_OPTION_TIME, 0, "120s",
	  "a connection that moves no byte for so long is closed, as one whose head takes longer" },
	{ "minrate", STOW_OPTION_SIZE, 0, "100",
	  "a client that takes or sends fewer bytes a second is closed; 0: none" },
	{ "minratetime", STOW_OPTION_TIME, 0, "60s", "time of the client's over which that is so" },
	{ "requesttimeout", STOW_OPTION_TIME, 0, "60s",
	  "time for the store to take or give one step of a request" },
	{ "committimeout", STOW_OPTION_TIME, 0, "15m", "time to put a finished upload in place" },
	{ "draintime", STOW_OPTION_TIME, 0, "30s",
	  "after SIGTERM, time to finish what is under way" },
	{ "readonly", STOW_OPTION_BOOL, 0, "no", "refuse what would change the store" },
	{ "redirect", STOW_OPTION_BOOL, 0, "no",
	  "send GETs of blobs on to a URL of the store's, where it has any" },
	{ "redirectagents", STOW_OPTION_STRING, 0, NULL,
	  "only clients whose User-Agent begins with one of these, parted by commas" },
	{ "redirectsize", STOW_OPTION_SIZE, 0, "64K", "smaller blobs are served by this process" },
	{ "redirecttime", STOW_OPTION_TIME, 0, "20m", "how long such a URL is good" },
	{ NULL, 0, 0, NULL, NULL },
};

const struct stow_option serve_health_options[] = {
	{ "interval", STOW_OPTION_TIME, 0, "10s",
	  "how often the store is asked whether it is there; 0: never" },
	{ "timeout", STOW_OPTION_TIME, 0, "10s", "time for its answer" },
	{ "threshold", STOW_OPTION_COUNT, 0, "3",
	  "failures in a row after which /readyz says so (1 to 1000)" },
	{ NULL, 0, 0, NULL, NULL },
};

const struct stow_option serve_auth_options[] = {
	{ "htpasswd", STOW_OPTION_STRING, 0, NULL,
	  "file of users and their passwords' bcrypt hashes, as htpasswd -B makes it" },
	{ "realm", STOW_OPTION_STRING, 0, NULL,
	  "what a browser shows; with issuer, the URL of the token service" },
	{ "issuer", STOW_OPTION_STRING, 0, NULL,
	  "who makes the tokens (iss); with it, bearer tokens are wanted" },
	{ "service", STOW_OPTION_STRING, 0, NULL, "this registry's name in tokens (aud)" },
	{ "jwks", STOW_OPTION_STRING, 0, NULL, "file of the issuer's keys, a JWK set" },
	{ "rootcertbundle", STOW_OPTION_STRING, 0, NULL,
	  "PEM file of certificates that tokens' keys are certified by" },
	{ "signingalgorithms", STOW_OPTION_STRING, 0, NULL,
	  "those that are taken, parted by commas; unset: RS, PS, ES and EdDSA" },
	{ "clientcertificate", STOW_OPTION_BOOL, 0, "no",
	  "whether the name in a client's verified certificate is its user's" },
	{ NULL, 0, 0, NULL, NULL },
};

const struct stow_option serve_access_options[] = {
	{ "anonymouspull", STOW_OPTION_BOOL, 0, "no", "whether everybody may pull everything" },
	{ "pull", STOW_OPTION_STRING, 0, NULL,
	  "who may pull where: PATTERN... : USER...; ... unset: all users" },
	{ "push", STOW_OPTION_STRING, 0, NULL, "who may push where, likewise" },
	{ "delete", STOW_OPTION_STRING, 0, NULL,
	  "who may delete where, likewise; [delete] enabled is needed, too" },
	{ NULL, 0, 0, NULL, NULL },
};

const struct stow_option serve_log_options[] = {
	{ "level", STOW_OPTION_STRING, 0, "info", "error, warning, info or debug" },
	{ "levels", STOW_OPTION_STRING, 0, NULL,
	  "other levels of single components: component:level, parted by commas" },
	{ "format", STOW_OPTION_STRING, 0, "text", "text (key=value) or json, one line an event" },
	{ "accesslog", STOW_OPTION_BOOL, 0, "on", "one line a request on standard output" },
	{ NULL, 0, 0, NULL, NULL },
};
