/* SPDX-License-Identifier: Apache-2.0 */

/* What a host can run out of: ASIDs and key IDs as the misc controller counts them, and memory that
 * may be locked. */

#include <string.h>
#include <sys/resource.h>

#include "base/text.h"
#include "host/host_internal.h"

/* The value after "KEY " at the beginning of a line; false if there is none or it is "max". */
static bool pools_value_of(const char *text, const char *key, uint64_t *ret)
{
        size_t length = strlen(key);

        for (const char *line = text; line && *line;) {
                if (strncmp(line, key, length) == 0 && line[length] == ' ') {
                        _cleanup_free_ char *number =
                                strndup(line + length + 1, strcspn(line + length + 1, "\n"));

                        return number && text_parse_uint(number, 0, UINT64_MAX, ret) == 0;
                }
                line = strchr(line, '\n');
                line += line != NULL;
        }
        return false;
}

void host_probe_pools(const char *root, HostFacts *facts)
{
        /* only the root of the hierarchy states the capacity; version 2, then version 1 */
        static const char *const directories[][2] = {
                {"/sys/fs/cgroup/misc.capacity", "/sys/fs/cgroup/misc.current"},
                {"/sys/fs/cgroup/misc/misc.capacity", "/sys/fs/cgroup/misc/misc.current"},
        };
        const struct {
                const char *key;
                HostPool *pool;
        } pools[] = {{"sev", &facts->asids_sev},
                     {"sev_es", &facts->asids_sev_es},
                     {"tdx", &facts->keyids_tdx}};

        for (size_t p = 0; p < ARRAY_SIZE(pools); p++)
                *pools[p].pool = (HostPool){};
        for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
                _cleanup_free_ char *capacity = host_read_file(root, directories[i][0]);
                _cleanup_free_ char *current = host_read_file(root, directories[i][1]);

                for (size_t p = 0; capacity && p < ARRAY_SIZE(pools); p++) {
                        HostPool pool = {};

                        pool.known = pools_value_of(capacity, pools[p].key, &pool.capacity) &&
                                     pools_value_of(current, pools[p].key, &pool.used);
                        if (pool.known)
                                *pools[p].pool = pool;
                }
        }
}

void host_probe_memlock(const char *root, HostFacts *facts)
{
        _cleanup_free_ char *text = *root ? host_read_file(root, "/memlock") : NULL;
        struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
        uint64_t value;

        facts->memlock = UINT64_MAX;
        if (text && pools_value_of(text, "max", &value)) {
                facts->memlock = value;
                return;
        }
        /* root's daemon raises it */
        if (!*root && geteuid() != 0 && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
            limit.rlim_max != RLIM_INFINITY)
                facts->memlock = limit.rlim_max;
}
