/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Group setup and teardown that see to it that a test program leaves no descriptor and no child. */

#include <dirent.h>
#include <sys/wait.h>

static inline int leaks_count_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        int n = -1; /* the directory's own */

        if (!dir)
                fail_msg("no /proc");
        for (struct dirent *entry; (entry = readdir(dir));)
                n += entry->d_name[0] != '.';
        closedir(dir);
        return n;
}

static inline int leaks_setup(void **state)
{
        *state = (void *)(intptr_t)leaks_count_fds();
        return 0;
}

static inline int leaks_teardown(void **state)
{
        int before = (int)(intptr_t)*state;

        /* what others sent is closed in a thread (base/foreign.h) */
        for (unsigned i = 0; i < 5000 && leaks_count_fds() > before; i++)
                usleep(1000);
        assert_int_equal(leaks_count_fds(), before);
        assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
        assert_int_equal(errno, ECHILD);
        return 0;
}

/* A case of its own descriptors and children. */
#define leaks_unit_test(f) cmocka_unit_test_setup_teardown(f, leaks_setup, leaks_teardown)
