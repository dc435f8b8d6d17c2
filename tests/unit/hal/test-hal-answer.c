/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's answer, over a directory that stands for the guest's files. */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "answer.h"
#include "base/file.h"
#include "base/json.h"
#include "base/tree.h"
#include "given.h"

/* The key 00 01 .. 1f. The proofs and MACs are what Python's hmac makes of it. */
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define PROOF_HELLO "bd17eb16c7fc2e48665c8db36ae58cc2e36e72cfec6650a2212cc64e8833e4ab"
#define PROOF_ZERO "d4afcf1287788a07950e7566f894a8bdb9043c270ee7f2af65a4c21a25a12a80"
#define MAC_A "46e0bf141109f1dafbadeb318b34406dc8326a8579943058751ccc276d270f50"
#define MAC_B "72cf73f2d64c28d0ceffc87a02ffec8e315375e5b4b9dcc999148d91c511873b"
#define MAC_KEY "324685c07c968c961e13faa7c229b7710d4c6e98bf4a3abc0424669d3c09417b"
#define MAC_CA "462e56d4d24517f5f9735a9f4a5bf9ac408799954c60250543122e9099d2b9dd"
#define MAC_KEY_PEM "1c5163ff8b6de9a02b5eca1f3e720eaa6311a79a1487fab86bcd21f4f5e86dfb"

typedef struct Guest {
        char *directory, *certs, *cmdline, *tpms, *reports;
        int fd;
        Environment environment;
        Shares shares;
        AnswerSources sources;
} Guest;

static char *below(const Guest *guest, const char *name)
{
        char *path = NULL;

        assert_true(asprintf(&path, "%s/%s", guest->directory, name) > 0);
        return path;
}

