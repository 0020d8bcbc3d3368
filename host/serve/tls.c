/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS over GnuTLS; this file alone knows it.
 *
 * The library makes a session for each connection and drives it.  Everything else is put into the
 * session before its first byte: credentials, counted so that a reload frees them only when the
 * last session of theirs is gone; the priorities; how a client certificate is judged; and where
 * bytes come from.  The last is for handshakes: the library looks at a connection in handshake over
 * and over while the client says nothing, so the connection is suspended instead until there is
 * something to read.
 */
#include "host/serve/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "common/thread.h"
#include "host/serve/connections.h"
#include "host/serve/listen.h"
#include "host/serve/readable.h"
#include "host/serve/tls-files.h"

#define LOOK_INTERVAL (3 * CLOCK_SECOND)

/* What every client of a registry can: forward secrecy and authenticated ciphers; the group first
 * that they offer at once, which saves a round trip. */
#define BASE_CIPHERS                                                                               \
	"NORMAL:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:"            \
	"+CHACHA20-POLY1305:-MAC-ALL:+AEAD:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:"             \
	"+GROUP-SECP384R1:+GROUP-SECP521R1:%SERVER_PRECEDENCE"
#define VERSION_1_3 ":-VERS-ALL:+VERS-TLS1.3"
#define VERSION_1_2 ":-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

static const char component[] = "tls";

enum asking { ASK_NO, ASK_OPTIONAL, ASK_REQUIRED };

struct identity {
	gnutls_certificate_credentials_t credentials;
	char subject[128];
	time_t since, until;
	unsigned refs; /* atomic */
};

struct tls {
	const struct sink *sink;
	const char *certificate, *key, *authority; /* paths; authority may be NULL */
	enum asking asking;
	int64_t patience; /* ns that a handshake may take */
	gnutls_priority_t priorities;
	struct MHD_OptionItem options[2];
	struct readable *readable;
	struct mutex reload; /* one reload at a time */
	uint8_t tried[32] GUARDED_BY(reload);
	char complaint[512] GUARDED_BY(reload); /* of the last reload; "": none */
	struct mutex lock;
	struct identity *identity GUARDED_BY(lock);
	int64_t looked_ns; /* tick's */
};

struct tls_connection {
	struct readable_wait wait;
	struct tls *tls;
	struct identity *identity;
	struct MHD_Connection *connection;
	gnutls_session_t session;
	bool begun;       /* the first byte was seen */
	bool established; /* nothing of the handshake is still to be read */
	char name[TLS_NAME_MAX];
};

/* ---- an identity: certificate, key, and whom clients are to be certified by ---- */

static gnutls_datum_t datum(const struct buf *b)
{
	return (gnutls_datum_t){ (unsigned char *)b->data, (unsigned)b->len };
}

