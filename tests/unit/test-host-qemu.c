/* SPDX-License-Identifier: Apache-2.0 */
/* The QEMU probe: against a scripted peer, against kept files, and against the QEMU of this
 * machine. */
#include "test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/memfd.h"
#include "directory.h"
#include "host/qemu_message.h"
#include "host/qemu_needs.h"
#include "leaks.h"

#define REAL "/usr/bin/qemu-system-x86_64"
#define GREETING                                                                                   \
        "{\"QMP\":{\"version\":{\"qemu\":{\"major\":10,\"minor\":2,\"micro\":1},"                  \
        "\"package\":\"test\"},\"capabilities\":[]}}"

static json_object *parsed(const char *text)
{
        json_object *object = NULL;

        assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        return object;
}

/* Answers in their order, each to one line of the peer's; "ID" stands for the question's id. An
 * empty answer sends nothing. */
static void serve(int fd, const char *const *answers)
{
        FILE *in = fdopen(fd, "r");
        char *line = NULL;
        size_t size = 0;

        for (size_t i = 0; answers[i]; i++) {
                const char *id = strstr(answers[i], "ID");
                _cleanup_free_ char *text = NULL;
                char number[16] = "";

                if (i > 0) {
                        const char *found;

                        if (getline(&line, &size, in) < 0 || !(found = strstr(line, "\"id\":")))
                                _exit(3);
                        snprintf(number, sizeof(number), "%ld", strtol(found + 5, NULL, 10));
                }
                if (asprintf(&text, "%.*s%s%s\r\n", id ? (int)(id - answers[i]) : 1 << 30,
                             answers[i], id ? number : "", id ? id + 2 : "") < 0)
                        _exit(3);
                if (*answers[i] && fd_write_all(fd, text, strlen(text)) < 0)
                        _exit(3);
        }
        while (getline(&line, &size, in) > 0)
                ;
        _exit(0);
}

