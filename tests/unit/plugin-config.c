/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of plugin/config*: what a mistake is answered with, which source wins, what the getters
 * give.  They must not need a driver on disk.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "plugin/config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const struct stow_option s3_table[] = {
	{ "bucket", STOW_OPTION_STRING, STOW_OPTION_REQUIRED, NULL, "the bucket's name" },
	{ "secretkey", STOW_OPTION_STRING, STOW_OPTION_SECRET, NULL, "the secret key" },
	{ "region", STOW_OPTION_STRING, 0, NULL, "the region" },
	{ "chunksize", STOW_OPTION_SIZE, 0, "8M", "bytes of a part" },
	{ "readtimeout", STOW_OPTION_TIME, 0, "30s", "how long to wait" },
	{ "secure", STOW_OPTION_BOOL, 0, "yes", "whether by TLS" },
	{ "maxretries", STOW_OPTION_COUNT, 0, "5", "how often" },
	{ "v4auth", STOW_OPTION_BOOL, STOW_OPTION_IGNORED, NULL, "nothing" },
	{ NULL, 0, 0, NULL, NULL },
};
static const struct stow_option files_table[] = {
	{ "rootdirectory", STOW_OPTION_STRING, 0, "/var/lib/registry", "the folder" },
	{ "strange", STOW_OPTION_STRING, STOW_OPTION_REQUIRED, NULL, "required by this one" },
	{ NULL, 0, 0, NULL, NULL },
};
static const struct stow_option http_table[] = {
	{ "listen", STOW_OPTION_STRING, 0, "127.0.0.1:5000", "the address" },
	{ "secret", STOW_OPTION_STRING, STOW_OPTION_SECRET, NULL, "keys" },
	{ NULL, 0, 0, NULL, NULL },
};

struct fixture {
	struct stow_config *config;
	struct stow_error err;
	char folder[64];
};

static void add_driver(struct stow_config *c, const char *name, const struct stow_option *table)
{
	struct stow_driver *driver = calloc(1, sizeof(*driver));

	assert_non_null(driver);
	driver->name = name;
	driver->options = table;
	assert_int_equal(config_add_section(c, name, table, driver, NULL, NULL), STOW_OK);
}

static void make_config(struct fixture *f)
{
	stow_config_free(f->config);
	assert_int_equal(stow_config_new(&f->config, &f->err), STOW_OK);
	assert_int_equal(stow_config_driver_path(f->config, "/nonexistent", NULL), STOW_OK);
	assert_int_equal(stow_config_section(f->config, "http", http_table, NULL), STOW_OK);
	add_driver(f->config, "s3", s3_table);
	add_driver(f->config, "filesystem", files_table);
	memset(&f->err, 0, sizeof(f->err));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memcpy(f->folder, "/tmp/stowage-config-XXXXXX", 27);
	assert_non_null(mkdtemp(f->folder));
	make_config(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stow_config_free(f->config);
	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

/* Reads text as plugin.conf; a second file of the same configuration works as well. */
static int parse(struct fixture *f, const char *text)
{
	return config_parse(f->config, "plugin.conf", text, strlen(text), &f->err);
}

static void check_ok(struct fixture *f)
{
	int r = stow_config_check(f->config, &f->err);

	if (r != STOW_OK)
		fail_msg("%s", f->err.message);
}

/* The text must be refused, on reading or by the check, with exactly that line. */
static void refused(struct fixture *f, const char *text, const char *message)
{
	int r;

	make_config(f);
	r = parse(f, text);
	if (r == STOW_OK)
		r = stow_config_check(f->config, &f->err);
	if (r == STOW_OK)
		fail_msg("taken: %s", text);
	assert_string_equal(f->err.message, message);
	assert_int_equal(f->err.status, r);
}

#define BASE "[storage]\ndriver = s3\n[s3]\nbucket = b\n"

static void takes_a_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse(f, "\xef\xbb\xbf# comment\r\n; another\n\n"
	                          "  [storage]  \r\n\tdriver\t=  s3  \n"
	                          "[s3]\nbucket = a b # \"c\" \nchunksize=1.5M\n"
	                          "readtimeout = 500ms\nsecure = off\nmaxretries = 7\n"
	                          "secretkey = p=q=\n[delete]\nenabled = yes\n"
	                          "[s3]\nregion = caf\xc3\xa9"),
	                 STOW_OK);
	check_ok(f);
	assert_string_equal(stow_config_string(f->config, "s3", "bucket"), "a b # \"c\"");
	assert_string_equal(stow_config_string(f->config, "s3", "secretkey"), "p=q=");
	assert_string_equal(stow_config_string(f->config, "s3", "region"), "caf\xc3\xa9");
	assert_int_equal(stow_config_number(f->config, "s3", "chunksize"), 3 << 19);
	assert_int_equal(stow_config_number(f->config, "s3", "readtimeout"), 500000000);
	assert_int_equal(stow_config_number(f->config, "s3", "secure"), 0);
	assert_int_equal(stow_config_number(f->config, "s3", "maxretries"), 7);
	assert_int_equal(stow_config_number(f->config, "delete", "enabled"), 1);
	assert_int_equal(stow_config_number(f->config, "uploads", "age"),
	                 INT64_C(7) * 86400 * 1000000000);
	assert_string_equal(stow_config_string(f->config, "storage", "driver"), "s3");
	assert_null(stow_config_string(f->config, "s3", "none"));
	assert_null(stow_config_string(f->config, "none", "bucket"));
	assert_int_equal(stow_config_number(f->config, "none", "none"), 0);
	assert_string_equal(config_driver(f->config)->name, "s3");
}

