/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "directory.h"
#include "local/qemu_cache.h"

/* A QEMU that says nothing, as long as the file DIRECTORY/silent is there. */
static const char silent[] = "#!/bin/sh\n"
                             "echo >>\"${0%/*}/asked\"\n"
                             "while test -e \"${0%/*}/silent\"; do sleep 0.02; done\n";

typedef struct Asking {
        QemuCache *cache;
        char *path;
        bool done;
} Asking;

static void *ask(void *userdata)
{
        Asking *asking = userdata;

        assert_null(qemu_cache_get(asking->cache, asking->path));
        __atomic_store_n(&asking->done, true, __ATOMIC_SEQ_CST);
        return NULL;
}

static char *put(const char *directory, const char *name, const char *text)
{
        int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char *path = NULL;

        assert_int_equal(file_write_atomic_at(dirfd, name, text, strlen(text), 0755), 0);
        close(dirfd);
        assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
        return path;
}

/* Who wants another one does not wait for it; who wants the same one does, and it is asked once. */
static void test_a_silent_one(void **state)
{
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_free_ char *flag = put(directory, "silent", ""),
                            *mute = put(directory, "mute", silent),
                            *other = put(directory, "other", "#!/bin/sh\nexit 1\n"), *asked = NULL;
        Asking asking[2] = {{.path = mute}, {.path = mute}};
        pthread_t threads[2];
        QemuCache *cache;
        struct stat st;

        assert_true(asprintf(&asked, "%s/asked", directory) > 0);
        assert_int_equal(chmod(directory, 0777), 0); /* a daemon of root's asks as nobody */
        assert_int_equal(
                qemu_cache_new(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &cache), 0);
        for (int i = 0; i < 2; i++) {
                asking[i].cache = cache;
                assert_int_equal(pthread_create(&threads[i], NULL, ask, &asking[i]), 0);
        }
        while (stat(asked, &st) < 0)
                usleep(1000);
        assert_null(qemu_cache_get(cache, other));
        assert_null(qemu_cache_peek(cache, other));
        assert_null(qemu_cache_peek(cache, mute));
        for (int i = 0; i < 2; i++)
                assert_false(__atomic_load_n(&asking[i].done, __ATOMIC_SEQ_CST));
        assert_int_equal(unlink(flag), 0);
        for (int i = 0; i < 2; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(stat(asked, &st), 0);
        assert_int_equal(st.st_size, 1);
        qemu_cache_free(cache);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_silent_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
