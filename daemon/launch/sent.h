/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A file, disk or share that a client sent as a descriptor. */

#include "artifact/caller.h"
#include "wire/server.h"

typedef struct SentFile {
        int fd; /* owned; -1: none was sent */
        Descriptor judged;
} SentFile;

/* `n` of which none was sent; NULL without memory. */
SentFile *sent_files_new(size_t n);
/* Closes them off the loop, counted to the uid; the array stays. NULL: does nothing. */
void sent_files_close(uid_t uid, SentFile *files, size_t n);

/* Takes the descriptor that a field names by its index in the call; an index below 0 names none.
 * InvalidSpec: there is no such descriptor, or one that is not what is wanted by its judgement;
 * call NULL: the descriptor of an earlier launch has no path. */
int sent_file_take(WireCall *call, int64_t index, CallerOpen what, const char *field, SentFile *ret,
                   CvmError *error);
/* Asks about one of an unknown mount. May take DESCRIPTOR_ASK_MSEC: for a worker. What cannot be
 * asked stays unknown. */
void sent_file_ask(SentFile *file, uid_t uid);
/* Where it is, as far as that has a name that still leads there, or NULL; newly allocated. Asks
 * local file systems alone about the descriptor; the name may lead anywhere: for a worker. */
char *sent_file_name(const SentFile *file);