static void names_the_fault(void **state)
{
	struct fixture *f = *state;

	refused(f, BASE "chunksize = 8X\n",
	        "plugin.conf:5: [s3] chunksize: expected a size such as 8M, got \"8X\"");
	refused(f, BASE "readtimeout = soon\n",
	        "plugin.conf:5: [s3] readtimeout: expected a time such as 30s, got \"soon\"");
	refused(f, BASE "secure = perhaps\n",
	        "plugin.conf:5: [s3] secure: expected yes or no, got \"perhaps\"");
	refused(f, BASE "maxretries = -1\n",
	        "plugin.conf:5: [s3] maxretries: expected a whole number, got \"-1\"");
	refused(f, BASE "maxretries =\n",
	        "plugin.conf:5: [s3] maxretries: expected a whole number, got \"\"");
	refused(f, BASE "chunksise = 8M\n",
	        "plugin.conf:5: [s3] has no key \"chunksise\", did you mean \"chunksize\"?");
	refused(f, BASE "zzzzzzzz = 8M\n", "plugin.conf:5: [s3] has no key \"zzzzzzzz\"");
	refused(f, BASE "[htpp]\n",
	        "plugin.conf:5: there is no section [htpp], did you mean [http]?");
	refused(f, BASE "[entirely-else]\n",
	        "plugin.conf:5: there is no section [entirely-else] and no driver of that name");
	refused(f, "\nbucket = b\n", "plugin.conf:2: \"bucket\" stands before any [section]");
	refused(f, BASE "region\n", "plugin.conf:5: expected \"key = value\", there is no '='");
	refused(f, BASE "= x\n", "plugin.conf:5: expected \"key = value\", the key is missing");
	refused(f, BASE "\nbucket = c\n", "plugin.conf:6: [s3] bucket is in line 4 already");
	refused(f, BASE "[delete]\n[s3]\nbucket = c\n",
	        "plugin.conf:7: [s3] bucket is in line 4 already");
	refused(f, BASE "[S3]\n",
	        "plugin.conf:5: \"[S3]\": a section is named in lower-case "
	        "letters, digits and '-'");
	refused(f, BASE "[]\n",
	        "plugin.conf:5: \"[]\": a section is named in lower-case "
	        "letters, digits and '-'");
	refused(f, BASE "[../s3]\n",
	        "plugin.conf:5: \"[../s3]\": a section is named in "
	        "lower-case letters, digits and '-'");
	refused(f, BASE "[s3\n", "plugin.conf:5: \"[s3\" has no ']'");
	refused(f, BASE "[s3] x\n", "plugin.conf:5: there is more behind the ']' of \"[s3] x\"");
	refused(f, BASE "region = a\x01z\n", "plugin.conf:5: control byte 0x01 in column 11");
	refused(f, BASE "region = a\rz\n", "plugin.conf:5: control byte 0x0d in column 11");
	refused(f, BASE "region = a\x7fz\n", "plugin.conf:5: control byte 0x7f in column 11");
	refused(f, BASE "region = a\xc0\xafz\n",
	        "plugin.conf:5: byte 0xc0 in column 11 is not UTF-8");
	refused(f, BASE "region = \xed\xa0\x80\n",
	        "plugin.conf:5: byte 0xed in column 10 is not UTF-8");
	refused(f, BASE "region = \xe0\x80\xaf\n",
	        "plugin.conf:5: byte 0xe0 in column 10 is not UTF-8");
	refused(f, BASE "region = \xf4\x90\x80\x80\n",
	        "plugin.conf:5: byte 0xf4 in column 10 is not UTF-8");
	refused(f, BASE "region = \xe2\x82", "plugin.conf:5: byte 0xe2 in column 10 is not UTF-8");
	refused(f, "[storage]\ndriver = s3\n",
	        "[s3] bucket must be set (the bucket's name), in the file or by "
	        "STOWAGE_S3_BUCKET");
	refused(f, "[storage]\ndriver = s3\n[s3]\nbucket =\n",
	        "[s3] bucket must be set (the bucket's name), in the file or by "
	        "STOWAGE_S3_BUCKET");
	refused(f, "[storage]\ndriver = ../x\n",
	        "plugin.conf:2: [storage] driver: \"../x\" is no driver's name: lower-case "
	        "letters, digits and '-', at most 32");
	refused(f, "[storage]\ndriver = http\n",
	        "plugin.conf:2: [storage] driver: \"http\" is a section of its own, no driver");
	refused(f, "[storage]\ndrivers = s3\n",
	        "plugin.conf:2: [storage] has no key \"drivers\", did you mean \"driver\"?");
}

