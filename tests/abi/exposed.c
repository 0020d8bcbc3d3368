/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object whose own ABI is all of driver.h, so that a tool can compare it.  Every struct and
 * enumeration, every call of the table with its place and every number is a variable of its own:
 * one that is new is an addition, one that is gone or other is a break.
 * It must not do anything; it is never loaded.
 */
#include <stowage/driver.h>

#define EXPOSE(declaration)                                                                        \
	STOW_EXPORT extern declaration;                                                            \
	declaration

EXPOSE(enum stow_status type_status);
EXPOSE(enum stow_level type_level);
EXPOSE(enum stow_option_type type_option_type);
EXPOSE(enum stow_call_verb type_call_verb);
EXPOSE(struct stow_error type_error);
EXPOSE(struct stow_op type_op);
EXPOSE(struct stow_host type_host);
EXPOSE(struct stow_kv type_kv);
EXPOSE(struct stow_option type_option);
EXPOSE(struct stow_stat type_stat);
EXPOSE(struct stow_put type_put);
EXPOSE(struct stow_call type_call);
EXPOSE(struct stow_entry type_entry);

/* The table itself grows at its end; what is in it stays what and where it is. */
#define MEMBER(m)                                                                                  \
	EXPOSE(__typeof__(((struct stow_driver *)NULL)->m) member_##m);                            \
	EXPOSE(char place_##m[offsetof(struct stow_driver, m) + 1])
MEMBER(size);
MEMBER(major);
MEMBER(minor);
MEMBER(caps);
MEMBER(name);
MEMBER(version);
MEMBER(summary);
MEMBER(options);
MEMBER(open);
MEMBER(close);
MEMBER(stat);
MEMBER(get);
MEMBER(put);
MEMBER(remove);
MEMBER(read_open);
MEMBER(read);
MEMBER(read_close);
MEMBER(write_open);
MEMBER(write);
MEMBER(write_copy);
MEMBER(write_commit);
MEMBER(write_close);
MEMBER(list_open);
MEMBER(list_next);
MEMBER(list_close);
MEMBER(batch);
MEMBER(copy);
MEMBER(remove_many);
MEMBER(write_park);
MEMBER(purge_writes);
MEMBER(presign);
MEMBER(check);
MEMBER(instance_caps);
MEMBER(probe);
#define LAST probe
_Static_assert(offsetof(struct stow_driver, LAST) + sizeof(((struct stow_driver *)NULL)->LAST) ==
                       sizeof(struct stow_driver),
               "a call at the end of the table is not listed here");

/* A number is an array's length. */
#define NUMBER(n) EXPOSE(char number_##n[n])
NUMBER(STOW_ERROR_RETRYABLE);
NUMBER(STOW_ERROR_MAYBE);
NUMBER(STOW_DRIVER_MAJOR);
NUMBER(STOW_KEY_MAX);
NUMBER(STOW_KEY_COMPONENT_MAX);
NUMBER(STOW_CAP_CREATE);
NUMBER(STOW_CAP_PUT_IF_MATCH);
NUMBER(STOW_CAP_REMOVE_IF_MATCH);
NUMBER(STOW_CAP_COPY_IF_MATCH);
NUMBER(STOW_CAP_GET_IF_MATCH);
NUMBER(STOW_CAP_PARALLEL);
NUMBER(STOW_CAP_SHARED);
NUMBER(STOW_CAP_DURABLE);
NUMBER(STOW_OPTION_REQUIRED);
NUMBER(STOW_OPTION_SECRET);
NUMBER(STOW_OPTION_IGNORED);
NUMBER(STOW_OPTION_DERIVE);
NUMBER(STOW_PUT_CREATE);
NUMBER(STOW_PUT_RESUME);
NUMBER(STOW_PUT_PRIVATE);
NUMBER(STOW_LIST_FOLDERS);
EXPOSE(char entry[sizeof(STOW_DRIVER_ENTRY)]);
