/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "share.h"

static void write_text(const char *path, const char *text)
{
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

/* What the first process saves is what the agent loads, with the longest tags. */
static void test_saved(void **state)
{
        char directory[] = "/tmp/test-hal-share-XXXXXX", path[64];
        Shares shares = {.n_shares = SHARE_MAX}, loaded = {};

        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/cvm/shares", directory);
        for (size_t i = 0; i < SHARE_MAX; i++) {
                Share *share = shares.shares + i;

                memset(share->tag, 'a' + (int)(i % 26), SHARE_TAG_MAX);
                snprintf(share->path, sizeof(share->path), "/mnt/%s", share->tag);
                share->error = i % 2 ? ENOENT : 0;
        }
        assert_int_equal(shares_load(path, &loaded), -ENOENT);
        assert_int_equal(shares_save(&shares, path), 0);
        assert_int_equal(shares_load(path, &loaded), 0);
        assert_memory_equal(&loaded, &shares, sizeof(shares));

        write_text(path, "0 env_share\n");
        assert_int_equal(shares_load(path, &loaded), -EBADMSG);
        write_text(path, "x env_share /etc/cocos\n");
        assert_int_equal(shares_load(path, &loaded), -EBADMSG);
        write_text(path, "");
        assert_int_equal(shares_load(path, &loaded), 0);
        assert_int_equal(loaded.n_shares, 0);
        unlink(path);
        *strrchr(path, '/') = 0;
        rmdir(path);
        rmdir(directory);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_saved),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
