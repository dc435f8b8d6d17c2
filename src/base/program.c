/* SPDX-License-Identifier: Apache-2.0 */
#include "base/program.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

char *program_find(const char *configured, const char *name)
{
        static const char *const directories[] = {"/usr/bin", "/usr/local/bin"};

        if (configured)
                return strdup(configured);
        for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
                char *path = NULL;

                path = text_format("%s/%s", directories[i], name);
                if (!path)
                        return NULL;
                if (access(path, X_OK) == 0)
                        return path;
                free(path);
        }
        return NULL;
}