static void driver_unknown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse(f, "[storage]\ndriver = bananas\n"), STOW_OK);
	assert_int_equal(stow_config_check(f->config, &f->err), STOW_ENOTFOUND);
	assert_non_null(strstr(f->err.message, "plugin.conf:2: [storage] driver: no driver "
	                                       "\"bananas\" in /nonexistent, "));
	assert_null(config_driver(f->config));
}

static void nul_byte(void **state)
{
	static const char text[] = "[s3]\nregion = a\0b\n";
	struct fixture *f = *state;

	assert_int_equal(config_parse(f->config, "plugin.conf", text, sizeof(text) - 1, &f->err),
	                 STOW_EINVAL);
	assert_string_equal(f->err.message, "plugin.conf:2: control byte 0x00 in column 11");
}

/* A long line is a line like others, up to the whole file. */
static void long_lines(void **state)
{
	struct fixture *f = *state;
	size_t len = CONFIG_FILE_MAX - strlen(BASE "region = \n");
	cleanup_free char *text = malloc(CONFIG_FILE_MAX + 2);

	assert_non_null(text);
	memcpy(text, BASE "region = ", strlen(BASE "region = "));
	memset(text + strlen(BASE "region = "), 'x', len);
	memcpy(text + CONFIG_FILE_MAX - 1, "\n\n", 3);
	assert_int_equal(config_parse(f->config, "plugin.conf", text, CONFIG_FILE_MAX, &f->err),
	                 STOW_OK);
	check_ok(f);
	assert_int_equal(strlen(stow_config_string(f->config, "s3", "region")), len);
	make_config(f);
	assert_int_equal(config_parse(f->config, "plugin.conf", text, CONFIG_FILE_MAX + 1, &f->err),
	                 STOW_EINVAL);
	assert_string_equal(f->err.message, "plugin.conf: is larger than 1024 KiB");
}

