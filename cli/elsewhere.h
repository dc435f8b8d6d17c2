/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Commands of docker, podman, virsh, machinectl and others that cvmctl does not have. */

typedef struct ElsewhereWord {
        const char *name;    /* the command there */
        const char *instead; /* the verb here that does the same, with its options; or NULL */
        const char *why;     /* if there is none: why not, and what there is */
} ElsewhereWord;

/* NULL: the word is not known. */
const ElsewhereWord *elsewhere_find(const char *name);
/* What to do instead of an option of a launch ("-it" of docker), or NULL. */
const char *elsewhere_option(char letter);