static void release(struct identity *i)
{
	if (!i || __atomic_sub_fetch(&i->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (i->credentials)
		gnutls_certificate_free_credentials(i->credentials);
	free(i);
}

static int refuse(struct stow_error *err, const char *option, const char *path, int code)
{
	if (code == GNUTLS_E_MEMORY_ERROR)
		return error_nomem(err, "config");
	return error_set(err, STOW_EINVAL, "config", "[http] %s = %s: %s", option, path,
	                 gnutls_strerror(code));
}

/* With the chain in order, whatever it was in the file. */
static int set_chain(const struct tls *t, const struct tls_files *f, struct identity *i,
                     gnutls_x509_privkey_t key, struct stow_error *err)
{
	gnutls_datum_t text = datum(&f->certificate);
	gnutls_x509_crt_t *chain = NULL;
	unsigned n = 0;
	size_t size = sizeof i->subject;
	int e = gnutls_x509_crt_list_import2(&chain, &n, &text, GNUTLS_X509_FMT_PEM,
	                                     GNUTLS_X509_CRT_LIST_SORT);

	if (e < 0)
		return refuse(err, "certificate", t->certificate, e);
	if (gnutls_x509_crt_get_dn(chain[0], i->subject, &size) < 0)
		text_copy(i->subject, sizeof i->subject, "?");
	i->since = gnutls_x509_crt_get_activation_time(chain[0]);
	i->until = gnutls_x509_crt_get_expiration_time(chain[0]);
	e = gnutls_certificate_set_x509_key(i->credentials, chain, (int)n, key);
	for (unsigned k = 0; k < n; k++)
		gnutls_x509_crt_deinit(chain[k]);
	gnutls_free(chain);
	if (e == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return error_set(err, STOW_EINVAL, "config",
		                 "[http] key = %s: not the key of the certificate in %s", t->key,
		                 t->certificate);
	return e < 0 ? refuse(err, "certificate", t->certificate, e) : STOW_OK;
}

static int set_authority(const struct tls *t, const struct tls_files *f, struct identity *i,
                         struct stow_error *err)
{
	gnutls_datum_t text = datum(&f->authority);
	int n;

	if (!t->authority)
		return STOW_OK;
	n = gnutls_certificate_set_x509_trust_mem(i->credentials, &text, GNUTLS_X509_FMT_PEM);
	if (n == 0)
		n = GNUTLS_E_NO_CERTIFICATE_FOUND;
	return n < 0 ? refuse(err, "clientca", t->authority, n) : STOW_OK;
}

static int make_identity(const struct tls *t, const struct tls_files *f, struct identity **ret,
                         struct stow_error *err)
{
	gnutls_datum_t text = datum(&f->key);
	struct identity *i = calloc(1, sizeof *i);
	gnutls_x509_privkey_t key = NULL;
	int status = STOW_OK, e;

	if (!i)
		return error_nomem(err, "config");
	i->refs = 1;
	if (gnutls_certificate_allocate_credentials(&i->credentials) < 0 ||
	    gnutls_x509_privkey_init(&key) < 0) {
		status = error_nomem(err, "config");
	} else {
		e = gnutls_x509_privkey_import2(key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
		if (e < 0)
			status = refuse(err, "key", t->key, e);
	}
	if (status == STOW_OK)
		status = set_chain(t, f, i, key, err);
	if (status == STOW_OK)
		status = set_authority(t, f, i, err);
	gnutls_x509_privkey_deinit(key);
	if (status != STOW_OK) {
		release(i);
		return status;
	}
	*ret = i;
	return STOW_OK;
}

/* ---- which of them is in force ---- */

static struct identity *current(struct tls *t)
{
	struct identity *i;

	mutex_lock(&t->lock);
	i = t->identity;
	__atomic_add_fetch(&i->refs, 1, __ATOMIC_RELAXED);
	mutex_unlock(&t->lock);
	return i;
}

static void say_what_is_taken(const struct tls *t, const struct identity *i, mode_t key_mode)
{
	char until[24];
	time_t now = (time_t)(clock_real() / CLOCK_SECOND);

	text_format_rfc3339(until, i->until);
	sink_event(t->sink, STOW_LOG_INFO, component, NULL, "certificate of %s, valid until %s",
	           i->subject, until);
	if (now > i->until || now < i->since)
		sink_event(t->sink, STOW_LOG_WARNING, component, NULL,
		           "[http] certificate = %s: %s", t->certificate,
		           now > i->until ? "it has expired" : "it is not valid yet");
	/* a group that may read it is a usual way to share one */
	if (key_mode & (S_IWGRP | S_IROTH | S_IWOTH))
		sink_event(t->sink, STOW_LOG_WARNING, component, NULL,
		           "[http] key = %s: mode %04o lets others at it", t->key,
		           (unsigned)(key_mode & 07777));
}

/* Takes the files up where they are not those that were tried last; `again` where they are, too. */
static int take_up_locked(struct tls *t, bool again, struct stow_error *err) REQUIRES(t->reload);
static int take_up_locked(struct tls *t, bool again, struct stow_error *err)
{
	struct tls_files f = { 0 };
	struct identity *fresh = NULL, *old;
	int status = tls_files_read(&f, t->certificate, t->key, t->authority, err);
	bool same;

	if (status != STOW_OK) {
		/* what comes after it is news */
		memset(t->tried, 0, sizeof t->tried);
		tls_files_done(&f);
		return status;
	}
	same = memcmp(f.hash, t->tried, sizeof f.hash) == 0;
	if (same && (!again || !t->complaint[0])) {
		tls_files_done(&f);
		return t->complaint[0] ? error_set(err, STOW_EINVAL, "config", "%s", t->complaint)
		                       : STOW_OK;
	}
	memcpy(t->tried, f.hash, sizeof f.hash);
	status = make_identity(t, &f, &fresh, err);
	tls_files_done(&f);
	if (!fresh)
		return status;
	say_what_is_taken(t, fresh, f.key_mode);
	mutex_lock(&t->lock);
	old = t->identity;
	t->identity = fresh;
	mutex_unlock(&t->lock);
	release(old);
	return STOW_OK;
}

int tls_reload(struct tls *t, struct stow_error *err)
{
	struct stow_error own = { 0 };
	int status;

	mutex_lock(&t->reload);
	status = take_up_locked(t, true, &own);
	text_copy(t->complaint, sizeof t->complaint, status == STOW_OK ? "" : own.message);
	mutex_unlock(&t->reload);
	return status == STOW_OK ? STOW_OK : error_copy(err, &own);
}

static void look(struct tls *t)
{
	struct stow_error err = { 0 };
	bool news;
	int status;

	mutex_lock(&t->reload);
	status = take_up_locked(t, false, &err);
	news = status != STOW_OK && strcmp(err.message, t->complaint) != 0;
	text_copy(t->complaint, sizeof t->complaint, status == STOW_OK ? "" : err.message);
	mutex_unlock(&t->reload);
	if (news)
		sink_event(t->sink, STOW_LOG_WARNING, component, NULL,
		           "the certificate stays as it was: %s", err.message);
}

void tls_tick(struct tls *t)
{
	int64_t now = clock_monotonic();

	if (!t)
		return;
	readable_tick(t->readable);
	if (now - t->looked_ns < LOOK_INTERVAL)
		return;
	t->looked_ns = now;
	look(t);
}

/* ---- the client's certificate ---- */

static bool is_plain_name(const char *name, size_t len)
{
	size_t at = 0, n;

	/* a NUL within would hide what comes after it */
	if (len == 0 || strlen(name) != len)
		return false;
	while (at < len) {
		unsigned char c = (unsigned char)name[at];

		n = text_utf8_length(name + at, len - at);
		if (n == 0 || c < ' ' || c == 0x7f)
			return false;
		at += n;
	}
	return true;
}

/* false where there is none, or one that cannot be said. */
static bool find_name(gnutls_x509_crt_t certificate, char *ret, size_t cap)
{
	size_t len = cap;
	int e = gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, ret,
	                                      &len);

	if (e != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return e >= 0 && is_plain_name(ret, len);
	for (unsigned i = 0;; i++) {
		len = cap - 1; /* not every version ends it with a NUL */
		e = gnutls_x509_crt_get_subject_alt_name(certificate, i, ret, &len, NULL);
		if (e < 0)
			return false;
		if (e != GNUTLS_SAN_URI && e != GNUTLS_SAN_RFC822NAME && e != GNUTLS_SAN_DNSNAME)
			continue;
		ret[len] = '\0';
		return is_plain_name(ret, len);
	}
}

/* NULL where it is good, else what is wrong; *ret_status is GnuTLS's, 0 where it has no say. */
static const char *judge(gnutls_session_t session, char *ret_name, unsigned *ret_status)
{
	char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st wanted = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		                         .data = (unsigned char *)purpose };
	gnutls_x509_crt_t certificate;
	const gnutls_datum_t *chain;
	unsigned n = 0;
	bool named;

	if (gnutls_certificate_verify_peers(session, &wanted, 1, ret_status) < 0)
		return "it cannot be verified";
	if (*ret_status != 0)
		return "it does not verify";
	chain = gnutls_certificate_get_peers(session, &n);
	if (!chain || n == 0 || gnutls_x509_crt_init(&certificate) < 0)
		return "it cannot be read";
	named = gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) >= 0 &&
	        find_name(certificate, ret_name, TLS_NAME_MAX);
	gnutls_x509_crt_deinit(certificate);
	return named ? NULL : "there is no usable name in it";
}

static struct tls_connection *of_session(gnutls_session_t session)
{
	gnutls_transport_ptr_t from, to;

	gnutls_transport_get_ptr2(session, &from, &to);
	return from;
}

static void format_client(const struct tls_connection *c, char address[LISTEN_ADDRESS_MAX])
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		c->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	if (!info || !listen_format(info->client_addr, address))
		text_copy(address, LISTEN_ADDRESS_MAX, "?");
}

static void log_refusal(const struct tls_connection *c, const char *why, unsigned status)
{
	gnutls_datum_t more = { NULL, 0 };
	char address[LISTEN_ADDRESS_MAX];

	format_client(c, address);
	if (status != 0)
		(void)gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &more,
		                                                   0);
	/* its sentences end with a space */
	while (more.size > 0 && (more.data[more.size - 1] == ' ' || !more.data[more.size - 1]))
		more.data[--more.size] = '\0';
	sink_event(c->tls->sink, STOW_LOG_INFO, component, NULL,
	           "client certificate of %s refused: %s", address,
	           more.data ? (const char *)more.data : why);
	gnutls_free(more.data);
}

