/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading drivers by name, and the check of what they bring.  It must not know what a driver's
 * options mean, nor open an instance.
 */
#include "plugin/loader.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/option.h"
#include "common/text.h"

#include <stowage/store.h>

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifndef STOW_LIBDIR
#define STOW_LIBDIR "/usr/local/lib"
#endif
#define OPTIONS_MAX 256 /* rows of a table; more is a table without an end */
#define FOLDERS 4

bool loader_name_ok(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++) {
		char c = name[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (i == LOADER_NAME_MAX || !(alnum || (c == '-' && i > 0)))
			return false;
	}
	return i > 0;
}

/* ---- where drivers lie ---- */

/* The folder that this library was loaded from, without a slash at the end. */
static bool own_folder(char *ret, size_t cap)
{
	/* any object of this file serves: dladdr wants an address inside the library */
	static const char anchor;
	cleanup_free char *real = NULL;
	const char *name, *slash;
	Dl_info info;

	if (!dladdr(&anchor, &info) || !info.dli_fname)
		return false;
	real = realpath(info.dli_fname, NULL);
	name = real ? real : info.dli_fname;
	slash = strrchr(name, '/');
	if (!slash)
		return text_copy(ret, cap, ".");
	return text_format(ret, cap, "%.*s", (int)(slash - name), name);
}

struct folders {
	char path[FOLDERS][PATH_MAX];
	size_t n;
};

static void add_folder(struct folders *f, const char *base, const char *below)
{
	if (text_format(f->path[f->n], PATH_MAX, "%s%s", base, below))
		f->n++;
}

static void find_folders(const char *folder, struct folders *ret)
{
	char own[PATH_MAX];

	ret->n = 0;
	if (folder && *folder)
		add_folder(ret, folder, "");
	if (own_folder(own, sizeof(own))) {
		add_folder(ret, own, "/drivers");
		add_folder(ret, own, "/stowage/drivers");
	}
	add_folder(ret, STOW_LIBDIR, "/stowage/drivers");
}

/* "s3.so" -> "s3" */
static bool name_of_file(const char *file, char ret[LOADER_NAME_MAX + 1])
{
	size_t len = strlen(file);

	if (len < 4 || len > LOADER_NAME_MAX + 3 || !text_ends(file, ".so"))
		return false;
	memcpy(ret, file, len - 3);
	ret[len - 3] = '\0';
	return loader_name_ok(ret);
}

static size_t add_names(const char *folder, char names[][LOADER_NAME_MAX + 1], size_t n)
{
	char name[LOADER_NAME_MAX + 1];
	struct dirent *e;
	struct stat st;
	size_t i;
	DIR *dir;

	dir = opendir(folder);
	if (!dir)
		return n;
	while (n < LOADER_NAMES_MAX && (e = readdir(dir))) {
		/* what is not a file is passed over here as it is by loader_load */
		if (!name_of_file(e->d_name, name) || fstatat(dirfd(dir), e->d_name, &st, 0) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		for (i = 0; i < n && strcmp(names[i], name) != 0; i++)
			;
		if (i == n)
			memcpy(names[n++], name, sizeof(name));
	}
	closedir(dir);
	return n;
}

static size_t names_in(const struct folders *f, char ret[LOADER_NAMES_MAX][LOADER_NAME_MAX + 1])
{
	size_t i, n = 0;

	for (i = 0; i < f->n; i++)
		n = add_names(f->path[i], ret, n);
	return n;
}

size_t loader_names(const char *folder, char ret[LOADER_NAMES_MAX][LOADER_NAME_MAX + 1])
{
	cleanup_free struct folders *f = malloc(sizeof(*f));

	if (!f)
		return 0;
	find_folders(folder, f);
	return names_in(f, ret);
}

/* ---- what a driver brings ---- */

/* No '_' in a driver's: there may be sections for several instances of it, and
 * STOWAGE_<SECTION>_<KEY> must have one reading. */
static bool option_name_ok(const char *name, bool underscore)
{
	size_t i;

	for (i = 0; name[i]; i++) {
		char c = name[i];

		if (i == 64 || !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		                 (underscore && i > 0 && c == '_')))
			return false;
	}
	return i > 0;
}

