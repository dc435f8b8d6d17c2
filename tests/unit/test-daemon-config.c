/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/tree.h"
#include "directory.h"
#include "leaks.h"
#include "local/config.h"

/* The configuration of this text, or NULL with *ret_message a line without the file's path. */
static Config *load(const char *text, char **ret_message)
{
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_free_ char *path = NULL, *message = NULL;
        _cleanup_close_ int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Config *config = NULL;

        *ret_message = NULL;
        assert_int_equal(file_write_atomic_at(dirfd, "conf", text, strlen(text), 0600), 0);
        assert_true(asprintf(&path, "%s/conf", directory) > 0);
        if (config_load(path, NULL, &config, &message) == 0)
                return config;
        assert_non_null(message);
        assert_memory_equal(message, path, strlen(path));
        *ret_message = strdup(message + strlen(path));
        return NULL;
}

static void test_defaults(void **state)
{
        char *message;
        _cleanup_(config_freep) Config *c = load("{}", &message);

        assert_int_equal(c->cpus, 2);
        assert_int_equal(c->memory, UINT64_C(2) << 30);
        assert_int_equal(c->port_first, 6100);
        assert_int_equal(c->port_last, 7199);
        assert_int_equal(c->console_bytes, 2 << 20);
        assert_int_equal(c->console_files, 3);
        assert_int_equal(c->host_access, HOST_ACCESS_DENY);
        assert_int_equal(c->accelerator, ACCELERATOR_AUTO);
        assert_string_equal(c->users_group, "cvm");
        assert_string_equal(c->admins_group, "cvm-admin");
        assert_false(config_allows_tap(c, ""));
}

static void test_every_field(void **state)
{
        char *message;
        _cleanup_(config_freep) Config *c =
                load("{\"cpus\": 512, \"memory\": \"1G\", \"accelerator\": \"kvm\","
                     " \"templates\": \"/t\", \"scopes\": \"required\", \"machined\": \"off\", "
                     "\"ports\": {\"first\": 1, "
                     "\"last\": 65535},"
                     " \"vsock\": {\"first\": 3, \"last\": 4294967294},"
                     " \"timeouts\": {\"startSec\": 1, \"readySec\": 2, \"powerdownSec\": 3,"
                     " \"quitSec\": 86400}, \"console\": {\"size\": \"4K\", \"files\": 100},"
                     " \"limits\": {\"cvms\": 65536, \"cvmsPerUid\": 1,"
                     " \"memoryPerUid\": \"1T\", \"vcpusPerUid\": 7, \"portsPerUid\": 65535,"
                     " \"keysPerUid\": 3, \"artifactBytesPerUid\": \"1M\","
                     " \"secretBytesPerUid\": \"4K\", \"endedPerUid\": 65536,"
                     " \"endedLogBytesPerUid\": \"4K\"},"
                     " \"groups\": {\"users\": \"u\", \"admins\": \"a\"},"
                     " \"programs\": {\"swtpm\": \"/o/swtpm\"},"
                     " \"qemu\": {\"default\": \"/q\", \"tdx\": \"/q,=x\"},"
                     " \"network\": {\"bridges\": [\"br0\"], \"taps\": [\"tap0\", \"tap1\"]}}",
                     &message);
        _cleanup_free_ char *tdx = NULL, *plain = NULL, *swtpm = NULL, *none = NULL;

        if (!c)
                fail_msg("%s", message);
        assert_int_equal(c->cpus, 512);
        assert_int_equal(c->memory, 1 << 30);
        assert_int_equal(c->accelerator, ACCELERATOR_KVM);
        assert_int_equal(c->scopes, SCOPES_REQUIRED);
        assert_int_equal(c->machined, MACHINED_OFF);
        assert_string_equal(c->templates, "/t");
        assert_int_equal(c->port_first, 1);
        assert_int_equal(c->port_last, 65535);
        assert_int_equal(c->cid_first, 3);
        assert_int_equal(c->cid_last, 4294967294);
        assert_int_equal(c->start_sec, 1);
        assert_int_equal(c->ready_sec, 2);
        assert_int_equal(c->powerdown_sec, 3);
        assert_int_equal(c->quit_sec, 86400);
        assert_int_equal(c->console_bytes, 4096);
        assert_int_equal(c->console_files, 100);
        assert_int_equal(c->cvms_max, 65536);
        assert_int_equal(c->cvms_per_uid_max, 1);
        assert_int_equal(c->memory_per_uid_max, UINT64_C(1) << 40);
        assert_int_equal(c->vcpus_per_uid_max, 7);
        assert_int_equal(c->ports_per_uid_max, 65535);
        assert_int_equal(c->keys_per_uid_max, 3);
        assert_int_equal(c->artifact_bytes_per_uid_max, 1 << 20);
        assert_int_equal(c->secret_bytes_per_uid_max, 4096);
        assert_int_equal(c->ended_per_uid_max, 65536);
        assert_int_equal(c->ended_log_bytes_per_uid_max, 4096);
        assert_string_equal(c->users_group, "u");
        assert_string_equal(c->admins_group, "a");
        tdx = config_qemu(c, "tdx", "none");
        plain = config_qemu(c, "plain", "none");
        assert_string_equal(tdx, "/q,=x");
        assert_string_equal(plain, "/q");
        swtpm = config_program(c, "swtpm");
        none = config_program(c, "no-such-program");
        assert_string_equal(swtpm, "/o/swtpm");
        assert_null(none);
        assert_true(config_allows_bridge(c, "br0") && !config_allows_bridge(c, "tap0"));
        assert_true(config_allows_tap(c, "tap1") && !config_allows_tap(c, "tap"));
}