static void too_many_keys(void **state)
{
	struct fixture *f = *state;
	cleanup_buf struct buf text = { 0 };
	int i, r;

	buf_init(&text, CONFIG_FILE_MAX);
	buf_adds(&text, "[s3]\n");
	for (i = 0; i < 5000; i++)
		buf_addf(&text, "k%d=\n", i);
	assert_int_equal(buf_status(&text), STOW_OK);
	r = config_parse(f->config, "plugin.conf", text.data, text.len, &f->err);
	assert_int_equal(r, STOW_ERANGE);
	assert_string_equal(f->err.message, "plugin.conf:4097: more than 4096 keys");
}

/* ---- files ---- */

static const char *path_of(struct fixture *f, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	return path;
}

static void write_file(struct fixture *f, const char *name, const char *text, size_t len)
{
	cleanup_fd int fd = open(path_of(f, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
}

static void files_on_disk(void **state)
{
	struct fixture *f = *state;
	char expected[256];
	cleanup_free char *big = calloc(1, CONFIG_FILE_MAX + 1);

	assert_int_equal(stow_config_read_file(f->config, path_of(f, "none"), &f->err),
	                 STOW_ENOTFOUND);
	snprintf(expected, sizeof(expected), "%s/none: cannot be opened: No such file or directory",
	         f->folder);
	assert_string_equal(f->err.message, expected);
	assert_int_not_equal(stow_config_read_file(f->config, f->folder, &f->err), STOW_OK);
	snprintf(expected, sizeof(expected), "%s: cannot be read: Is a directory", f->folder);
	assert_string_equal(f->err.message, expected);
	assert_non_null(big);
	memset(big, '\n', CONFIG_FILE_MAX + 1);
	write_file(f, "big", big, CONFIG_FILE_MAX + 1);
	assert_int_equal(stow_config_read_file(f->config, path_of(f, "big"), &f->err), STOW_EINVAL);
	snprintf(expected, sizeof(expected), "%s/big: is larger than 1024 KiB", f->folder);
	assert_string_equal(f->err.message, expected);
	write_file(f, "big", BASE, strlen(BASE));
	assert_int_equal(stow_config_read_file(f->config, path_of(f, "big"), &f->err), STOW_OK);
	check_ok(f);
	assert_string_equal(stow_config_string(f->config, "s3", "bucket"), "b");
	unlink(path_of(f, "big"));
}

/* Reads BASE with a secret from a file of that content; STOW_OK or the line is in f->err. */
static int with_secret(struct fixture *f, const char *content, size_t len)
{
	char text[256];
	int r;

	make_config(f);
	write_file(f, "secret", content, len);
	snprintf(text, sizeof(text), BASE "secretkey = @%s/secret\n", f->folder);
	assert_int_equal(parse(f, text), STOW_OK);
	r = stow_config_check(f->config, &f->err);
	unlink(path_of(f, "secret"));
	return r;
}

static void secrets_from_files(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *big = malloc(CONFIG_VALUE_MAX + 1);
	char expected[256];

	assert_int_equal(with_secret(f, "top secret\n", 11), STOW_OK);
	assert_string_equal(stow_config_string(f->config, "s3", "secretkey"), "top secret");
	assert_int_equal(with_secret(f, "a\nb\r\n", 5), STOW_OK);
	assert_string_equal(stow_config_string(f->config, "s3", "secretkey"), "a\nb");
	assert_int_equal(with_secret(f, "two\n\n", 5), STOW_OK);
	assert_string_equal(stow_config_string(f->config, "s3", "secretkey"), "two\n");
	assert_int_equal(with_secret(f, "", 0), STOW_OK);
	assert_string_equal(stow_config_string(f->config, "s3", "secretkey"), "");
	assert_int_equal(with_secret(f, "a\0b", 3), STOW_EINVAL);
	snprintf(expected, sizeof(expected),
	         "plugin.conf:5: [s3] secretkey: %s/secret: holds a NUL byte", f->folder);
	assert_string_equal(f->err.message, expected);
	assert_non_null(big);
	memset(big, 'x', CONFIG_VALUE_MAX + 1);
	assert_int_equal(with_secret(f, big, CONFIG_VALUE_MAX), STOW_OK);
	assert_int_equal(strlen(stow_config_string(f->config, "s3", "secretkey")),
	                 CONFIG_VALUE_MAX);
	assert_int_equal(with_secret(f, big, CONFIG_VALUE_MAX + 1), STOW_EINVAL);
	snprintf(expected, sizeof(expected),
	         "plugin.conf:5: [s3] secretkey: %s/secret: is larger than 64 KiB", f->folder);
	assert_string_equal(f->err.message, expected);
	refused(f, BASE "secretkey = @/no/such\n",
	        "plugin.conf:5: [s3] secretkey: /no/such: cannot be opened: No such file or "
	        "directory");
	refused(f, BASE "chunksize = @/dev/null\n",
	        "plugin.conf:5: [s3] chunksize: expected a size such as 8M");
	make_config(f);
	assert_int_equal(parse(f, BASE "secretkey = @relative\n"), STOW_OK);
	check_ok(f);
	assert_string_equal(stow_config_string(f->config, "s3", "secretkey"), "@relative");
}

/* ---- the environment ---- */

static int environment(struct fixture *f, const char *first, const char *second)
{
	char a[256], b[256];
	char *variables[] = { a, b, NULL };
	int r;

	snprintf(a, sizeof(a), "%s", first);
	snprintf(b, sizeof(b), "%s", second);
	r = stow_config_read_environment(f->config, variables, &f->err);
	if (r == STOW_OK)
		r = stow_config_check(f->config, &f->err);
	return r;
}

static void order_of_strength(void **state)
{
	struct fixture *f = *state;

	/* read in the wrong order on purpose */
	assert_int_equal(stow_config_set(f->config, "s3", "region", "from-set", &f->err), STOW_OK);
	assert_int_equal(parse(f, BASE "region = file\nchunksize = 9M\n"), STOW_OK);
	assert_int_equal(parse(f, "[s3]\nchunksize = 10M\nmaxretries = 1\n"), STOW_OK);
	assert_int_equal(environment(f, "STOWAGE_S3_REGION=env", "STOWAGE_S3_MAXRETRIES=2"),
	                 STOW_OK);
	assert_string_equal(stow_config_string(f->config, "s3", "region"), "from-set");
	assert_int_equal(stow_config_number(f->config, "s3", "chunksize"), 10 << 20);
	assert_int_equal(stow_config_number(f->config, "s3", "maxretries"), 2);
	assert_int_equal(stow_config_set(f->config, "s3", "region", "x", &f->err), STOW_EINVAL);
	assert_int_equal(stow_config_check(f->config, &f->err), STOW_EINVAL);
}

static void environment_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(environment(f, "STOWAGE_STORAGE_DRIVER=s3", "STOWAGE_S3_BUCKET=b"),
	                 STOW_OK);
	assert_string_equal(stow_config_string(f->config, "s3", "bucket"), "b");
	make_config(f);
	assert_int_equal(environment(f, "STOWAGE_STORAGE_DRIVER=s3", "STOWAGE_S3_BUCKETT=b"),
	                 STOW_EINVAL);
	assert_string_equal(f->err.message, "STOWAGE_S3_BUCKETT: [s3] has no key \"buckett\", did "
	                                    "you mean STOWAGE_S3_BUCKET?");
	make_config(f);
	assert_int_equal(environment(f, "STOWAGE_STORAGE_DRIVER=../s3", ""), STOW_EINVAL);
	assert_non_null(strstr(f->err.message, "STOWAGE_STORAGE_DRIVER: [storage] driver: "));
	make_config(f);
	assert_int_equal(environment(f, "STOWAGE_S3_CHUNKSIZE=8X", ""), STOW_EINVAL);
	assert_string_equal(f->err.message, "STOWAGE_S3_CHUNKSIZE: [s3] chunksize: expected a size "
	                                    "such as 8M, got \"8X\"");
	make_config(f);
	assert_int_equal(environment(f, "STOWAGE_S3_CHUNKSIZE=", ""), STOW_EINVAL);
	make_config(f);
	assert_int_equal(environment(f, "STOWAGE_S3_REGION=a\nb", ""), STOW_EINVAL);
	assert_string_equal(f->err.message,
	                    "STOWAGE_S3_REGION: [s3] region: control byte in the value");
	make_config(f);
	assert_int_equal(environment(f, "STOWAGE_STORAGE_DRIVER=s3", "STOWAGE_S3_BUCKET="),
	                 STOW_EINVAL);
}

static void foreign_variables(void **state)
{
	static const char *const variables[] = {
		"STOWAGE_DRIVER_PATH=/x",
		"STOWAGE_CONFIG=/x",
		"STOWAGE_NOBODY_KNOWS=1",
		"STOWAGE_SERVICE_HOST=10.0.0.1",
		"STOWAGE_SERVICE_PORT=5000",
		"STOWAGE_PORT=tcp://10.0.0.1:5000",
		"STOWAGE_PORT_5000_TCP=tcp://10.0.0.1:5000",
		"STOWAGE_HTTP_SERVICE_HOST=10.0.0.1",
		"STOWAGE_HTTP_SERVICE_PORT=5000",
		"STOWAGE_HTTP_SERVICE_PORT_REGISTRY=5000",
		"STOWAGE_HTTP_PORT=tcp://10.0.0.1:5000",
		"STOWAGE_HTTP_PORT_5000_TCP=tcp://10.0.0.1:5000",
		"STOWAGE_HTTP_PORT_5000_TCP_PROTO=tcp",
		"STOWAGE_HTTP_PORT_5000_TCP_PORT=5000",
		"STOWAGE_HTTP_PORT_5000_TCP_ADDR=10.0.0.1",
		"STOWAGE_HTTP_=x",
		"STOWAGE_HTTP=x",
		"STOWAGE_=x",
		"STOWAGE=x",
		"stowage_http_listen=x",
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		make_config(f);
		if (environment(f, variables[i], "STOWAGE_FILESYSTEM_STRANGE=1") != STOW_OK)
			fail_msg("%s: %s", variables[i], f->err.message);
		assert_string_equal(stow_config_string(f->config, "http", "listen"),
		                    "127.0.0.1:5000");
	}
	make_config(f);
	assert_int_equal(environment(f, "STOWAGE_HTTP_PORTS=1", ""), STOW_EINVAL);
	make_config(f);
	assert_int_equal(environment(f, "STOWAGE_HTTP_PORT_X_TCP=1", ""), STOW_EINVAL);
}

static void section_with_dash(void **state)
{
	static const struct stow_option table[] = {
		{ "age", STOW_OPTION_COUNT, 0, "1", "an age" },
		{ NULL, 0, 0, NULL, NULL },
	};
	struct fixture *f = *state;

	assert_int_equal(stow_config_section(f->config, "http-cold", table, &f->err), STOW_OK);
	assert_int_equal(environment(f, "STOWAGE_HTTP_COLD_AGE=5", "STOWAGE_FILESYSTEM_STRANGE=1"),
	                 STOW_OK);
	assert_int_equal(stow_config_number(f->config, "http-cold", "age"), 5);
}

/* ---- what is shown ---- */

static void required_of_the_driver_in_use_only(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse(f, "[storage]\ndriver = filesystem\n[filesystem]\nstrange = 1\n"
	                          "[s3]\nregion = x\n"),
	                 STOW_OK);
	check_ok(f);
	refused(f,
	        "[storage]\ndriver = filesystem\n[filesystem]\nstrange = 1\n"
	        "[s3]\nchunksize = x\n",
	        "plugin.conf:6: [s3] chunksize: expected a size such as 8M, got \"x\"");
}

