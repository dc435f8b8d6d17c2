/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/reload.h"

#include <signal.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/account.h"
#include "base/clock.h"
#include "launch/launch.h"
#include "launch/quota.h"
#include "local/log.h"
#include "manager/ended.h"
#include "vm/charges.h"

/* How often the daemon looks whether its socket's path is there. */
#define LOOK_MSEC 3000

static void begin(Reload *reload);

static void on_work(uv_work_t *work)
{
        Reload *reload = work->data;

        reload->r = config_load(reload->path, reload->state, &reload->loaded, &reload->message);
}

static uid_t account_by(const void *table, uid_t uid)
{
        return subuids_account(table, uid);
}

/* An account may be another user's now: nobody is to be short of what another has. */
static void count_anew(Manager *manager)
{
        VmTable *table = &manager->home.table;

        for (size_t i = 0; i < table->n_ids; i++)
                charges_move(table->by_id[i], quota_account(manager, table->by_id[i]->owner));
}

static int put_in_force(Reload *reload)
{
        _cleanup_free_ char *fixed = NULL;
        int r = vm_table_check_uids(&reload->manager->home.table, reload->loaded, &reload->message);

        if (r == 0)
                r = config_keep_fixed(reload->loaded, reload->config, &fixed);
        if (r < 0)
                return r;
        /* workers of launches may be reading the old one */
        reload->loaded->previous = reload->config;
        reload->config = TAKE_PTR(reload->loaded);
        account_set(account_by, reload->config->subuids);
        manager_configure(reload->manager, reload->config);
        count_anew(reload->manager);
        launches_give_turns(reload->manager);
        ended_trim(reload->manager);
        host_access_apply(reload->manager);
        if (fixed)
                log_warning("configuration: a restart is required to change %s", fixed);
        log_info("configuration reloaded");
        return 0;
}

static void on_loaded(uv_work_t *work, int status)
{
        Reload *reload = work->data;

        reload->busy = false;
        if (reload->manager->closing)
                return;
        if (reload->r == 0)
                reload->r = put_in_force(reload);
        if (reload->r < 0)
                log_error("configuration not reloaded: %s", reload->message ?: "out of memory");
        reload->loaded = config_free(reload->loaded);
        free(TAKE_PTR(reload->message));
        if (reload->again)
                begin(reload);
        else
                sd_notify(0, "READY=1");
}

static void begin(Reload *reload)
{
        reload->again = reload->busy;
        if (reload->busy)
                return;
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_monotonic_usec());
        reload->busy = uv_queue_work(reload->signal.loop, &reload->work, on_work, on_loaded) == 0;
}

static void restore_socket(Reload *reload)
{
        unsigned restored;
        int r = wire_server_restore_paths(reload->server, &restored);

        if (restored > 0)
                log_warning("the socket's path was missing; the socket has been created again");
        if (r == -EOWNERDEAD && r != reload->lost)
                log_error("the socket's path is missing, and nobody can connect; systemd made it: "
                          "`systemctl restart cvmd.socket cvmd.service` creates it again, and "
                          "CVMs keep running meanwhile");
        else if (r < 0 && r != reload->lost)
                log_error("cannot create the socket again: %s", strerror(-r));
        reload->lost = r;
}

static void on_look(uv_timer_t *timer)
{
        Reload *reload = timer->data;

        if (reload->server && reload->manager && !reload->manager->closing)
                restore_socket(reload);
}

static void on_signal(uv_signal_t *signal, int number)
{
        Reload *reload = signal->data;

        if (!reload->manager || reload->manager->closing)
                return;
        reload->lost = 0; /* the caller of a reload reads it again */
        restore_socket(reload);
        begin(reload);
}

int reload_init(Reload *reload, uv_loop_t *loop, const char *path, const char *state,
                Config *config)
{
        int r;

        *reload = (Reload){.path = path, .state = state, .config = config};
        account_set(account_by, config->subuids);
        r = uv_signal_init(loop, &reload->signal);
        if (r < 0)
                return r;
        reload->signal.data = reload->work.data = reload->look.data = reload;
        r = uv_timer_init(loop, &reload->look);
        if (r < 0)
                return r;
        r = uv_timer_start(&reload->look, on_look, LOOK_MSEC, LOOK_MSEC);
        if (r < 0)
                return r;
        return uv_signal_start(&reload->signal, on_signal, SIGHUP);
}

void reload_close(Reload *reload)
{
        if (uv_is_closing((uv_handle_t *)&reload->signal))
                return;
        uv_close((uv_handle_t *)&reload->signal, NULL);
        uv_close((uv_handle_t *)&reload->look, NULL);
}

void reload_done(Reload *reload)
{
        config_free(reload->loaded);
        free(reload->message);
        account_set(NULL, NULL);
        reload->config = config_free(reload->config);
}