static int talk(const char *const *answers, QemuProbe **ret, const char **ret_reason)
{
        int pair[2], r, status;
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                close(pair[0]);
                serve(pair[1], answers);
        }
        close(pair[1]);
        r = qemu_probe_talk(pair[0], 300, ret, ret_reason);
        close(pair[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return r;
}

#define OK "{\"return\":{},\"id\":ID}"
#define LIST(...) "{\"return\":[" __VA_ARGS__ "],\"id\":ID}"
#define REFUSED "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"},\"id\":ID}"

static const char *const answers_full[] = {
        GREETING,
        OK,
        LIST("{\"name\":\"sev-snp-guest\"},{\"name\":\"rng-random\"},{\"name\":\"igvm-cfg\"}"),
        "{\"event\":\"X\",\"timestamp\":{\"seconds\":1,\"microseconds\":1}}\r\n" LIST(
                "{\"name\":\"policy\"},{\"name\":\"cbitpos\"}"),
        REFUSED, /* of igvm-cfg: then nothing is known of its properties */
        LIST("{\"name\":\"virtio-9p-pci\"}"),
        LIST("{\"name\":\"EPYC-v4\"}"),
        LIST("{\"name\":\"pc-i440fx\",\"alias\":\"pc\"},{\"name\":\"pc-q35-10.2\",\"alias\":"
             "\"q35\"}"),
        LIST("{\"name\":\"hpet\"},{\"name\":\"device-plane\"}"),
        OK,
        NULL,
};

static QemuProbe *full_probe(void)
{
        const char *reason = NULL;
        QemuProbe *probe = NULL;

        if (talk(answers_full, &probe, &reason) < 0)
                fail_msg("%s", reason);
        return probe;
}

static void test_answers(void **state)
{
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe = full_probe();
        _cleanup_free_ char *text = qemu_probe_describe(probe);

        assert_string_equal(qemu_probe_version(probe), "10.2.1");
        assert_string_equal(text, "QEMU 10.2.1 (test), the COCONUT-SVSM fork");
        assert_int_equal(qemu_probe_flavour(probe), QEMU_COCONUT);
        assert_true(qemu_probe_has_object(probe, "igvm-cfg"));
        assert_false(qemu_probe_has_object(probe, "tdx-guest"));
        assert_true(qemu_probe_has_property(probe, "sev-snp-guest", "policy"));
        assert_false(qemu_probe_has_property(probe, "sev-snp-guest", "host-data"));
        assert_false(qemu_probe_has_property(probe, "igvm-cfg", "file"));
        assert_false(qemu_probe_has_property(probe, "nothing", "policy"));
        assert_true(qemu_probe_has_device(probe, "virtio-9p-pci"));
        assert_false(qemu_probe_has_device(probe, "vhost-vsock-pci"));
        assert_true(qemu_probe_has_cpu(probe, "EPYC-v4"));
        assert_true(qemu_probe_has_machine(probe, "q35", "device-plane"));
        assert_false(qemu_probe_has_machine(probe, "q35", "igvm-cfg"));
        assert_false(qemu_probe_has_machine(probe, "virt", "hpet"));
}

/* Forks are known by what they answer. */
static void test_flavours(void **state)
{
        static const struct {
                const char *objects, *machines;
                QemuFlavour flavour;
        } cases[] = {
                {"{}", "{\"q35\":{\"igvm-cfg\":null}}", QEMU_UPSTREAM},
                {"{}", "{\"q35\":{\"x-svsm-virtio-mmio\":null}}", QEMU_COCONUT},
                {"{}", "{\"q35\":{\"igvm-file\":null}}", QEMU_COCONUT_OLD},
                {"{\"memory-backend-ram\":{\"private\":null}}", "{}", QEMU_CANONICAL_OLD},
                {"{\"memory-backend-ram\":{\"share\":null}}", "{\"q35\":null}", QEMU_UPSTREAM},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(qemu_probe_unrefp) QemuProbe *probe = NULL;
                _cleanup_json_ json_object *object = json_build(
                        "version", json_object_new_string("9.0.0"), "package",
                        json_object_new_string(""), "objects", parsed(cases[i].objects), "devices",
                        json_object_new_object(), "cpus", json_object_new_object(), "machines",
                        parsed(cases[i].machines), NULL);

                assert_int_equal(qemu_probe_parse(object, &probe), 0);
                assert_int_equal(qemu_probe_flavour(probe), cases[i].flavour);
        }
}

/* Whoever answers oddly, too much or not at all is no QEMU that can be asked. */
static void test_bad_peers(void **state)
{
        _cleanup_free_ char *long_name = NULL;
        const char *reason;
        QemuProbe *probe = NULL;

        assert_true(asprintf(&long_name, "{\"return\":[{\"name\":\"%0200d\"}],\"id\":ID}", 0) > 0);
        const struct {
                const char *answers[6];
                int r;
                const char *reason;
        } cases[] = {
                {{"", NULL}, -ETIMEDOUT, "does not respond"},
                {{"noise", NULL}, -EPROTO, "not valid JSON"},
                {{"{\"return\":{},\"id\":1}", NULL}, -EPROTO, "before the greeting"},
                {{GREETING, NULL}, -ETIMEDOUT, "does not respond"},
                {{GREETING, GREETING, NULL}, -EPROTO, "another command"},
                {{GREETING, REFUSED, NULL}, -EPROTO, "qmp_capabilities"},
                {{GREETING, "{\"return\":{},\"id\":77}", NULL}, -EPROTO, "another command"},
                {{GREETING, OK, REFUSED, NULL}, -EPROTO, "qom-list-types"},
                {{GREETING, OK, OK, NULL}, -EPROTO, "a member that should be a list is not one"},
                {{GREETING, OK, LIST("7"), NULL}, -EPROTO, "invalid name"},
                {{GREETING, OK, LIST("{\"name\":7}"), NULL}, -EPROTO, "invalid name"},
                {{GREETING, OK, LIST("{\"name\":\"\"}"), NULL}, -EPROTO, "invalid name"},
                {{GREETING, OK, LIST("{\"name\":\"a\\n\"}"), NULL}, -EPROTO, "invalid name"},
                {{GREETING, OK, long_name, NULL}, -EPROTO, "invalid name"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                reason = "";
                assert_int_equal(talk(cases[i].answers, &probe, &reason), cases[i].r);
                if (!strstr(reason, cases[i].reason))
                        fail_msg("case %zu: '%s'", i, reason);
                assert_null(probe);
        }
}

/* A line without end, and events without end, are bounded. */
static void test_flood(void **state)
{
        static const char *const pieces[] = {
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                "xx",
                "{\"event\":\"X\",\"timestamp\":{\"seconds\":1,\"microseconds\":1}}\n"};

        for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
                const char *reason = "";
                QemuProbe *probe = NULL;
                int pair[2], r;
                pid_t pid;

                assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
                pid = fork();
                if (pid == 0) {
                        signal(SIGPIPE, SIG_DFL);
                        close(pair[0]);
                        for (;;)
                                if (fd_write_all(pair[1], pieces[i], strlen(pieces[i])) < 0)
                                        _exit(0);
                }
                close(pair[1]);
                r = qemu_probe_talk(pair[0], 60000, &probe, &reason);
                close(pair[0]);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
                assert_int_equal(r, -EPROTO);
                assert_string_equal(reason,
                                    i == 0 ? "a reply is too long" : "its reply is too long");
        }
}

static void test_needs(void **state)
{
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe = full_probe();
        _cleanup_(host_check_list_done) HostCheckList missing = {};
        _cleanup_json_ json_object *met = parsed(
                "{\"objects\":[\"sev-snp-guest\",\"igvm-cfg\"],\"devices\":[\"virtio-9p-pci\"],"
                "\"cpus\":[\"EPYC-v4\"],\"properties\":{\"sev-snp-guest\":[\"policy\"],"
                "\"absent\":[\"x\"]},\"machines\":{\"q35\":[\"hpet\"]}}");
        _cleanup_json_ json_object *unmet = parsed(
                "{\"objects\":[\"tdx-guest\"],\"properties\":{\"sev-snp-guest\":[\"host-data\"]},"
                "\"devices\":[\"vhost-vsock-pci\"],\"cpus\":[\"EPYC-v9\"],"
                "\"machines\":{\"q35\":[\"igvm-cfg\"]},"
                "\"providers\":{\"tdx-guest\":\"QEMU 10.1\",\"sev-snp-guest\":\"QEMU 9.1\"}}");
        static const struct {
                const char *needed, *fix;
        } expected[] = {
                {"object tdx-guest", "install QEMU 10.1; if its binary is not /q"},
                {"property sev-snp-guest.host-data", "install QEMU 9.1; if its binary is not /q"},
                {"device vhost-vsock-pci", "install a QEMU that supports it"},
                {"CPU model EPYC-v9", "a QEMU that supports it"},
                {"machine option q35.igvm-cfg", "a QEMU that supports it"},
        };

        assert_int_equal(qemu_needs_check(probe, "/q", NULL, &missing), 0);
        assert_int_equal(qemu_needs_check(probe, "/q", met, &missing), 0);
        assert_int_equal(missing.n, 0);
        assert_int_equal(qemu_needs_check(probe, "/q", unmet, &missing), 0);
        assert_int_equal(missing.n, ARRAY_SIZE(expected));
        for (size_t i = 0; i < missing.n; i++) {
                assert_string_equal(missing.items[i].name, "qemu");
                assert_string_equal(missing.items[i].needed, expected[i].needed);
                assert_non_null(strstr(missing.items[i].fix, expected[i].fix));
                assert_non_null(strstr(missing.items[i].found, "QEMU 10.2.1 (test)"));
                assert_false(missing.items[i].passed);
        }
}

/* A program that notes each run and speaks QMP as far as the probe needs, in /bin/sh. */
static char *write_program(const char *directory, const char *runs)
{
        _cleanup_free_ char *path = NULL, *text = NULL;
        int fd, n;

        assert_true(asprintf(&path, "%s/qemu", directory) > 0);
        n = asprintf(&text,
                     "#!/bin/sh\n"
                     "echo run >> %s\n"
                     "echo '%s' >&3\n"
                     "i=1\n"
                     "while read line <&3; do\n"
                     "  case $line in *list*|*query*) r='[]';; *) r='{}';; esac\n"
                     "  printf '{\"return\":%%s,\"id\":%%d}\\n' \"$r\" $i >&3\n"
                     "  i=$((i+1))\n"
                     "  case $line in *quit*) exit 0;; esac\n"
                     "done\n",
                     runs, GREETING);
        assert_true(n > 0);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
        assert_int_equal(fd_write_all(fd, text, (size_t)n), 0);
        assert_int_equal(fchmod(fd, 0755), 0);
        close(fd);
        return TAKE_PTR(path);
}

static size_t count_runs(const char *runs)
{
        struct stat st;

        assert_int_equal(stat(runs, &st), 0);
        return (size_t)st.st_size / strlen("run\n");
}

static void probe_cached(const char *program, int cache)
{
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe = NULL;
        _cleanup_free_ char *reason = NULL;

        if (qemu_probe_cached(program, cache, &probe, &reason) < 0)
                fail_msg("%s", reason ?: "?");
        assert_string_equal(qemu_probe_version(probe), "10.2.1");
}

static void replace_kept(int cache, const char *text, size_t size)
{
        DIR *dir = fdopendir(dup(cache));
        struct dirent *entry;
        size_t n = 0;

        rewinddir(dir);
        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.') {
                        assert_int_equal(
                                file_write_atomic_at(cache, entry->d_name, text, size, 0600), 0);
                        n++;
                }
        closedir(dir);
        assert_int_equal(n, 1);
}

