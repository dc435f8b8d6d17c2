/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd/fdstore.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/fork.h"

#define PREFIX "kept."    /* of names, which are also those of socket units */
#define NAME_MAX_BYTES 64 /* "kept.console." and a UUID, with room */

/* What systemd passed to be kept, by its names; -1: taken, or a listener. */
static struct {
        char **names;
        int *fds;
        size_t n;
} kept;

/* Some of them are closed later, and then a client's descriptors have their numbers. If no other
 * number is free it stays where it is. */
static int move_up(int fd)
{
        int moved = fd < FORK_RESERVED ? fcntl(fd, F_DUPFD_CLOEXEC, FORK_RESERVED) : -1;

        if (moved < 0)
                return fd;
        close(fd);
        return moved;
}

int fdstore_init(int **ret_listeners, size_t *ret_n)
{
        _cleanup_free_ int *listeners = NULL;
        char **names = NULL;
        int n = sd_listen_fds_with_names(1, &names);
        size_t n_listeners = 0;

        if (n < 0)
                return n;
        listeners = calloc((size_t)n + 1, sizeof(*listeners));
        kept.fds = calloc((size_t)n + 1, sizeof(*kept.fds));
        if (!listeners || !kept.fds)
                return -ENOMEM;
        kept.names = names;
        kept.n = (size_t)n;
        for (int i = 0; i < n; i++) {
                bool is_ours = strncmp(names[i], PREFIX, strlen(PREFIX)) == 0;

                int fd = move_up(SD_LISTEN_FDS_START + i);

                kept.fds[i] = is_ours ? fd : -1;
                if (!is_ours)
                        listeners[n_listeners++] = fd;
        }
        *ret_listeners = TAKE_PTR(listeners);
        *ret_n = n_listeners;
        return 0;
}

void fdstore_put(const char *what, const char *id, int fd)
{
        char state[32 + NAME_MAX_BYTES];

        snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=" PREFIX "%s.%s", what, id);
        sd_pid_notify_with_fds(0, 0, state, &fd, 1);
}

int fdstore_take(const char *what, const char *id)
{
        char name[NAME_MAX_BYTES];

        snprintf(name, sizeof(name), PREFIX "%s.%s", what, id);
        for (size_t i = 0; i < kept.n; i++)
                if (kept.fds[i] >= 0 && strcmp(kept.names[i], name) == 0)
                        return TAKE_FD(kept.fds[i]);
        return -1;
}

static void fdstore_drop(const char *name)
{
        char state[32 + NAME_MAX_BYTES];

        snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", name);
        sd_notify(0, state);
}

void fdstore_drop_rest(void)
{
        for (size_t i = 0; i < kept.n; i++) {
                if (kept.fds[i] >= 0) {
                        close(TAKE_FD(kept.fds[i]));
                        fdstore_drop(kept.names[i]);
                }
                free(kept.names[i]);
        }
        free(TAKE_PTR(kept.names));
        free(TAKE_PTR(kept.fds));
        kept.n = 0;
}
