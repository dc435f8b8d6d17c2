/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

int resolver_write(const char *path, const struct in_addr *servers, size_t n)
{
        _cleanup_(buffer_done) Buffer text = {};
        _cleanup_free_ char *fresh = NULL;
        _cleanup_close_ int fd = -1;
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++) {
                char line[64], address[INET_ADDRSTRLEN];

                inet_ntop(AF_INET, servers + i, address, sizeof(address));
                snprintf(line, sizeof(line), "nameserver %s\n", address);
                r = buffer_append_text(&text, line);
        }
        if (r < 0 || asprintf(&fresh, "%s.new", path) < 0)
                return -ENOMEM;
        fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, text.data, text.size);
        if (r < 0)
                return r;
        return rename(fresh, path) < 0 ? -errno : 0;
}