static bool one_line(const char *text)
{
	return text && *text && !strpbrk(text, "\r\n");
}

static int check_row(const struct stow_option *table, size_t i, bool underscore, const char *where,
                     struct stow_error *err)
{
	const struct stow_option *row = &table[i];
	size_t j;

	if (!option_name_ok(row->name, underscore))
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: option %zu has a name other than lower-case letters and "
		                 "digits",
		                 where, i);
	for (j = 0; j < i; j++) {
		if (strcmp(table[j].name, row->name) == 0)
			return error_set(err, STOW_EINVAL, "driver.load",
			                 "%s: option %s is there twice", where, row->name);
	}
	if (row->type < STOW_OPTION_STRING || row->type > STOW_OPTION_COUNT)
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: option %s has the type %d, known are 1 to %d", where,
		                 row->name, (int)row->type, STOW_OPTION_COUNT);
	if (!one_line(row->help))
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: option %s has no help of one line", where, row->name);
	if (row->fallback && (row->flags & STOW_OPTION_REQUIRED))
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: option %s is required and yet has a default", where,
		                 row->name);
	if (row->fallback && !option_parse(row, row->fallback, NULL))
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: the default \"%s\" of option %s is not %s", where,
		                 row->fallback, row->name, option_expected(row->type));
	return STOW_OK;
}

int loader_check_options(const struct stow_option *table, bool underscore, const char *where,
                         struct stow_error *err)
{
	size_t i;
	int r;

	if (!table)
		return error_set(err, STOW_EINVAL, "driver.load", "%s: has no option table", where);
	for (i = 0; table[i].name; i++) {
		if (i == OPTIONS_MAX)
			return error_set(err, STOW_EINVAL, "driver.load",
			                 "%s: the option table has no end", where);
		r = check_row(table, i, underscore, where, err);
		if (r != STOW_OK)
			return r;
	}
	return STOW_OK;
}

/* What a host cannot do without, and why. */
static const struct {
	size_t offset;
	const char *name, *why;
} mandatory[] = {
#define MANDATORY(call, why)                                                                       \
	{                                                                                          \
		offsetof(struct stow_driver, call), #call, why                                     \
	}
	MANDATORY(open, "there is no way to an instance"),
	MANDATORY(close, "an instance could never end"),
	MANDATORY(stat, "nobody could tell whether an object is there"),
	MANDATORY(get, "no small object could be read"),
	MANDATORY(put, "no small object could be written"),
	MANDATORY(remove, "no object could be taken away"),
	MANDATORY(read_open, "no big object could be read"),
	MANDATORY(read, "a reader would give nothing"),
	MANDATORY(read_close, "a reader could never end"),
	MANDATORY(write_open, "no big object could be written"),
	MANDATORY(write, "a writer would take nothing"),
	MANDATORY(write_commit, "nothing written would become visible"),
	MANDATORY(write_close, "a writer could never end"),
	MANDATORY(list_open, "no keys could be listed"),
	MANDATORY(list_next, "a listing would give nothing"),
	MANDATORY(list_close, "a listing could never end"),
#undef MANDATORY
};

static bool has_call(const struct stow_driver *d, size_t offset)
{
	void (*call)(void);

	/* a function pointer is read as bytes: no other conversion of it is portable */
	memcpy(&call, (const char *)d + offset, sizeof(call));
	return call != NULL;
}

int loader_check(const struct stow_driver *from, const char *where, struct stow_driver *ret,
                 struct stow_error *err)
{
	struct stow_driver d;
	size_t i;
	int r;

