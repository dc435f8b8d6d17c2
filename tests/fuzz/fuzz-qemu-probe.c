/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Answers of a QEMU that is asked what it can do, and kept answers. Input that begins with '{' and
 * holds "devices" before its first line's end is a kept file; all else is what a peer says,
 * whatever it is asked. What is taken has a form that is taken again.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "fuzz.h"
#include "host/qemu_probe.h"

#define TALK_MSEC 1000

static void check(QemuProbe *probe)
{
        _cleanup_(qemu_probe_unrefp) QemuProbe *again = NULL;
        _cleanup_json_ json_object *form = qemu_probe_to_json(probe), *parsed = NULL,
                                   *second = NULL;
        _cleanup_free_ char *text = qemu_probe_describe(probe);
        const char *written = json_text(form);

        if (!text || json_parse(written, strlen(written), &parsed, NULL) < 0 ||
            qemu_probe_parse(parsed, &again) < 0)
                abort();
        second = qemu_probe_to_json(again);
        if (!json_object_equal(form, second))
                abort();
}

static void kept(const uint8_t *data, size_t size)
{
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe = NULL;
        _cleanup_json_ json_object *object = NULL;

        if (json_parse((const char *)data, size, &object, NULL) == 0 &&
            qemu_probe_parse(object, &probe) == 0)
                check(probe);
}

static void talk(const uint8_t *data, size_t size)
{
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe = NULL;
        const char *reason = NULL;
        int fds[2], room = 1 << 22;

        if (size > 1 << 18)
                return;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                abort();
        setsockopt(fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
        if (send(fds[1], data, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size ||
            shutdown(fds[1], SHUT_WR) < 0)
                size = 0;
        if (size > 0) {
                if (qemu_probe_talk(fds[0], TALK_MSEC, &probe, &reason) == 0)
                        check(probe);
                else if (!reason || probe)
                        abort();
        }
        close(fds[0]);
        close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
        size_t line = end ? (size_t)(end - data) : size;

        if (line > 0 && data[0] == '{' && memmem(data, line, "\"devices\"", 9))
                kept(data, size);
        else
                talk(data, size);
        return 0;
}
