/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whose subordinate user a uid is. A user with a range in subuid(5) can act as each uid of it
 * (newuidmap(1)): what is counted to a user counts those uids, too, or 65,536 uids would have as
 * many quotas.
 *
 * Two files are read: subuid(5), lines "USER:FIRST:COUNT" with a name or a uid, and passwd(5) for
 * the uids of names. The name service is not asked. A range of a name that passwd does not have, or
 * of root, is an account of its own, that of its first uid.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

#define SUBUIDS_BYTES_MAX (16u << 20) /* of each of the files */
#define SUBUIDS_RANGES_MAX 65536u

typedef struct Subuids Subuids;

/* Reads the ranges of subordinate uids (subuid(5)). A line of another form is left out, and a file
 * that does not exist has no ranges. If a file cannot be read whole, nothing is returned of it:
 * with a part of the ranges one user could have the quotas of many. Returns 0, or -EFBIG if a file
 * has more than SUBUIDS_BYTES_MAX, -E2BIG if there are more than SUBUIDS_RANGES_MAX, or the -errno
 * of reading. *ret_message (owned) then says which for a person; it is NULL with -ENOMEM. */
int subuids_read(const char *subuid, const char *passwd, Subuids **ret, char **ret_message);
Subuids *subuids_free(Subuids *subuids);
DEFINE_CLEANUP(Subuids *, subuids_free)

/* The uid to which what this one has is counted: itself, or that of whose range it is. subuids may
 * be NULL. Of ranges that overlap the one that begins last counts. */
uid_t subuids_account(const Subuids *subuids, uid_t uid);
/* Refuses (-EINVAL, with a message that names the file `path`) a range that has some of the uids
 * from first to last, which CVMs have, unless it is a range that belongs to root. */
int subuids_check(const Subuids *subuids, const char *path, uid_t first, uid_t last,
                  char **ret_message);