	if (!from)
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: " STOW_DRIVER_ENTRY "() gave no table", where);
	if (from->major != STOW_DRIVER_MAJOR)
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: is built for driver ABI %u.%u, this libstowage takes %d.x",
		                 where, (unsigned)from->major, (unsigned)from->minor,
		                 STOW_DRIVER_MAJOR);
	if (from->size < offsetof(struct stow_driver, batch))
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: its table has %u bytes, ABI %d begins with %zu", where,
		                 (unsigned)from->size, STOW_DRIVER_MAJOR,
		                 offsetof(struct stow_driver, batch));
	if (from->size < sizeof(d) && from->size % sizeof(void *) != 0)
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: its table has %u bytes, which ends inside of a call", where,
		                 (unsigned)from->size);
	memset(&d, 0, sizeof(d));
	memcpy(&d, from, from->size < sizeof(d) ? from->size : sizeof(d));
	if (from->size > sizeof(d))
		d.size = sizeof(d);
	for (i = 0; i < sizeof(mandatory) / sizeof(mandatory[0]); i++) {
		if (!has_call(&d, mandatory[i].offset))
			return error_set(err, STOW_EINVAL, "driver.load", "%s: has no %s: %s",
			                 where, mandatory[i].name, mandatory[i].why);
	}
	if (!d.name || !loader_name_ok(d.name))
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: does not say its name in lower-case letters, digits and '-'",
		                 where);
	if (!one_line(d.version) || !one_line(d.summary))
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: does not say its version and summary, a line each", where);
	r = loader_check_options(d.options, false, where, err);
	if (r != STOW_OK)
		return r;
	*ret = d;
	return STOW_OK;
}

/* ---- is the file whole? ---- */

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#elif defined(__riscv)
#define MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define MACHINE EM_PPC64
#elif defined(__s390x__)
#define MACHINE EM_S390
#elif defined(__arm__)
#define MACHINE EM_ARM
#elif defined(__i386__)
#define MACHINE EM_386
#else
#define MACHINE EM_NONE /* the dynamic linker's to judge */
#endif
#define OWN_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)
#define SEGMENTS_MAX 256 /* a shared object has about ten */

static bool read_at(int fd, void *buf, size_t len, uint64_t offset)
{
	return offset <= INT64_MAX && pread(fd, buf, len, (off_t)offset) == (ssize_t)len;
}

static int cut_short(const char *path, uint64_t size, struct stow_error *err)
{
	return error_set(err, STOW_EINVAL, "driver.load",
	                 "%s: is cut short: its headers speak of more than its %" PRIu64 " bytes",
	                 path, size);
}

/* Do all segments lie within the file? */
static int check_segments(int fd, const ElfW(Ehdr) * head, const char *path, uint64_t size,
                          struct stow_error *err)
{
	ElfW(Phdr) segment;
	size_t i;

	if (head->e_phentsize != sizeof(segment) || head->e_phnum == 0 ||
	    head->e_phnum > SEGMENTS_MAX)
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: is no shared object: it has %u segments of %u bytes", path,
		                 (unsigned)head->e_phnum, (unsigned)head->e_phentsize);
	for (i = 0; i < head->e_phnum; i++) {
		uint64_t at = i * sizeof(segment);

		if (head->e_phoff > size || at + sizeof(segment) > size - head->e_phoff ||
		    !read_at(fd, &segment, sizeof(segment), head->e_phoff + at))
			return cut_short(path, size, err);
		if (segment.p_offset > size || segment.p_filesz > size - segment.p_offset)
			return cut_short(path, size, err);
	}
	return STOW_OK;
}

/*
 * The dynamic linker maps what the headers speak of and believes them: beyond the end of a file
 * that was cut short, by a full disk or a copy that broke off, the first access is a SIGBUS.
 */