static void walks_all_keys(void **state)
{
	struct fixture *f = *state;
	struct stow_config_entry e;
	size_t cursor = 0, n = 0;
	int seen = 0;

	assert_int_equal(parse(f, BASE "secretkey = hush\nv4auth = yes\n"), STOW_OK);
	assert_int_equal(environment(f, "STOWAGE_S3_REGION=here", ""), STOW_OK);
	for (; stow_config_next(f->config, &cursor, &e) == STOW_OK; n++) {
		if (strcmp(e.section, "s3") != 0)
			continue;
		if (strcmp(e.option->name, "secretkey") == 0) {
			assert_string_equal(e.value, "***");
			assert_string_equal(e.origin, "plugin.conf:5");
			seen++;
		} else if (strcmp(e.option->name, "region") == 0) {
			assert_string_equal(e.value, "here");
			assert_string_equal(e.origin, "STOWAGE_S3_REGION");
			seen++;
		} else if (strcmp(e.option->name, "chunksize") == 0) {
			assert_string_equal(e.value, "8M");
			assert_string_equal(e.origin, "default");
			seen++;
		}
	}
	assert_int_equal(seen, 3);
	assert_int_equal(n, cursor);
	assert_string_equal(stow_config_warning(f->config, 0),
	                    "plugin.conf:6: [s3] v4auth has no effect here");
	assert_null(stow_config_warning(f->config, 1));
}