static void log_name(const struct tls_connection *c)
{
	char address[LISTEN_ADDRESS_MAX];

	format_client(c, address);
	sink_event(c->tls->sink, STOW_LOG_DEBUG, component, NULL, "client certificate of %s: %s",
	           address, c->name);
}

/* In the handshake, once the client has sent its certificate, or said that it has none. */
static int verify(gnutls_session_t session)
{
	struct tls_connection *c = of_session(session);
	gnutls_alert_description_t alert = GNUTLS_A_BAD_CERTIFICATE;
	unsigned n = 0, status = 0;
	const char *why;

	if (!gnutls_certificate_get_peers(session, &n) || n == 0) {
		if (c->tls->asking != ASK_REQUIRED)
			return 0;
		why = "there is none";
		/* the name that TLS 1.3 has for it */
		alert = gnutls_protocol_get_version(session) == GNUTLS_TLS1_3
		                ? GNUTLS_A_CERTIFICATE_REQUIRED
		                : GNUTLS_A_HANDSHAKE_FAILURE;
	} else {
		why = judge(session, c->name, &status);
		if (!why) {
			log_name(c);
			return 0;
		}
		if (status & GNUTLS_CERT_EXPIRED)
			alert = GNUTLS_A_CERTIFICATE_EXPIRED;
		else if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
			alert = GNUTLS_A_UNKNOWN_CA;
	}
	c->name[0] = '\0';
	log_refusal(c, why, status);
	/* the library would just close */
	(void)gnutls_alert_send(session, GNUTLS_AL_FATAL, alert);
	return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
}

