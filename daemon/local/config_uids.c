/* SPDX-License-Identifier: Apache-2.0 */
#include "local/config_uids.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"

#define UID_RANGES 1000u /* of directories other than the usual one */

/* The same text for each way to name the directory, if it exists or not. NULL without memory. */
static char *config_canonical(const char *directory)
{
        char *found = realpath(directory, NULL);
        _cleanup_free_ char *copy = NULL, *above = NULL;
        const char *name, *parent;
        char *slash;

        if (found || errno == ENOMEM)
                return found;
        copy = strdup(directory);
        if (!copy)
                return NULL;
        for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
                copy[n - 1] = '\0';
        slash = strrchr(copy, '/');
        name = slash ? slash + 1 : copy;
        parent = !slash ? "." : slash == copy ? "/" : copy;
        if (slash && slash != copy)
                *slash = '\0';
        above = realpath(parent, NULL);
        return above ? text_format("%s/%s", strcmp(above, "/") == 0 ? "" : above, name)
                     : strdup(directory);
}

int config_choose_uids(Config *config, const char *state)
{
        _cleanup_free_ char *directory = state ? config_canonical(state) : NULL;
        HashDigest digest;
        uint32_t range;
        int r;

        if (!state)
                return 0;
        if (!directory)
                return -ENOMEM;
        if (strcmp(directory, CONFIG_STATE_DIRECTORY) == 0)
                return 0;
        r = hash_bytes(HASH_SHA256, directory, strlen(directory), &digest);
        if (r < 0)
                return r;
        range = 1 + (digest.bytes[0] | (uint32_t)digest.bytes[1] << 8) % UID_RANGES;
        config->uid_first += range * CONFIG_UIDS_DEFAULT;
        config->uid_last += range * CONFIG_UIDS_DEFAULT;
        return 0;
}
