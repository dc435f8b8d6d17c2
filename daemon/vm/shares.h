/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The two directories that every CVM mounts over 9p: its environment and its certificates.
 *
 * Below the parent: ID/env/environment (systemd's EnvironmentFile syntax) and
 * ID/certs/{cert,key,ca}.pem, always there, possibly empty, plus the files that the spec names.
 * Directories 0700, files 0400. env and certs with what is in them are given to the uid that QEMU
 * runs as; ID stays the daemon's. All of it is secret.
 */

#include <sys/types.h>

#include "base/error.h"
#include "spec/spec.h"

/* A certificate's content, borrowed. */
typedef struct SharesCert {
        const char *name;
        const void *data;
        size_t size;
} SharesCert;

/* Descriptors of the two directories (O_PATH | O_DIRECTORY), owned by the caller. */
typedef struct Shares {
        int env_fd, certs_fd;
} Shares;

/* ID is there whole or not at all. On failure (SystemError) nothing is left, but an ID that was
 * there before (-EEXIST) is untouched. */
int shares_create(int parent_fd, const char *id, uid_t uid, gid_t gid, const CvmSpec *spec,
                  const SharesCert *certs, size_t n_certs, Shares *ret, CvmError *error);
/* Those of an ID that is there: 0, -ENOENT or another -errno. */
int shares_open(int parent_fd, const char *id, Shares *ret);
/* Overwrites and removes ID, whole or half made; absent is success. Goes on after a failure and
 * returns the first. */
int shares_wipe(int parent_fd, const char *id);