static void test_cache(void **state)
{
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_free_ char *runs = NULL, *program = NULL, *kept = NULL;
        _cleanup_close_ int cache = -1, file = -1;
        struct timespec times[2] = {{1000, 1}, {1000, 1}};
        DIR *dir;
        struct dirent *entry;
        size_t size;

        assert_int_equal(chmod(directory, 0755), 0);
        assert_true(asprintf(&runs, "%s/runs", directory) > 0);
        file = open(runs, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        assert_int_equal(fchmod(file, 0666), 0);
        program = write_program(directory, runs);
        {
                _cleanup_free_ char *path = NULL;

                assert_true(asprintf(&path, "%s/cache", directory) > 0);
                assert_int_equal(mkdir(path, 0700), 0);
                cache = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }

        probe_cached(program, -1);
        probe_cached(program, cache);
        assert_int_equal(count_runs(runs), 2);
        probe_cached(program, cache);
        assert_int_equal(count_runs(runs), 2);

        /* another state of the binary */
        assert_int_equal(utimensat(AT_FDCWD, program, times, 0), 0);
        probe_cached(program, cache);
        probe_cached(program, cache);
        assert_int_equal(count_runs(runs), 3);

        /* torn, foreign or not to be read: as none, and replaced */
        dir = fdopendir(dup(cache));
        rewinddir(dir);
        while ((entry = readdir(dir)) && entry->d_name[0] == '.')
                ;
        assert_int_equal(file_read_at(cache, entry->d_name, 1 << 20, &kept, &size), 0);
        closedir(dir);
        for (size_t cut = 0; cut < size; cut += size / 5) {
                size_t before = count_runs(runs);

                replace_kept(cache, kept, cut);
                probe_cached(program, cache);
                assert_int_equal(count_runs(runs), before + 1);
        }
        {
                size_t before = count_runs(runs);
                char *devices = strstr(kept, "\"devices\":{}");

                memcpy(devices, "\"devices\":[]", 12);
                replace_kept(cache, kept, size);
                probe_cached(program, cache);
                memcpy(devices, "\"devices\":{}", 12);
                memcpy(strstr(kept, "\"kernel\":\"") + 10, "#", 1);
                replace_kept(cache, kept, size);
                probe_cached(program, cache);
                replace_kept(cache, "[]", 2);
                probe_cached(program, cache);
                assert_int_equal(count_runs(runs), before + 3);
        }
}

/* What is no QEMU says so itself; what hangs is ended. */
static void test_no_qemu(void **state)
{
        static const struct {
                const char *path;
                int r;
                const char *reason;
        } cases[] = {
                {"/bin/cat", -ECONNRESET, "invalid option"},
                {"/bin/true", -ECONNRESET, "exited before"},
                {"/etc/passwd", -ECONNRESET, "Permission denied"},
        };
        QemuProbe *probe = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *reason = NULL;

                assert_int_equal(qemu_probe_cached(cases[i].path, -1, &probe, &reason), cases[i].r);
                if (!strstr(reason, cases[i].reason))
                        fail_msg("%s: '%s'", cases[i].path, reason);
        }
        {
                char *reason = NULL;

                assert_int_equal(qemu_probe_cached("/nonexistent", -1, &probe, &reason), -ENOENT);
                assert_null(reason);
        }
}

