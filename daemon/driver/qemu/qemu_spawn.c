/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/qemu/qemu_spawn.h"

#include <string.h>
#include <sys/stat.h>

typedef struct QemuHome {
        DriverHome base;
        FileFilter filter; /* to make it takes as long as to fork */
} QemuHome;

int qemu_spawn_home_new(const DriverOps *ops, uv_loop_t *loop, DriverHome **ret)
{
        QemuHome *home = calloc(1, sizeof(*home));
        int r;

        if (!home)
                return -ENOMEM;
        home->base = (DriverHome){.ops = ops, .loop = loop};
        r = file_filter_init(&home->filter);
        if (r < 0) {
                free(home);
                return r;
        }
        *ret = &home->base;
        return 0;
}

void qemu_spawn_home_free(DriverHome *base)
{
        QemuHome *home = container_of(base, QemuHome, base);

        file_filter_done(&home->filter);
        free(home);
}

/* Groups of the devices that the plan names: all that the program may open beyond its own. */
static int collect_groups(const LaunchPlan *plan, gid_t **ret, size_t *ret_n)
{
        size_t n = 0, max = 0;
        gid_t *groups;

        for (char **device = plan->devices; device && *device; device++)
                max++;
        groups = calloc(max + 1, sizeof(*groups));
        if (!groups)
                return -ENOMEM;
        for (char **device = plan->devices; device && *device; device++) {
                struct stat st;

                /* root's own group would open much more than a device */
                if (stat(*device, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISSOCK(st.st_mode)) &&
                    st.st_gid != 0)
                        groups[n++] = st.st_gid;
        }
        *ret = groups;
        *ret_n = n;
        return 0;
}

static int find_fd(const DriverStart *start, const int *sockets, const char *what)
{
        for (size_t i = 0; i < _QEMU_SOCKET_MAX; i++)
                if (strcmp(qemu_socket_name(i), what) == 0)
                        return sockets[i];
        for (size_t i = 0; i < start->n_fds; i++)
                if (strcmp(start->fds[i].what, what) == 0)
                        return start->fds[i].fd;
        return -1;
}

int qemu_spawn(DriverHome *home, const DriverStart *start, const int *sockets, int output,
               Child *ret, CvmError *error)
{
        const LaunchPlan *plan = start->plan;
        _cleanup_free_ ChildFd *fds = calloc(plan->n_descriptors + 1, sizeof(*fds));
        _cleanup_free_ gid_t *groups = NULL;
        ChildSpawn child = {.argv = plan->argv,
                            .fds = fds,
                            .output_fd = output,
                            .filter = &container_of(home, QemuHome, base)->filter,
                            .switch_ids = start->uid != 0,
                            .uid = start->uid,
                            .gid = start->uid};
        int r;

        if (!fds)
                return cvm_error_system(error, -ENOMEM, "start QEMU");
        for (size_t i = 0; i < plan->n_descriptors; i++) {
                int fd = find_fd(start, sockets, plan->descriptors[i].what);

                if (fd < 0)
                        return cvm_error_launch(error, "starting", NULL,
                                                "no descriptor '%s' is available",
                                                plan->descriptors[i].what);
                fds[child.n_fds++] = (ChildFd){.fd = fd, .number = plan->descriptors[i].number};
        }
        r = collect_groups(plan, &groups, &child.n_groups);
        if (r == 0) {
                child.groups = groups;
                r = child_spawn(&child, ret);
        }
        return r < 0 ? cvm_error_system(error, r, "start QEMU") : 0;
}