/* ---- a connection ---- */

static void resume(struct readable_wait *w)
{
	struct tls_connection *c = (struct tls_connection *)w; /* its first member */

	MHD_resume_connection(c->connection);
}

/* Suspends the connection until there is something to read: the errno that pull is to give. */
static int wait_for_client(struct tls_connection *c)
{
	if (c->wait.over)
		return ETIMEDOUT;
	/* first: it may be resumed at once */
	MHD_suspend_connection(c->connection);
	if (readable_add(c->tls->readable, &c->wait))
		return EAGAIN;
	MHD_resume_connection(c->connection);
	return ECANCELED;
}

static ssize_t pull(gnutls_transport_ptr_t from, void *data, size_t len)
{
	struct tls_connection *c = from;
	ssize_t n = recv(c->wait.fd, data, len, 0);
	int e = errno;

	if (n > 0 && !c->begun) {
		char first = *(const char *)data;

		c->begun = true;
		if (first >= 'A' && first <= 'Z') {
			/* who speaks HTTP here learns why it fails */
			connection_refuse(c->wait.fd,
			                  "This port speaks TLS: use https instead of http");
			n = -1;
			e = EPROTO;
		}
	} else if (n < 0 && e == EAGAIN && !c->established) {
		e = wait_for_client(c);
	}
	if (n < 0)
		gnutls_transport_set_errno(c->session, e);
	return n;
}