static int check_file(const char *path, struct stow_error *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ElfW(Ehdr) head;
	struct stat st;
	uint64_t size;

	if (fd < 0 || fstat(fd, &st) != 0)
		return error_errno(err, errno, "driver.load", "%s: cannot be read", path);
	size = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || size < SELFMAG || !read_at(fd, &head, SELFMAG, 0) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
		return error_set(err, STOW_EINVAL, "driver.load", "%s: is no shared object", path);
	if (size < sizeof(head) || !read_at(fd, &head, sizeof(head), 0))
		return cut_short(path, size, err);
	if (head.e_ident[EI_CLASS] != OWN_CLASS ||
	    (MACHINE != EM_NONE && head.e_machine != MACHINE))
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: is built for another machine (ELF class %d, machine %u)",
		                 path, (int)head.e_ident[EI_CLASS], (unsigned)head.e_machine);
	if (head.e_type != ET_DYN)
		return error_set(err, STOW_EINVAL, "driver.load", "%s: is no shared object", path);
	/* sections are not loaded, but lie at the end: they tell where the file ended once */
	if (head.e_shoff > size || (uint64_t)head.e_shnum * head.e_shentsize > size - head.e_shoff)
		return cut_short(path, size, err);
	return check_segments(fd, &head, path, size, err);
}

static int load_file(const char *path, const char *name, struct stow_driver *ret,
                     struct stow_error *err)
{
	stow_driver_entry *entry = NULL;
	struct stow_driver d;
	const char *why;
	void *lib, *symbol;
	int r = check_file(path, err);

	if (r != STOW_OK)
		return r;
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		why = dlerror();
		return error_set(err, STOW_EINVAL, "driver.load", "%s: cannot be loaded: %s", path,
		                 why ? why : "no reason given");
	}
	symbol = dlsym(lib, STOW_DRIVER_ENTRY);
	if (!symbol)
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: is no driver of major %d: it has no " STOW_DRIVER_ENTRY "()",
		                 path, STOW_DRIVER_MAJOR);
	memcpy(&entry, &symbol, sizeof(entry));
	r = loader_check(entry(), path, &d, err);
	if (r != STOW_OK)
		return r;
	if (strcmp(d.name, name) != 0)
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "%s: calls itself \"%s\", a driver's file is named like it", path,
		                 d.name);
	*ret = d;
	return STOW_OK;
}

/* The line for a name that is in none of the folders. */
static int not_found(const struct folders *f, const char *name, struct stow_error *err)
{
	char names[LOADER_NAMES_MAX][LOADER_NAME_MAX + 1];
	char line[sizeof(((struct stow_error *)0)->message)];
	const char *nearest = NULL;
	size_t i, n, len, distance, best = 3;

	n = names_in(f, names);
	for (i = 0; i < n; i++) {
		distance = text_distance(name, names[i]);
		if (distance < best && distance < strlen(name)) {
			best = distance;
			nearest = names[i];
		}
	}
	line[0] = '\0';
	for (i = 0; i < f->n; i++) {
		len = strlen(line);
		if (!text_format(line + len, sizeof(line) - len, "%s%s", i ? ", " : "", f->path[i]))
			break;
	}
	if (nearest)
		return error_set(err, STOW_ENOTFOUND, "driver.load",
		                 "no driver \"%s\", did you mean \"%s\"? looked in %s", name,
		                 nearest, line);
	return error_set(err, STOW_ENOTFOUND, "driver.load", "no driver \"%s\" in %s", name, line);
}

int loader_load(const char *folder, const char *name, struct stow_driver *ret,
                struct stow_error *err)
{
	cleanup_free struct folders *f = NULL;
	char path[PATH_MAX];
	struct stat st;
	size_t i;

	if (!loader_name_ok(name))
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "\"%s\" is no driver's name: lower-case letters, digits and '-', "
		                 "at most %d",
		                 name, LOADER_NAME_MAX);
	f = malloc(sizeof(*f));
	if (!f)
		return error_nomem(err, "driver.load");
	find_folders(folder, f);
	for (i = 0; i < f->n; i++) {
		if (!text_format(path, sizeof(path), "%s/%s.so", f->path[i], name))
			continue;
		/* a path with a slash in it: dlopen must not search its own folders */
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			return load_file(path, name, ret, err);
	}
	return not_found(f, name, err);
}

int stow_driver_load(const char *folder, const char *name, struct stow_driver *ret,
                     struct stow_error *err)
{
	if (!name || !ret)
		return error_set(err, STOW_EINVAL, "driver.load", "name or ret is NULL");
	return loader_load(folder, name, ret, err);
}
