/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files of a host: the input is "PATH\n", its content up to a line "%%", and so on, laid out below
 * a root of their own. Every check has a finding, and a fix where it failed.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memfd.h"
#include "base/tree.h"
#include "fuzz.h"
#include "host/host.h"

static const char *const files[] = {
        "cpuid",
        "msr",
        "sev-status",
        "memlock",
        "proc/cpuinfo",
        "proc/meminfo",
        "sys/devices/system/cpu/online",
        "sys/fs/cgroup/misc.capacity",
        "sys/fs/cgroup/misc.current",
        "sys/module/kvm_amd/parameters/sev",
        "sys/module/kvm_amd/parameters/sev_es",
        "sys/module/kvm_amd/parameters/sev_snp",
        "sys/module/kvm_intel/parameters/tdx",
        "dev/kvm",
        "dev/sev",
        "vsock-4050",
};

static char root[] = "/tmp/fuzz-host-XXXXXX";

static void remove_root(void)
{
        tree_remove_at(AT_FDCWD, root);
}

static void make_root(void)
{
        static const char *const directories[] = {
                "dev",
                "proc",
                "sys",
                "sys/devices",
                "sys/devices/system",
                "sys/devices/system/cpu",
                "sys/fs",
                "sys/fs/cgroup",
                "sys/module",
                "sys/module/kvm_amd",
                "sys/module/kvm_amd/parameters",
                "sys/module/kvm_intel",
                "sys/module/kvm_intel/parameters",
        };
        static bool made;

        if (made)
                return;
        if (!mkdtemp(root))
                abort();
        atexit(remove_root);
        for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
                char path[256];

                snprintf(path, sizeof(path), "%s/%s", root, directories[i]);
                if (mkdir(path, 0700) < 0)
                        abort();
        }
        made = true;
}

static void write_file(const char *name, const void *data, size_t size)
{
        _cleanup_close_ int fd = -1;
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", root, name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || fd_write_all(fd, data, size) < 0)
                abort();
}

static void lay_out(const char *data, size_t size)
{
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                char path[256];

                snprintf(path, sizeof(path), "%s/%s", root, files[i]);
                unlink(path);
        }
        while (size > 0) {
                const char *line = memchr(data, '\n', size);
                size_t name = line ? (size_t)(line - data) : size;
                const char *content = line ? line + 1 : data + size;
                size_t left = size - (size_t)(content - data);
                const char *end = left ? memmem(content, left, "%%\n", 3) : NULL;
                size_t length = end ? (size_t)(end - content) : left;

                for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                        if (strlen(files[i]) == name && memcmp(files[i], data, name) == 0)
                                write_file(files[i], content, length);
                data = end ? end + 3 : content + length;
                size = end ? left - length - 3 : 0;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(host_facts_freep) HostFacts *facts = NULL, *again = NULL;

        make_root();
        lay_out((const char *)data, size);
        if (host_probe(root, &facts) < 0 || host_refresh(root, facts, &again) < 0)
                abort();
        for (const char *const *name = host_check_names(); *name; name++) {
                _cleanup_(host_check_done) HostCheck check = {}, second = {};

                if (host_check(facts, *name, &check) < 0 || host_check(again, *name, &second) < 0)
                        abort();
                if (!check.found || !check.needed || check.passed != !check.fix ||
                    strcmp(check.found, second.found) != 0)
                        abort();
        }
        return 0;
}
