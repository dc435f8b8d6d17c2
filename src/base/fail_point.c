/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fail_point.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/macros.h"

#ifdef CVMD_FAIL_POINTS

static _Atomic(int64_t) *left; /* NULL: no test asks */

static void map(void)
{
        const char *path = getenv(FAIL_POINTS_ENV);
        _cleanup_close_ int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        void *memory;

        if (fd < 0)
                return;
        memory = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory != MAP_FAILED)
                left = memory;
}

void fail_point(const char *name)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, map);
        if (!left || atomic_fetch_sub(left, 1) != 1)
                return;
        dprintf(STDERR_FILENO, "fail point: %s\n", name);
        kill(getpid(), SIGKILL);
}

#endif
