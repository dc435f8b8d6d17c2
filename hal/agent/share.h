/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * 9p shares: directories of the host, told apart by their tag.
 *
 * env_share goes to /etc/cocos and certs_share to /etc/certs, both always expected; any other tag
 * that the machine has goes to /mnt/TAG. A share that is missing is reported, not fatal.
 */

#include "base/macros.h"

#define SHARE_MAX 32
#define SHARE_TAG_MAX 31 /* as long as the host lets a tag be */

typedef struct Share {
        char tag[SHARE_TAG_MAX + 1];
        char path[SHARE_TAG_MAX + 16];
        int error; /* 0: mounted; else the errno of its mount */
} Share;

typedef struct Shares {
        Share shares[SHARE_MAX];
        size_t n_shares;
} Shares;

void shares_mount(Shares *shares);

/* Where the first process tells the agent what it has mounted, if they are not the same process: a
 * line "ERROR TAG PATH" each. */
#define SHARES_FILE "/run/cvm/shares"

/* Both return 0 or -errno; -EBADMSG if a line is not one that shares_save() writes. */
int shares_save(const Shares *shares, const char *path);
int shares_load(const char *path, Shares *ret);
