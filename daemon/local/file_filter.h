/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A seccomp filter (seccomp(2)) for a program that works in users' directories on behalf of an
 * untrusted guest: neither the guest's requests nor a guest that has taken over the program can
 * leave a file there that gives another user's rights to those who read or execute it.
 *
 * Refused with EPERM: set-user-ID and set-group-ID bits, of files and of directories (chmod and its
 * kin, mkdir, mknod, and open where it creates a file or an unnamed one), nodes of character and
 * block devices, including the one of number 0:0 that needs no privilege, and new user namespaces:
 * root of a user namespace may set file capabilities (capabilities(7)). Refused with ENOSYS,
 * because a filter cannot see what they do: openat2(2) and clone3(2), whose arguments are in
 * memory, io_uring(7), which opens files without a system call, and all system calls of the
 * processor's other ABIs (i386 and x32 on x86-64). All else is allowed.
 */

#include <linux/filter.h>

#include "base/macros.h"

typedef struct FileFilter {
        struct sock_fprog program; /* for SECCOMP_MODE_FILTER; owned */
} FileFilter;

/* Returns 0 or -errno. */
int file_filter_init(FileFilter *filter);
void file_filter_done(FileFilter *filter);
/* For the thread that calls it and what it becomes. It must have no_new_privs. Async-signal-safe.
 * Returns 0 or -errno. */
int file_filter_load(const FileFilter *filter);