/* The QEMU of this machine, if it has one: a real conversation. */
static void test_real(void **state)
{
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe = NULL, *again = NULL;
        _cleanup_json_ json_object *object = NULL, *second = NULL;
        _cleanup_free_ char *reason = NULL;

        if (access(REAL, X_OK) < 0)
                skip();
        if (qemu_probe_run(REAL, &probe, &reason) < 0)
                fail_msg("%s", reason);
        assert_true(qemu_probe_has_object(probe, "memory-backend-memfd"));
        assert_true(qemu_probe_has_property(probe, "memory-backend-memfd", "reserve"));
        assert_true(qemu_probe_has_property(probe, "sev-guest", "kernel-hashes"));
        assert_true(qemu_probe_has_device(probe, "virtio-9p-pci"));
        assert_true(qemu_probe_has_cpu(probe, "EPYC-v3"));
        assert_true(qemu_probe_has_machine(probe, "q35", "confidential-guest-support"));
        assert_true(qemu_probe_has_machine(probe, "q35", "pflash0"));
        assert_false(qemu_probe_has_machine(probe, "q35", "x-svsm-virtio-mmio"));
        assert_int_equal(qemu_probe_flavour(probe), QEMU_UPSTREAM);

        object = qemu_probe_to_json(probe);
        assert_int_equal(qemu_probe_parse(object, &again), 0);
        second = qemu_probe_to_json(again);
        assert_true(json_object_equal(object, second));
}