static void test_refusals(void **state)
{
        /* the field on line 2 */
        static const struct {
                const char *text, *field;
        } bad[] = {
                {"\"cpus\": 0", "cpus"},
                {"\"cpus\": 513", "cpus"},
                {"\"cpus\": -1", "cpus"},
                {"\"cpus\": 4294967297", "cpus"},
                {"\"cpus\": 2.0", "cpus"},
                {"\"cpus\": \"2\"", "cpus"},
                {"\"memory\": \"63M\"", "memory"},
                {"\"memory\": 2147483648", "memory"},
                {"\"memory\": \"67108865\"", "memory"},
                {"\"memory\": \"9999999T\"", "memory"},
                {"\"accelerator\": \"xen\"", "accelerator"},
                {"\"templates\": \"t\"", "templates"},
                {"\"templates\": \"\"", "templates"},
                {"\"port\": {}", "port"},
                {"\"programs\": {\"p\": \"p\"}", "programs.p"},
                {"\"programs\": {\"p\": 1}", "programs"},
                {"\"ports\": 1", "ports"},
                {"\"ports\": {\"first\": 0}", "ports.first"},
                {"\"ports\": {\"last\": 65536}", "ports.last"},
                {"\"ports\": {\"first\": 8000}", "ports.first"},
                {"\"ports\": {\"middle\": 1}", "ports.middle"},
                {"\"vsock\": {\"first\": 2}", "vsock.first"},
                {"\"vsock\": {\"last\": 4294967295}", "vsock.last"},
                {"\"vsock\": {\"first\": 9, \"last\": 8}", "vsock.last"},
                {"\"timeouts\": {\"startSec\": 0}", "timeouts.startSec"},
                {"\"timeouts\": {\"readySec\": 86401}", "timeouts.readySec"},
                {"\"timeouts\": {\"powerdownSec\": -1}", "timeouts.powerdownSec"},
                {"\"timeouts\": {\"quitSec\": true}", "timeouts.quitSec"},
                {"\"console\": {\"size\": \"4095\"}", "console.size"},
                {"\"console\": {\"size\": \"2G\"}", "console.size"},
                {"\"console\": {\"files\": 0}", "console.files"},
                {"\"console\": {\"files\": 101}", "console.files"},
                {"\"limits\": {\"cvms\": 0}", "limits.cvms"},
                {"\"limits\": {\"cvmsPerUid\": 65537}", "limits.cvmsPerUid"},
                {"\"limits\": {\"vcpusPerCpu\": 0}", "limits.vcpusPerCpu"},
                {"\"limits\": {\"vcpusPerUid\": 0}", "limits.vcpusPerUid"},
                {"\"limits\": {\"portsPerUid\": 65536}", "limits.portsPerUid"},
                {"\"limits\": {\"artifactBytesPerUid\": \"1023K\"}", "limits.artifactBytesPerUid"},
                {"\"limits\": {\"secretBytesPerUid\": 5000}", "limits.secretBytesPerUid"},
                {"\"limits\": {\"keysPerUid\": 0}", "limits.keysPerUid"},
                {"\"limits\": {\"endedPerUid\": 0}", "limits.endedPerUid"},
                {"\"limits\": {\"endedLogBytesPerUid\": \"4095\"}", "limits.endedLogBytesPerUid"},
                {"\"limits\": {\"memoryPerUid\": \"63M\"}", "limits.memoryPerUid"},
                {"\"limits\": {\"memoryPerUid\": 67108864}", "limits.memoryPerUid"},
                {"\"groups\": {\"users\": 5}", "groups.users"},
                {"\"qemu\": {\"tdx\": \"qemu\"}", "qemu.tdx"},
                {"\"qemu\": {\"tdx\": \"\"}", "qemu.tdx"},
                {"\"qemu\": {\"tdx\": 5}", "qemu"},
                {"\"network\": {\"bridges\": \"br0\"}", "network.bridges"},
                {"\"network\": {\"hostAccess\": \"no\"}", "network.hostAccess"},
                {"\"network\": {\"taps\": [5]}", "network.taps"},
                {"\"devices\": {\"disks\": \"/dev/sdb\"}", "devices.disks"},
                {"\"devices\": {\"disks\": [\"sdb\"]}", "devices.disks"},
                {"\"devices\": {\"gpus\": [\"41:00.0\"]}", "devices.gpus"},
                {"\"devices\": {\"gpus\": [\"0000:C1:00.0\"]}", "devices.gpus"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                _cleanup_free_ char *text = NULL, *expected = NULL, *message = NULL;
                _cleanup_(config_freep) Config *config = NULL;

                assert_true(asprintf(&text, "{\n%s}\n", bad[i].text) > 0);
                assert_true(asprintf(&expected, ":2: field '%s': ", bad[i].field) > 0);
                config = load(text, &message);
                if (config || strncmp(message, expected, strlen(expected)) != 0 ||
                    !message[strlen(expected)])
                        fail_msg("%s: %s", bad[i].text, config ? "taken" : message);
        }
}

static void test_no_json(void **state)
{
        static const char *const bad[] = {"", "[]", "{", "{\n\"cpus\": 1,\n\"cpus\": 2}",
                                          "{\"a\": \xff}"};

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                _cleanup_free_ char *message = NULL;
                _cleanup_(config_freep) Config *config = load(bad[i], &message);

                assert_null(config);
                assert_true(message[0] == ':' && message[1] >= '1' && message[1] <= '3');
        }
}

