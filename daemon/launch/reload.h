/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* SIGHUP: the configuration is read again, by a worker, and put in force. The daemon's socket is
 * created again if its path was removed: at the signal, and every few seconds without one. A file
 * that is not understood changes nothing and is reported; members that only a start can change stay
 * as they are and are named. Told to systemd (RELOADING=1, READY=1, sd_notify(3)). */

#include "local/config.h"
#include "manager/manager.h"
#include "wire/server.h"

typedef struct Reload {
        Manager *manager;
        WireServer *server;       /* whose socket is created again if its path is gone; borrowed */
        uv_timer_t look;          /* when to look for its path */
        int lost;                 /* why it is gone, as was logged; 0: it is there */
        const char *path, *state; /* as for config_load() */
        Config *config;           /* in force; owned */
        uv_signal_t signal;
        uv_work_t work;
        bool busy, again;
        Config *loaded;
        char *message;
        int r;
} Reload;

/* Takes config; path and state are borrowed. To be closed with the daemon's other handles. */
int reload_init(Reload *reload, uv_loop_t *loop, const char *path, const char *state,
                Config *config);
void reload_close(Reload *reload);
/* Once the loop is done. */
void reload_done(Reload *reload);