/* What QEMU says of an IGVM file that it does not take. */
static void test_messages(void **state)
{
        static const struct {
                const char *log, *meaning; /* NULL: there is nothing to explain */
        } cases[] = {
                {"qemu: Unable to parse IGVM file /proc/self/fd/3: -9", "platform header"},
                {"qemu: Unable to parse IGVM file /proc/self/fd/3: -10", "GUEST_POLICY"},
                {"qemu: Unable to parse IGVM file /proc/self/fd/3: -11\n", "directive header"},
                {"qemu: Unable to parse IGVM file /proc/self/fd/3: -12\r\n", "same type"},
                {"x\nqemu: Unable to parse IGVM file a: -1: b: -13\nmore\n", "parameter area"},
                {"qemu: -object igvm-cfg,id=i: Unable to parse IGVM file f: -17", "header section"},
                {"qemu: Unable to parse IGVM file f: -18", "checksum"},
                {"qemu: Unable to parse IGVM file f: -22", "no matching VP context"},
                {"qemu: Unable to parse IGVM file f: -27", "error -27"},
                {"qemu: Unable to parse IGVM file f: -28", "unknown to cvmd"},
                {"qemu: Unable to parse IGVM file f: -0", "unknown to cvmd"},
                {"qemu: Unable to parse IGVM file f: -18446744073709551617", "unknown to cvmd"},
                {"qemu: Unable to parse IGVM file f: -9\nqemu: Unable to parse IGVM file f: -18",
                 "checksum"},
                {"qemu: IGVM: Unknown header type encountered when processing file: (type 0x312)",
                 "headers of type 0x312"},
                {"qemu: IGVM file does not describe a compatible supported platform",
                 "cvmctl igvm"},
                {"qemu: Unable to parse IGVM file f: 9", NULL},
                {"qemu: Unable to parse IGVM file f: -", NULL},
                {"qemu: Unable to parse IGVM file f: -9x", NULL},
                {"qemu: Unable to parse IGVM file ", NULL},
                {"qemu: could not load kernel", NULL},
                {"", NULL},
                {NULL, NULL},
        };
        char buffer[QEMU_MESSAGE_MAX];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const char *meaning = qemu_message_explain(cases[i].log, buffer);

                if (!cases[i].meaning)
                        assert_null(meaning);
                else if (!meaning || !strstr(meaning, cases[i].meaning))
                        fail_msg("%s: %s", cases[i].log, meaning ?: "nothing");
                if (meaning)
                        assert_true(strlen(meaning) < QEMU_MESSAGE_MAX - 1);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_messages), leaks_unit_test(test_answers),
                leaks_unit_test(test_flavours), leaks_unit_test(test_bad_peers),
                leaks_unit_test(test_flood),    leaks_unit_test(test_needs),
                leaks_unit_test(test_cache),    leaks_unit_test(test_no_qemu),
                leaks_unit_test(test_real),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