static void test_bad_files(void **state)
{
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_free_ char *path = NULL;
        Config *config = NULL;

        assert_true(asprintf(&path, "%s/conf", directory) > 0);
        for (unsigned i = 0; i < 4; i++) {
                _cleanup_free_ char *message = NULL;

                if (i == 1)
                        assert_int_equal(mkfifo(path, 0600), 0);
                if (i == 2)
                        assert_int_equal(mkdir(path, 0700), 0);
                if (i == 3) {
                        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

                        assert_int_equal(ftruncate(fd, CONFIG_BYTES_MAX + 1), 0);
                }
                assert_true(config_load(path, NULL, &config, &message) < 0);
                assert_null(config);
                assert_memory_equal(message, path, strlen(path));
                tree_remove_at(AT_FDCWD, path);
        }
}

static void test_uids_by_state_directory(void **state)
{
        const char *directories[] = {NULL, "/var/lib/cvmd", "/srv/a", "/srv/b"};
        uint32_t first[ARRAY_SIZE(directories)];

        for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
                _cleanup_(config_freep) Config *config = NULL;
                _cleanup_free_ char *message = NULL;

                assert_int_equal(config_load(NULL, directories[i], &config, &message), 0);
                first[i] = config->uid_first;
                assert_int_equal(config->uid_last - config->uid_first, 65535);
                assert_int_equal((config->uid_first - 1900000000) % 65536, 0);
                assert_true(config->uid_last < INT32_MAX);
        }
        const char *same[] = {"/srv/a/", "/srv/../srv/a", "/srv//a"};

        for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
                _cleanup_(config_freep) Config *config = NULL;
                _cleanup_free_ char *message = NULL;

                assert_int_equal(config_load(NULL, same[i], &config, &message), 0);
                assert_int_equal(config->uid_first, first[2]);
        }
        assert_int_equal(first[0], 1900000000);
        assert_int_equal(first[1], 1900000000);
        assert_true(first[2] != first[0] && first[3] != first[0] && first[2] != first[3]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_defaults),  leaks_unit_test(test_every_field),
                leaks_unit_test(test_refusals),  leaks_unit_test(test_no_json),
                leaks_unit_test(test_bad_files), leaks_unit_test(test_uids_by_state_directory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