/* Called where a Finished went either way; the client's is the last that a handshake reads. */
static int on_finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                       const gnutls_datum_t *message)
{
	(void)type;
	(void)when;
	(void)message;
	if (incoming)
		of_session(session)->established = true;
	return 0;
}

static bool set_session(struct tls_connection *c)
{
	gnutls_session_t s = c->session;
	gnutls_transport_ptr_t from, to;

	if (gnutls_priority_set(s, c->tls->priorities) < 0 ||
	    gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, c->identity->credentials) < 0)
		return false;
	gnutls_transport_get_ptr2(s, &from, &to);
	gnutls_transport_set_ptr2(s, c, to);
	gnutls_transport_set_pull_function(s, pull);
	gnutls_handshake_set_hook_function(s, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST,
	                                   on_finished);
	if (c->tls->asking == ASK_NO)
		return true;
	gnutls_certificate_server_set_request(s, GNUTLS_CERT_REQUEST);
	gnutls_session_set_verify_function(s, verify);
	return true;
}

struct tls_connection *tls_connect(struct tls *t, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *session = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	const union MHD_ConnectionInfo *socket = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct tls_connection *c = calloc(1, sizeof *c);

	if (!session || !socket || !c) {
		free(c);
		return NULL;
	}
	c->tls = t;
	c->connection = connection;
	c->session = session->tls_session;
	c->wait.fd = socket->connect_fd;
	c->wait.deadline_ns = clock_monotonic() + t->patience;
	c->wait.go_on = resume;
	c->identity = current(t);
	if (set_session(c))
		return c;
	gnutls_credentials_clear(c->session);
	tls_disconnect(c);
	return NULL;
}

void tls_disconnect(struct tls_connection *c)
{
	if (!c)
		return;
	release(c->identity);
	free(c);
}

const char *tls_client_name(const struct tls_connection *c)
{
	return c ? c->name : "";
}

/* ---- open and close ---- */

/* The library asks for some certificate when it starts. Sessions have credentials of their own;
 * one that could not be given them gets none here, and fails. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int n,
                          const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
                          gnutls_pcert_st **certificates, unsigned *n_certificates,
                          gnutls_privkey_t *key)
{
	(void)session;
	(void)authorities;
	(void)n;
	(void)algorithms;
	(void)n_algorithms;
	(void)certificates;
	(void)n_certificates;
	(void)key;
	return -1;
}

static const char *text_of(const struct stow_config *config, const char *key)
{
	const char *value = stow_config_string(config, "http", key);

	return value && *value ? value : NULL;
}

static int unexpected(struct stow_error *err, const char *key, const char *value, const char *what)
{
	return error_set(err, STOW_EINVAL, "config", "[http] %s = %s: %s", key, value, what);
}

/* Each option that makes no sense without another is refused: else an operator who mistypes one
 * serves without what the other asks for. */
static int check_company(const struct stow_config *config, struct stow_error *err)
{
	static const struct {
		const char *key, *needs;
	} pairs[] = {
		{ "certificate", "key" },
		{ "key", "certificate" },
		{ "ciphers", "certificate" },
		{ "clientca", "certificate" },
		{ "clientcertificate", "clientca" },
	};

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		const char *value = text_of(config, pairs[i].key);

		if (value && !text_of(config, pairs[i].needs))
			return error_set(err, STOW_EINVAL, "config",
			                 "[http] %s = %s: needs [http] %s", pairs[i].key, value,
			                 pairs[i].needs);
	}
	return STOW_OK;
}

static int read_asking(struct tls *t, const struct stow_config *config, struct stow_error *err)
{
	const char *value = text_of(config, "clientcertificate");

	if (!value)
		t->asking = t->authority ? ASK_REQUIRED : ASK_NO;
	else if (strcmp(value, "no") == 0)
		t->asking = ASK_NO;
	else if (strcmp(value, "optional") == 0)
		t->asking = ASK_OPTIONAL;
	else if (strcmp(value, "required") == 0)
		t->asking = ASK_REQUIRED;
	else
		return unexpected(err, "clientcertificate", value,
		                  "expected no, optional or required");
	return STOW_OK;
}