static void put(const Guest *guest, const char *name, const char *text)
{
        _cleanup_close_ int fd = openat(guest->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void make_directory(const Guest *guest, const char *name)
{
        assert_int_equal(mkdirat(guest->fd, name, 0700), 0);
}

static void guest_init(Guest *guest)
{
        static const char environment[] = "B=abc\nA=\n1=dropped\nCVM_AGENT_KEY=" KEY "\n";

        *guest = (Guest){.fd = -1};
        assert_true(asprintf(&guest->directory, "%s/test-hal-XXXXXX", getenv("TMPDIR") ?: "/tmp") >
                    0);
        assert_non_null(mkdtemp(guest->directory));
        guest->fd = open(guest->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(guest->fd >= 0);
        make_directory(guest, "certs");
        put(guest, "cmdline", "console=null quiet\n");
        assert_int_equal(
                environment_parse(environment, sizeof(environment) - 1, &guest->environment), 0);
        guest->shares = (Shares){
                {{"env_share", "/etc/cocos", 0}, {"certs_share", "/etc/certs", ENOENT}}, 2};
        guest->sources = (AnswerSources){
                .environment = &guest->environment,
                .shares = &guest->shares,
                .certs = guest->certs = below(guest, "certs"),
                .cmdline = guest->cmdline = below(guest, "cmdline"),
                .tpms = guest->tpms = below(guest, "tpm"),
                .reports = guest->reports = below(guest, "report"),
        };
}

static void guest_done(Guest *guest)
{
        close(guest->fd);
        assert_int_equal(tree_remove_at(AT_FDCWD, guest->directory), 0);
        free(guest->directory);
        free(guest->certs);
        free(guest->cmdline);
        free(guest->tpms);
        free(guest->reports);
        environment_done(&guest->environment);
}

/* The answer as an object; it is one line. */
static json_object *ask(const Guest *guest, const char *line)
{
        _cleanup_(buffer_done) Buffer out = {};
        json_object *object = NULL;

        assert_int_equal(answer_line(&guest->sources, line, strlen(line), &out), 0);
        assert_ptr_equal(strchr(out.data, '\n'), out.data + out.size - 1);
        assert_int_equal(json_parse(out.data, out.size, &object, NULL), 0);
        return object;
}

static void assert_member(json_object *object, const char *key, const char *text)
{
        json_object *member = json_member(object, key);

        assert_non_null(member);
        assert_string_equal(json_text(member), text);
}

static void test_answer(void **state)
{
        _cleanup_(guest_done) Guest guest;
        _cleanup_json_ json_object *answer = NULL;

        guest_init(&guest);
        put(&guest, "certs/key.pem", "");
        put(&guest, "certs/ca.pem", "abc");
        put(&guest, "certs/.hidden", "abc");
        make_directory(&guest, "certs/sub");
        assert_int_equal(mkfifoat(guest.fd, "certs/fifo", 0600), 0);
        answer = ask(&guest, "{}");

        assert_member(answer, "agent", "{\"version\":\"" CVMD_VERSION "\"}");
        assert_member(answer, "environmentCount", "3");
        assert_member(answer, "environmentDropped", "1");
        assert_member(answer, "certsCount", "2");
        /* Nothing by which a value could be guessed, and no name. */
        assert_null(json_member(answer, "environment"));
        assert_null(json_member(answer, "certs"));
        assert_null(strstr(json_text(answer), "AGENT_KEY"));
        assert_null(strstr(json_text(answer), "ca.pem"));
        assert_member(answer, "shares",
                      "[{\"tag\":\"env_share\",\"path\":\"/etc/cocos\",\"mounted\":true},"
                      "{\"tag\":\"certs_share\",\"path\":\"/etc/certs\",\"mounted\":false,"
                      "\"error\":\"No such file or directory\"}]");
        assert_member(answer, "cmdline", "\"console=null quiet\"");
        assert_true(json_member_int(answer, "memory", 0) > 1 << 20);
        assert_true(json_member_int(answer, "cpus", 0) >= 1);
        assert_true(json_member_int(answer, "uptimeMs", 0) > 0);
        assert_non_null(json_member_string(answer, "kernel"));
        assert_null(json_member(answer, "pcrs"));
        assert_null(json_member(answer, "report"));
        assert_null(json_member(answer, "environmentProblem"));
}

static void test_missing(void **state)
{
        _cleanup_(guest_done) Guest guest;
        _cleanup_json_ json_object *answer = NULL;

        guest_init(&guest);
        guest.sources.certs = guest.sources.cmdline = "/nonexistent";
        guest.sources.problem = "No such file or directory";
        answer = ask(&guest, "{}");
        assert_member(answer, "certsCount", "0");
        assert_null(json_member(answer, "cmdline"));
        assert_member(answer, "environmentProblem", "\"No such file or directory\"");
}

/* Who has the key of the launch gets names and MACs, over this nonce. */
static void test_proof(void **state)
{
        _cleanup_(guest_done) Guest guest;
        _cleanup_json_ json_object *answer = NULL, *other = NULL, *stolen = NULL;

        guest_init(&guest);
        put(&guest, "certs/key.pem", "");
        put(&guest, "certs/ca.pem", "abc");
        put(&guest, "certs/.hidden", "abc");
        make_directory(&guest, "certs/sub");
        assert_int_equal(symlinkat("nowhere", guest.fd, "certs/link"), 0);
        answer = ask(&guest, "{\"nonce\":\"aGVsbG8=\",\"proof\":\"" PROOF_HELLO "\"}");
        assert_member(answer, "environment",
                      "[{\"name\":\"A\",\"hmac\":\"" MAC_A "\"},"
                      "{\"name\":\"B\",\"hmac\":\"" MAC_B "\"},"
                      "{\"name\":\"CVM_AGENT_KEY\",\"hmac\":\"" MAC_KEY "\"}]");
        assert_member(answer, "certs",
                      "[{\"name\":\"ca.pem\",\"hmac\":\"" MAC_CA "\",\"size\":3},"
                      "{\"name\":\"key.pem\",\"hmac\":\"" MAC_KEY_PEM "\",\"size\":0},"
                      "{\"name\":\"link\",\"error\":\"No such file or directory\"}]");
        assert_member(answer, "certsCount", "3");

        other = ask(&guest, "{\"nonce\":\"AA==\",\"proof\":\"" PROOF_ZERO "\"}");
        assert_non_null(json_member(other, "environment"));
        assert_string_not_equal(json_text(json_member(other, "environment")),
                                json_text(json_member(answer, "environment")));

        stolen = ask(&guest, "{\"nonce\":\"AAE=\",\"proof\":\"" PROOF_ZERO "\"}");
        assert_string_equal(json_text(stolen), "{\"error\":\"proof: does not match the nonce and "
                                               "this guest's CVM_AGENT_KEY\"}");
}

/* Without a key that cannot be guessed there is nothing to prove. */
static void test_no_key(void **state)
{
        static const struct {
                const char *environment, *error;
        } rows[] = {
                {"A=b\n", "{\"error\":\"proof: this guest was given no CVM_AGENT_KEY\"}"},
                {"CVM_AGENT_KEY=00\n",
                 "{\"error\":\"proof: this guest's CVM_AGENT_KEY is not 64 hex digits\"}"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_json_ json_object *answer = NULL;
                _cleanup_(guest_done) Guest guest;

                guest_init(&guest);
                environment_done(&guest.environment);
                assert_int_equal(environment_parse(rows[i].environment, strlen(rows[i].environment),
                                                   &guest.environment),
                                 0);
                answer = ask(&guest, "{\"nonce\":\"AA==\",\"proof\":\"" PROOF_ZERO "\"}");
                assert_string_equal(json_text(answer), rows[i].error);
        }
}

/* A file that the host makes longer than the limit is named, not read to its end. */
static void test_big_cert(void **state)
{
        _cleanup_(guest_done) Guest guest;
        _cleanup_json_ json_object *answer = NULL;
        _cleanup_close_ int fd = -1;

        guest_init(&guest);
        put(&guest, "certs/big", "");
        fd = openat(guest.fd, "certs/big", O_WRONLY | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, GIVEN_CERT_MAX + 1), 0);
        answer = ask(&guest, "{\"nonce\":\"AA==\",\"proof\":\"" PROOF_ZERO "\"}");
        assert_member(answer, "certs", "[{\"name\":\"big\",\"error\":\"File too large\"}]");
}

static void test_pcrs(void **state)
{
        _cleanup_(guest_done) Guest guest;
        _cleanup_json_ json_object *answer = NULL;

        guest_init(&guest);
        make_directory(&guest, "tpm");
        make_directory(&guest, "tpm/tpm0");
        make_directory(&guest, "tpm/tpm0/pcr-sha256");
        put(&guest, "tpm/tpm0/pcr-sha256/0", "00AB\n");
        put(&guest, "tpm/tpm0/pcr-sha256/23", "FF\n");
        put(&guest, "tpm/tpm0/pcr-sha256/24", "11\n");
        answer = ask(&guest, "{}");
        assert_member(answer, "pcrs", "{\"sha256\":{\"0\":\"00ab\",\"23\":\"ff\"}}");
}

static void test_report(void **state)
{
        static const uint8_t nonce[REPORT_NONCE_SIZE] = {'h', 'e', 'l', 'l', 'o'};
        _cleanup_json_ json_object *none = NULL, *answer = NULL, *failed = NULL;
        _cleanup_free_ char *inblob = NULL;
        _cleanup_(guest_done) Guest guest;
        size_t size;

        guest_init(&guest);
        none = ask(&guest, "{\"nonce\":\"aGVsbG8=\"}");
        assert_member(none, "report", "{\"error\":\"this machine makes no reports\"}");

        /* The kernel makes these files with the directory, which may be there already. */
        make_directory(&guest, "report");
        make_directory(&guest, "report/cvm-agent");
        put(&guest, "report/cvm-agent/inblob", "");
        put(&guest, "report/cvm-agent/outblob", "abc");
        put(&guest, "report/cvm-agent/provider", "sev_guest\n");
        answer = ask(&guest, "{\"nonce\":\"aGVsbG8=\"}");
        assert_member(answer, "report", "{\"provider\":\"sev_guest\",\"outblob\":\"YWJj\"}");
        assert_int_equal(file_read_at(guest.fd, "report/cvm-agent/inblob", 4096, &inblob, &size),
                         0);
        assert_int_equal(size, sizeof(nonce));
        assert_memory_equal(inblob, nonce, sizeof(nonce));

        assert_int_equal(unlinkat(guest.fd, "report/cvm-agent/outblob", 0), 0);
        make_directory(&guest, "report/cvm-agent/outblob");
        failed = ask(&guest, "{\"nonce\":\"aGVsbG8=\"}");
        assert_member(failed, "report", "{\"error\":\"Is a directory\"}");
}

static void test_refused(void **state)
{
        _cleanup_json_ json_object *answer = NULL;
        _cleanup_(guest_done) Guest guest;

        guest_init(&guest);
        answer = ask(&guest, "{\"nonce\":7}");
        assert_string_equal(json_text(answer), "{\"error\":\"nonce: must be a string\"}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answer),   cmocka_unit_test(test_missing),
                cmocka_unit_test(test_big_cert), cmocka_unit_test(test_pcrs),
                cmocka_unit_test(test_report),   cmocka_unit_test(test_refused),
                cmocka_unit_test(test_proof),    cmocka_unit_test(test_no_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
