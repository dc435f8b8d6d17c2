/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whatever a server says, a WireClient gives replies and at last one end, an error that is set if
 * it is none. The first byte of the input says which kind of call asks for it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/json.h"
#include "fuzz.h"
#include "wire/client.h"

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static char directory[] = "/tmp/fuzz-wire-XXXXXX";

static void remove_socket(void)
{
        unlink(address.sun_path);
        rmdir(directory);
}

/* The socket that all inputs are served from. */
static int get_listener(void)
{
        static int listener = -1;

        if (listener >= 0)
                return listener;
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (listener < 0 || !mkdtemp(directory))
                abort();
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
        if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            listen(listener, 1) < 0)
                abort();
        atexit(remove_socket);
        return listener;
}

static void try_stream(WireClient *client, CvmError *error)
{
        int r = wire_client_begin(client, "t.A", NULL, NULL, 0, error);

        while (r >= 0) {
                json_object *reply = NULL;

                r = wire_client_next(client, &reply, error);
                if (r >= 0 && !json_object_is_type(reply, json_type_object))
                        abort();
                if (r < 0 && reply)
                        abort();
                json_object_put(reply);
                if (r == 0)
                        return;
        }
        if (!cvm_error_is_set(error))
                abort();
}

static void try_call(WireClient *client, CvmError *error)
{
        json_object *reply = NULL;
        int r = wire_client_call(client, "t.A", NULL, NULL, 0, &reply, error);

        if ((r == 0) != (reply != NULL) || (r < 0) != cvm_error_is_set(error))
                abort();
        json_object_put(reply);
}

static void try_upgrade(WireClient *client, CvmError *error)
{
        _cleanup_free_ char *early = NULL;
        size_t n_early;
        int fd;

        if (wire_client_upgrade(client, "t.A", NULL, &fd, &early, &n_early, error) == 0)
                close(fd);
        else if (!cvm_error_is_set(error))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *message = NULL;
        WireClient *client;
        int listener = get_listener(), fd;

        if (size < 1 || size > 65536) /* what the socket takes without a reader */
                return 0;
        if (wire_client_connect(address.sun_path, &client, &error) < 0)
                abort();
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 || send(fd, data + 1, size - 1, MSG_NOSIGNAL) != (ssize_t)size - 1 ||
            shutdown(fd, SHUT_WR) < 0)
                abort();

        switch (data[0] % 3) {
        case 0:
                try_stream(client, &error);
                break;
        case 1:
                try_call(client, &error);
                break;
        case 2:
                try_upgrade(client, &error);
                break;
        }
        message = cvm_error_message(&error);
        if (!message || strchr(message, '\n'))
                abort();
        close(fd);
        wire_client_free(client);
        return 0;
}