/* What begins with a sign changes the base; anything else stands in its place. The versions come
 * last, so that nothing in it takes the minimum back. */
static int read_priorities(struct tls *t, const struct stow_config *config, struct stow_error *err)
{
	const char *least = text_of(config, "minimumtls"), *ciphers = text_of(config, "ciphers");
	const char *versions = VERSION_1_2, *at = NULL;
	const unsigned *list;
	bool changes = ciphers && strchr("+-!%", *ciphers);
	char text[1024];
	int e;

	if (least && strcmp(least, "tls1.3") == 0)
		versions = VERSION_1_3;
	else if (least && strcmp(least, "tls1.2") != 0)
		return unexpected(err, "minimumtls", least, "expected tls1.2 or tls1.3");
	if (!text_format(text, sizeof text, "%s%s%s%s", ciphers && !changes ? "" : BASE_CIPHERS,
	                 changes ? ":" : "", ciphers ? ciphers : "", versions))
		return unexpected(err, "ciphers", ciphers, "too long");
	e = gnutls_priority_init2(&t->priorities, text, &at, 0);
	if (e == GNUTLS_E_MEMORY_ERROR)
		return error_nomem(err, "config");
	if (e < 0) {
		t->priorities = NULL;
		return error_set(err, STOW_EINVAL, "config",
		                 "[http] ciphers = %s: not a GnuTLS priority string, at \"%s\"",
		                 ciphers ? ciphers : BASE_CIPHERS, at ? at : "");
	}
	if (gnutls_priority_cipher_list(t->priorities, &list) <= 0)
		return unexpected(err, "ciphers", ciphers ? ciphers : "", "leaves no cipher");
	return STOW_OK;
}

static int configure(struct tls *t, const struct stow_config *config, struct stow_error *err)
{
	gnutls_certificate_retrieve_function2 *const callback = no_certificate;
	int status;

	t->certificate = text_of(config, "certificate");
	t->key = text_of(config, "key");
	t->authority = text_of(config, "clientca");
	t->patience = stow_config_number(config, "http", "idletimeout");
	t->looked_ns = clock_monotonic();
	t->options[0].option = MHD_OPTION_HTTPS_CERT_CALLBACK;
	memcpy(&t->options[0].ptr_value, &callback, sizeof callback);
	t->options[1].option = MHD_OPTION_END;
	status = read_asking(t, config, err);
	if (status == STOW_OK)
		status = read_priorities(t, config, err);
	return status;
}

int tls_open(const struct stow_config *config, const struct sink *sink, struct tls **ret,
             struct stow_error *err)
{
	struct tls *t;
	int status = check_company(config, err);

	*ret = NULL;
	if (status != STOW_OK || !text_of(config, "certificate"))
		return status;
	t = calloc(1, sizeof *t);
	if (!t)
		return error_nomem(err, "config");
	if (mutex_init(&t->reload) != 0) {
		free(t);
		return error_nomem(err, "config");
	}
	if (mutex_init(&t->lock) != 0) {
		mutex_done(&t->reload);
		free(t);
		return error_nomem(err, "config");
	}
	t->sink = sink;
	status = configure(t, config, err);
	if (status == STOW_OK)
		status = tls_reload(t, err);
	if (status == STOW_OK)
		status = readable_start(&t->readable, err);
	if (status != STOW_OK) {
		tls_close(t);
		return status;
	}
	*ret = t;
	return STOW_OK;
}

const struct MHD_OptionItem *tls_options(const struct tls *t)
{
	return t->options;
}

void tls_stop(struct tls *t)
{
	if (t)
		readable_stop(t->readable);
}

void tls_close(struct tls *t)
{
	if (!t)
		return;
	readable_free(t->readable);
	release(t->identity);
	if (t->priorities)
		gnutls_priority_deinit(t->priorities);
	mutex_done(&t->lock);
	mutex_done(&t->reload);
	free(t);
}
