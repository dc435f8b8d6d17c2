/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/orphans.h"

#include <dirent.h>
#include <unistd.h>

#include "base/process.h"
#include "base/text.h"
#include "local/log.h"

#define DYING_MSEC 100

struct Look {
        const Manager *manager;
        bool found;
};

typedef bool (*OnProcess)(pid_t pid, uid_t uid, void *userdata);

/* Calls `act` with each process, until it returns false. */
static int for_each_process(OnProcess act, void *userdata)
{
        DIR *proc = opendir("/proc");
        struct dirent *entry;
        bool more = true;

        if (!proc)
                return -errno;
        while (more && (entry = readdir(proc))) {
                uint64_t pid;
                uid_t uid;

                if (text_parse_uint(entry->d_name, 1, INT32_MAX, &pid) == 0 &&
                    process_uid((pid_t)pid, &uid) == 0)
                        more = act((pid_t)pid, uid, userdata);
        }
        closedir(proc);
        return 0;
}

static bool is_a_cvms(const Manager *manager, uid_t uid)
{
        return vm_table_find_uid(&manager->home.table, uid) != NULL;
}

static bool is_orphan(const Manager *manager, uid_t uid)
{
        return uid >= manager->home.config->uid_first && uid <= manager->home.config->uid_last &&
               !is_a_cvms(manager, uid);
}

bool orphans_had(Manager *manager, uid_t uid)
{
        for (size_t i = 0; i < manager->n_orphan_uids; i++)
                if (manager->orphan_uids[i] == uid)
                        return true;
        return false;
}

static bool see(pid_t pid, uid_t uid, void *userdata)
{
        struct Look *look = userdata;

        look->found = is_orphan(look->manager, uid);
        return !look->found;
}

static bool note(pid_t pid, uid_t uid, void *userdata)
{
        Manager *manager = userdata;
        uid_t *uids;

        if (!is_orphan(manager, uid) || orphans_had(manager, uid))
                return true;
        log_warning("process %d runs as uid %u, which is reserved for CVMs, but belongs to no "
                    "known CVM; leaving it alone and not reusing the uid (if it belongs to another "
                    "cvmd, give each a range of its own: uids in cvmd.conf(5))",
                    (int)pid, uid);
        uids = reallocarray(manager->orphan_uids, manager->n_orphan_uids + 1, sizeof(uid_t));
        if (!uids)
                return false;
        manager->orphan_uids = uids;
        uids[manager->n_orphan_uids++] = uid;
        return true;
}

int orphans_find(Manager *manager)
{
        struct Look first = {manager, false};
        int r;

        if (!manager->privileged)
                return 0;
        r = for_each_process(see, &first);
        if (r < 0 || !first.found)
                return r;
        usleep(DYING_MSEC * 1000); /* recovery may have killed it just now */
        return for_each_process(note, manager);
}

typedef struct Search {
        uid_t uid;
        bool found;
} Search;

static bool compare(pid_t pid, uid_t uid, void *userdata)
{
        Search *search = userdata;

        search->found = uid == search->uid;
        return !search->found;
}

/* If that cannot be determined there may be one. */
static bool has_process(uid_t uid)
{
        Search search = {.uid = uid};

        return for_each_process(compare, &search) < 0 || search.found;
}

bool orphans_have(Manager *manager, uid_t uid)
{
        for (size_t i = 0; i < manager->n_orphan_uids; i++)
                if (manager->orphan_uids[i] == uid) {
                        if (has_process(uid))
                                return true;
                        manager->orphan_uids[i] = manager->orphan_uids[--manager->n_orphan_uids];
                        return false;
                }
        return false;
}