static void pairs_for_the_driver(void **state)
{
	cleanup_free struct stow_kv *pairs = NULL;
	struct fixture *f = *state;
	size_t n;

	assert_int_equal(config_driver_pairs(f->config, &pairs, &n, &f->err), STOW_EINVAL);
	assert_int_equal(parse(f, BASE "v4auth = yes\nregion =\n"), STOW_OK);
	check_ok(f);
	assert_int_equal(config_driver_pairs(f->config, &pairs, &n, &f->err), STOW_OK);
	assert_int_equal(n, 2);
	assert_string_equal(pairs[0].key, "bucket");
	assert_string_equal(pairs[0].value, "b");
	assert_string_equal(pairs[1].key, "region");
	assert_string_equal(pairs[1].value, "");
}

static void sections_are_checked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(stow_config_section(f->config, "http", http_table, &f->err), STOW_EEXIST);
	assert_int_equal(stow_config_section(f->config, "Http", http_table, &f->err), STOW_EINVAL);
	assert_int_equal(stow_config_section(f->config, "x", NULL, &f->err), STOW_EINVAL);
	assert_int_equal(stow_config_set(f->config, "s3", "bucket", NULL, &f->err), STOW_EINVAL);
	assert_int_equal(stow_config_set(f->config, "nobody", "x", "y", &f->err), STOW_OK);
	assert_int_equal(stow_config_check(f->config, &f->err), STOW_EINVAL);
	assert_string_equal(f->err.message,
	                    "set: there is no section [nobody] and no driver of that name");
	stow_config_free(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(takes_a_file),
		T(names_the_fault),
		T(driver_unknown),
		T(nul_byte),
		T(long_lines),
		T(too_many_keys),
		T(files_on_disk),
		T(secrets_from_files),
		T(order_of_strength),
		T(environment_alone),
		T(foreign_variables),
		T(section_with_dash),
		T(required_of_the_driver_in_use_only),
		T(walks_all_keys),
		T(pairs_for_the_driver),
		T(sections_are_checked),
	};

	return cmocka_run_group_tests_name("plugin-config", tests, NULL, NULL);
}
