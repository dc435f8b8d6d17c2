/* SPDX-License-Identifier: Apache-2.0 */
/* What a host reports about itself in files. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "host/host_internal.h"

#define READ_MAX (16u << 20) /* /proc/cpuinfo is about 1.5 KiB a CPU */

static char *path_below(const char *root, const char *path)
{
        return text_format("%s%s", root, path);
}

char *host_read_file(const char *root, const char *path)
{
        _cleanup_free_ char *full = path_below(root, path);
        char *text;

        return full && file_read_at(AT_FDCWD, full, READ_MAX, &text, NULL) == 0 ? text : NULL;
}

bool host_file_exists(const char *root, const char *path)
{
        _cleanup_free_ char *full = path_below(root, path);

        return full && faccessat(AT_FDCWD, full, F_OK, AT_EACCESS) == 0;
}

bool host_file_opens(const char *root, const char *path)
{
        _cleanup_free_ char *full = path_below(root, path);
        _cleanup_close_ int fd = full ? open(full, O_RDWR | O_CLOEXEC | O_NONBLOCK) : -1;

        return fd >= 0;
}
