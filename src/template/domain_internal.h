/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What domain.c and domain_file.c share: the only files that know libxml2. */

#include "host/libxml_calls.h"
#include "template/walk.h"

/* Of the attributes and elements that say how the others are to be used; cvm-template(5). */
#define DOMAIN_NAMESPACE "urn:io.cvmd:template"
#define DOMAIN_FRAGMENTS "fragments"
#define DOMAIN_DEPTH_MAX 64u

struct DomainFile {
        char *name;         /* the file's, without .xml */
        Document *document; /* its label alone; owned */
        const char *text;   /* a built-in one's, which is read when it is first used; static */
        xmlDoc *xml;        /* owned; NULL until then */
};

bool domain_is_word(const xmlNs *ns);
