/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/json.h"
#include "base/text.h"
#include "live-log.h"
#include "verify-images.h"
#include "verify/expectation_members.h"
#include "verify/log_check.h"
#include "verify/pcrs.h"

/* A log that is written here. */
typedef struct Log {
        uint8_t data[8192];
        size_t size;
        size_t n_algorithms;
        const uint16_t (*algorithms)[2];
} Log;

static const uint16_t two_banks[][2] = {{0x0b, 32}, {0x0c, 48}};
static const uint16_t one_bank[][2] = {{0x0c, 48}};
static const uint16_t three_banks[][2] = {{0x04, 20}, {0x0b, 32}, {0x0c, 48}};

static void put(Log *log, const void *data, size_t size)
{
        assert_true(log->size + size <= sizeof(log->data));
        memcpy(log->data + log->size, data, size);
        log->size += size;
}

static void put32(Log *log, uint32_t value)
{
        uint8_t bytes[4];

        le32_put(bytes, value);
        put(log, bytes, 4);
}

static void put16(Log *log, uint32_t value)
{
        uint8_t bytes[2];

        le16_put(bytes, (uint16_t)value);
        put(log, bytes, 2);
}

static void log_begin(Log *log, const uint16_t (*algorithms)[2], size_t n)
{
        static const uint8_t sha1[20];

        *log = (Log){.algorithms = algorithms, .n_algorithms = n};
        put32(log, 0);
        put32(log, EVENT_NO_ACTION);
        put(log, sha1, 20);
        put32(log, (uint32_t)(16 + 8 + 4 + 4 * n + 1));
        put(log, "Spec ID Event03", 16);
        put(log, "\0\0\0\0\0\2\0\2", 8);
        put32(log, (uint32_t)n);
        for (size_t i = 0; i < n; i++) {
                put16(log, algorithms[i][0]);
                put16(log, algorithms[i][1]);
        }
        put(log, "", 1);
}

/* Digests of the text; every algorithm that is not SHA-2 has zeros. */
static void log_event(Log *log, uint32_t index, uint32_t type, const char *text)
{
        put32(log, index);
        put32(log, type);
        put32(log, (uint32_t)log->n_algorithms);
        for (size_t i = 0; i < log->n_algorithms; i++) {
                HashDigest digest = hash_zero(HASH_SHA384);

                if (log->algorithms[i][0] != 0x04)
                        hash_bytes(log->algorithms[i][0] == 0x0b ? HASH_SHA256 : HASH_SHA384, text,
                                   strlen(text), &digest);
                put16(log, log->algorithms[i][0]);
                put(log, digest.bytes, log->algorithms[i][1]);
        }
        put32(log, (uint32_t)strlen(text));
        put(log, text, strlen(text));
}

static Bytes log_bytes(const Log *log)
{
        return (Bytes){log->data, log->size};
}

static HashDigest extended(HashAlgorithm algorithm, HashDigest value, const char *text)
{
        HashDigest digest;

        hash_bytes(algorithm, text, strlen(text), &digest);
        hash_extend(&value, &digest);
        return value;
}

static void assert_replay(Bytes bytes, uint32_t index, const HashDigest *expected, size_t n)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        EventLog log;
        HashDigest value;
        size_t seen;

        assert_int_equal(event_log_parse(bytes, &log, &error), 0);
        assert_int_equal(event_log_replay(&log, index, expected->algorithm, &value, &seen), 0);
        assert_int_equal(seen, n);
        assert_memory_equal(value.bytes, expected->bytes, hash_size(expected->algorithm));
        event_log_done(&log);
}

static void test_replay(void **state)
{
        Log log;

        log_begin(&log, three_banks, 3);
        log_event(&log, 4, 0x80000003, "kernel");
        log_event(&log, 4, EVENT_NO_ACTION, "nothing");
        log_event(&log, 9, 6, "options");
        log_event(&log, 4, 4, "separator");
        for (HashAlgorithm bank = 0; bank < _HASH_MAX; bank++) {
                HashDigest value = extended(bank, hash_zero(bank), "kernel"),
                           zero = hash_zero(bank);

                value = extended(bank, value, "separator");
                assert_replay(log_bytes(&log), 4, &value, 2);
                value = extended(bank, hash_zero(bank), "options");
                assert_replay(log_bytes(&log), 9, &value, 1);
                assert_replay(log_bytes(&log), 0, &zero, 0);
        }
}

/* The TPM was started from locality 3: PCR 0 does not begin with zeros. */
static void test_startup_locality(void **state)
{
        char locality[18] = "StartupLocality";
        HashDigest value = hash_zero(HASH_SHA256);
        Log log;

        locality[16] = 3;
        log_begin(&log, two_banks, 2);
        log_event(&log, 0, EVENT_NO_ACTION, "");
        log.size -= 4; /* its data has a NUL inside */
        put32(&log, 17);
        put(&log, locality, 17);
        log_event(&log, 0, 8, "version");
        value.bytes[31] = 3;
        value = extended(HASH_SHA256, value, "version");
        assert_replay(log_bytes(&log), 0, &value, 1);
}

/* The events of RTMR0 in the log of a live TD, as ACPI's CCEL has them, in an area that
 * is larger. */
static void test_live_rtmr0(void **state)
{
        HashDigest value = {.algorithm = HASH_SHA384};
        Log log;

        log_begin(&log, one_bank, 1);
        for (size_t i = 0; i < ARRAY_SIZE(live_log); i++) {
                uint8_t digest[48];

                assert_int_equal(text_unhex(live_log[i], digest, sizeof(digest)), 0);
                log_event(&log, 1, 0x80000001, "");
                memcpy(log.data + log.size - 4 - 48, digest, 48);
        }
        memset(log.data + log.size, 0xff, 1000);
        log.size += 1000;
        assert_int_equal(text_unhex(live_rtmr0, value.bytes, 48), 0);
        assert_replay(log_bytes(&log), 1, &value, ARRAY_SIZE(live_log));
}

static void assert_refused(Bytes bytes, const char *part)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *message = NULL;
        EventLog log;

        assert_int_equal(event_log_parse(bytes, &log, &error), -EBADMSG);
        message = cvm_error_message(&error);
        if (!strstr(message, part))
                fail_msg("%s", message);
}

static void test_bad_logs(void **state)
{
        static const uint16_t many[9][2] = {{1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1},
                                            {6, 1}, {7, 1}, {8, 1}, {9, 1}};
        static const uint16_t twice[][2] = {{0x0c, 48}, {0x0c, 48}};
        static const uint16_t odd[][2] = {{0x0b, 31}};
        static const uint16_t same_size[][2] = {{0x0b, 32}, {0x12, 32}};
        static const uint16_t none[][2] = {{0x04, 0}};
        static const struct {
                const uint16_t (*algorithms)[2];
                size_t n;
                const char *part;
        } headers[] = {{many, 9, "9 algorithms"},
                       {many, 0, "0 algorithms"},
                       {twice, 2, "twice"},
                       {odd, 1, "31 bytes"},
                       {none, 1, "0 bytes"}};
        Log log;
        size_t header;

        for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
                log_begin(&log, headers[i].algorithms, headers[i].n);
                assert_refused(log_bytes(&log), headers[i].part);
        }
        log_begin(&log, two_banks, 2);
        header = log.size;
        log.data[16 + 16]++; /* of the signature */
        assert_refused(log_bytes(&log), "Spec ID Event03");
        log.data[16 + 16]--;
        log_event(&log, 4, 4, "separator");
        for (size_t size = 0; size < log.size; size++)
                if (size != header)
                        assert_refused((Bytes){log.data, size}, "");
        log.data[header + 8] = 1;
        assert_refused(log_bytes(&log), "1 digests");
        log.data[header + 8] = 2;
        log.data[header + 12] = 0x0c; /* SHA-384 twice */
        assert_refused(log_bytes(&log), "");
        log.data[header + 12] = 0x0d; /* one that the header does not name */
        assert_refused(log_bytes(&log), "");
        log.data[header + 12] = 0x0b;
        put32(&log, UINT32_MAX);
        put32(&log, 1); /* neither an event nor an area that is not used */
        assert_refused(log_bytes(&log), "truncated");
        log_begin(&log, same_size, 2);
        header = log.size;
        log_event(&log, 4, 4, "separator");
        log.data[header + 12] = 0x12; /* twice, and none of SHA-256 */
        assert_refused(log_bytes(&log), "lacks a digest");
}

/* PCR 4 with the events of a log, the expectation of an event list, and what is found. */
static void check(const Log *log, const char *events, const char *text, FindingResult result,
                  const char *reason)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        HashDigest value = extended(HASH_SHA256, hash_zero(HASH_SHA256), "kernel");
        _cleanup_free_ char *hex = NULL, *pcrs = NULL;
        Verification verification = {};
        Expectation expectation;
        VerifyInputs inputs = {.trust = {.others = &(Certificates){}}};
        const Finding *finding;

        value = extended(HASH_SHA256, value, "separator");
        hex = hash_hex(&value);
        assert_true(asprintf(&pcrs, "sha256:\n  4 : 0x%s\n", hex) > 0);
        expectation = expectation_of("{'registers':[{'name':'PCR4','algorithm':'sha256','value':"
                                     "'%s','events':%s}]}",
                                     hex, events);
        inputs.report = (Bytes){(uint8_t *)pcrs, strlen(pcrs)};
        inputs.expectation = &expectation;
        inputs.event_log = log_bytes(log);
        assert_int_equal(verify_run(&inputs, &verification, &error), 0);
        finding = finding_of(&verification, text);
        assert_int_equal(finding->result, result);
        if (reason && !strstr(finding->reason ?: "", reason))
                fail_msg("%s", finding->reason);
        /* Nobody signed them. */
        assert_int_equal(findings_verdict(&verification.findings),
                         result == FINDING_WRONG ? VERDICT_WRONG : VERDICT_NOT_VERIFIED);
        verification_done(&verification);
        expectation_done(&expectation);
}

#define KERNEL "{'event':'the kernel','digest':'%s'}"
#define SEPARATOR "{'event':'the separator','digest':'%s'}"

static void test_events(void **state)
{
        HashDigest digests[2];
        _cleanup_free_ char *kernel = NULL, *separator = NULL, *events = NULL;
        Log log;

        hash_bytes(HASH_SHA256, "kernel", 6, &digests[0]);
        hash_bytes(HASH_SHA256, "separator", 9, &digests[1]);
        kernel = hash_hex(&digests[0]);
        separator = hash_hex(&digests[1]);
        assert_true(asprintf(&events, "[" KERNEL ",{'event':'a remark'}," SEPARATOR "]", kernel,
                             separator) > 0);

        log_begin(&log, two_banks, 2);
        log_event(&log, 4, 0x80000003, "kernel");
        log_event(&log, 4, 4, "separator");
        check(&log, events, "log PCR4-sha256", FINDING_RIGHT, "2 events");
        check(&log, events, "events PCR4-sha256", FINDING_RIGHT, NULL);
        log_event(&log, 4, 5, "more");
        check(&log, events, "log PCR4-sha256", FINDING_WRONG, "3 events");
        check(&log, events, "events PCR4-sha256", FINDING_WRONG, "event 3 (EV_ACTION)");
        log_begin(&log, two_banks, 2);
        log_event(&log, 4, 0x80000003, "kernel");
        check(&log, events, "events PCR4-sha256", FINDING_WRONG,
              "ends before event 2, which is: the separator");
        log_begin(&log, two_banks, 2);
        log_event(&log, 4, 0x80000003, "another kernel");
        log_event(&log, 4, 4, "separator");
        check(&log, events, "events PCR4-sha256", FINDING_WRONG,
              "event 1 is the first that differs: the kernel (in the log "
              "EV_EFI_BOOT_SERVICES_APPLICATION)");
        log_begin(&log, one_bank, 1);
        log_event(&log, 4, 4, "separator");
        check(&log, events, "log PCR4-sha256", FINDING_NOT_CHECKED, "no sha256 digests");
}

/* Firmware writes events of registers that there are not: what the others lead to stands. */
static void test_stray_events(void **state)
{
        static const uint32_t registers[] = {UINT32_MAX, 24, 0x80000000};

        for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
                for (uint32_t type = EVENT_NO_ACTION; type <= 4; type++) {
                        Log log;

                        log_begin(&log, two_banks, 2);
                        log_event(&log, registers[i], type, "stray");
                        log_event(&log, 4, 0x80000003, "kernel");
                        log_event(&log, registers[i], type, "stray");
                        log_event(&log, 4, 4, "separator");
                        check(&log, "[]", "log PCR4-sha256", FINDING_RIGHT, "2 events");
                        check(&log, "[]", "log other", FINDING_NOT_CHECKED,
                              type == EVENT_NO_ACTION ? "2 events of registers that do not exist; "
                                                        "the first is event 1 (EV_NO_ACTION"
                                                      : "no checked register depends on them");
                }
}

/* MRTD, which a TD's log counts as register 0, is extended by no event. */
static void test_stray_events_of_a_td(void **state)
{
        static const uint32_t registers[] = {0, 5, UINT32_MAX};
        HashDigest value = extended(HASH_SHA384, hash_zero(HASH_SHA384), "kernel");

        for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                Verification result = {};
                SeenRegisters seen = {};
                EventLog events;
                Log log;

                log_begin(&log, one_bank, 1);
                log_event(&log, registers[i], 4, "stray");
                log_event(&log, 2, 4, "kernel");
                seen_registers_add(&seen, "RTMR1", value.bytes);
                assert_int_equal(event_log_parse(log_bytes(&log), &events, &error), 0);
                assert_int_equal(log_check(&events, LOG_TD, &seen, NULL, &result.findings), 0);
                assert_int_equal(finding_of(&result, "log RTMR1")->result, FINDING_RIGHT);
                assert_int_equal(finding_of(&result, "log other")->result, FINDING_NOT_CHECKED);
                event_log_done(&events);
                verification_done(&result);
        }
}

static int parse_pcrs(const char *text, Pcrs *pcrs)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *json = NULL;
        JsonParseError where;

        if (*text != '{')
                return pcrs_parse_text((Bytes){(const uint8_t *)text, strlen(text)}, pcrs, &error);
        assert_int_equal(json_parse(text, strlen(text), &json, &where), 0);
        return pcrs_parse_json(json, pcrs, &error);
}

#define HEX64 "000102030405060708090A0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX40 "0000000000000000000000000000000000000000"

static void test_pcrs(void **state)
{
        static const char *const good[] = {
                "  sha1:\n    0 : 0x" HEX40 "\n  sha256:\n    4 : 0x" HEX64 "\n    10: 0x" HEX64
                "\n  sha384:\n",
                "sha256:\r\n4: 0x" HEX64 "\r\n10: 0x" HEX64,
                "{\"sha1\":{\"0\":\"" HEX40 "\"},\"sha256\":{\"4\":\"" HEX64 "\",\"10\":\"" HEX64
                "\"}}",
                "sha3_256:\n 4: 0x" HEX64 "\nsha256:\n 4: 0x" HEX64 "\n 10: 0x" HEX64,
                "{\"sha3_256\":{\"4\":\"" HEX64 "\"},\"sha256\":{\"4\":\"" HEX64
                "\",\"10\":\"" HEX64 "\"}}",
                "sha3_256:\nsha3:\n 4: 0x" HEX64 "\nsha256:\n 4: 0x" HEX64 "\n 10: 0x" HEX64
                "\nsha3_256:\n",
        };
        static const char *const skipped[ARRAY_SIZE(good)] = {
                [ARRAY_SIZE(good) - 3] = "sha3_256",
                [ARRAY_SIZE(good) - 2] = "sha3_256",
                [ARRAY_SIZE(good) - 1] = "sha3_256, sha3",
        };
        static const char *const bad[] = {
                "4 : 0x" HEX64,
                "sha256:\n 24: 0x" HEX64,
                "sha256:\n -1: 0x" HEX64,
                "sha256:\n 4: 0x" HEX64 "00",
                "sha256:\n 4: " HEX64,
                "sha256:\n 4: 0x" HEX40,
                "sha256:\n 4: 0x" HEX64 "\n 4: 0x" HEX64,
                "sha256:\n nonsense",
                "SHA 257:\n",
                "sha3_256:\n 4: 0xabc",
                "sha3_256:\n 24: 0x" HEX64,
                "nonsense",
                "{\"sha256\":[]}",
                "{\"sha256\":{\"4\":5}}",
                "{\"sha256\":{\"4\":\"" HEX40 "\"}}",
                "{\"sha256\":{\"four\":\"" HEX64 "\"}}",
                "{\"md5\":[]}",
                "{\"\":{}}",
                "{\"sha3_256\":{\"4\":\"x\"}}",
        };
        Pcrs pcrs;

        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                assert_int_equal(parse_pcrs(good[i], &pcrs), 0);
                for (unsigned n = 0; n < PCRS; n++) {
                        assert_int_equal(pcrs.has[HASH_SHA256][n], n == 4 || n == 10);
                        assert_false(pcrs.has[HASH_SHA384][n]);
                }
                assert_int_equal(pcrs.values[HASH_SHA256][4].bytes[10], 0x0a);
                assert_string_equal(pcrs.skipped, skipped[i] ?: "");
        }
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                if (parse_pcrs(bad[i], &pcrs) != -EBADMSG)
                        fail_msg("%s", bad[i]);
}

/* More unknown banks than a reason has room for. */
static void test_pcrs_of_many_banks(void **state)
{
        _cleanup_(buffer_done) Buffer text = {};
        Pcrs pcrs;

        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(buffer_appendf(&text, "new_%u:\n", i), 0);
        assert_int_equal(parse_pcrs(text.data, &pcrs), 0);
        assert_non_null(strstr(pcrs.skipped, "new_0, new_1, new_2"));
        assert_string_equal(pcrs.skipped + strlen(pcrs.skipped) - strlen(", …"), ", …");
}

static void test_bad_expectations(void **state)
{
        static const struct {
                const char *text, *part;
        } cases[] = {
                {"[]", "object"},
                {"{}", "registers"},
                {"{'registers':[],'measurement':{}}", "registers"},
                {"{'registers':{}}", "array"},
                {"{'registers':[5]}", "registers[0]"},
                {"{'registers':[{'name':'A','algorithm':'md5','value':''}]}", "algorithm"},
                {"{'registers':[{'name':'A','algorithm':'sha256'}]}", "state"},
                {"{'registers':[{'name':'A','algorithm':'sha256','value':'00'}]}", "value"},
                {"{'registers':[{'name':'A','algorithm':'sha256','value':'" HEX64 "','events':5}]}",
                 "events"},
                {"{'registers':[{'name':'A','algorithm':'sha256','value':'" HEX64
                 "','events':[{'event':'a','digest':'00'}]}]}",
                 "digest"},
                {"{'registers':[{'name':'A','algorithm':'sha256','state':'not-given'},"
                 "{'name':'A','algorithm':'sha256','state':'not-given'}]}",
                 "twice"},
                {"{'registers':[{'name':'A-name-that-is-far-too-long','algorithm':'sha256'}]}",
                 "name"},
                {"{'measurement':{'PCR4-md5':'00'}}", "algorithm"},
                {"{'measurement':{'PCR4-sha256':'00'}}", "PCR4-sha256"},
                {"{'measurement':{'MRTD':5}}", "MRTD"},
                {"{'measurement':{},'vmpl':4}", "vmpl"},
                {"{'measurement':{},'binding':5}", "binding.field"},
                {"{'measurement':{},'binding':{'field':'idBlock'}}", "binding.field"},
                {"{'measurement':{},'binding':{'field':'mrConfigId','value':'" HEX64 "'}}",
                 "binding.value"},
                {"{'measurement':{},'binding':{'field':'hostData','value':'" HEX64
                 "'},'launchSecurity':{'hostData':"
                 "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='}}",
                 "binding.value"},
                {"{'measurement':{},'launchSecurity':[]}", "launchSecurity"},
                {"{'measurement':{},'launchSecurity':{'policy':5}}", "policy"},
                {"{'measurement':{},'launchSecurity':{'policy':'x'}}", "policy"},
                {"{'measurement':{},'launchSecurity':{'hostData':'AA=='}}", "hostData"},
                {"{'measurement':{},'launchSecurity':{'other':'1'}}", "other"},
                {"{'measurement':{},'launchSecurity':{'authorKeyEnabled':'yes'}}", "author"},
                {"{'measurement':{},'launchSecurity':{'authorKeyEnabled':'true'}}", "idAuth"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                _cleanup_free_ char *text = strdup(cases[i].text), *message = NULL;
                Expectation expectation = {};
                json_object *json;

                for (char *at = text; (at = strchr(at, '\'')); at++)
                        *at = '"';
                assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
                if (expectation_parse(json, &expectation, &error) != -EINVAL)
                        fail_msg("%s", text);
                message = cvm_error_message(&error);
                if (!strstr(message, cases[i].part))
                        fail_msg("%s: %s", text, message);
        }
}

static int check_members(const char *quoted, char **ret_message)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *text = strdup(quoted);
        _cleanup_json_ json_object *json = NULL;
        int r;

        for (char *at = text; (at = strchr(at, '\'')); at++)
                *at = '"';
        assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
        r = expectation_check_members(json, &error);
        *ret_message = r < 0 ? cvm_error_message(&error) : NULL;
        return r;
}

static void test_misspelt_members(void **state)
{
        static const struct {
                const char *text, *field, *part;
        } cases[] = {
                {"{'registers':[],'vmlp':0}", "'expect'", "member 'vmlp'; did you mean 'vmpl'"},
                {"{'register':[]}", "'expect'", "did you mean 'registers'"},
                {"{'registers':[],'launchsecurity':{}}", "'expect'", "'launchSecurity'"},
                {"{'registers':[],'something':{}}", "'expect'", "'something'; see cvm-verify(7)"},
                {"{'registers':[{'name':'MRTD'},{'valeu':''}]}", "'expect.registers[1]'",
                 "'value'"},
                {"{'registers':[{'name':'LaunchDigset'}]}", "'expect.registers[0]'",
                 "register 'LaunchDigset'; did you mean 'LaunchDigest'"},
                {"{'registers':[{'name':'PCR24'}]}", "'expect.registers[0]'", "'PCR24'"},
                {"{'registers':[{'name':'PCR4','events':[{'event':'','digests':''}]}]}",
                 "'expect.registers[0].events[0]'", "'digest'"},
                {"{'measurement':{'MRTD':'','PRC4-sha256':''}}", "'expect.measurement'", "'PCR4'"},
                {"{'measurement':{},'binding':{'fields':''}}", "'expect.binding'", "'field'"},
                {"{'measurement':{},'launchSecurity':{'host_data':''}}", "'expect.launchSecurity'",
                 "did you mean 'hostData'"},
        };
        _cleanup_free_ char *none = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *message = NULL;

                assert_int_equal(check_members(cases[i].text, &message), -EINVAL);
                if (!strstr(message, cases[i].field) || !strstr(message, cases[i].part))
                        fail_msg("%s", message);
        }
        assert_int_equal(check_members("{'registers':[{'name':'PCR23','algorithm':'','state':'',"
                                       "'value':'','reason':'','events':[{'event':'','digest':''}]"
                                       "}],'vmpl':0,'binding':{'field':'','value':'','document':''"
                                       "},'launchSecurity':{'policy':'','attributes':''},"
                                       "'measurement':{'PCR0-sha256':'','LaunchDigest':''}}",
                                       &none),
                         0);
        assert_int_equal(check_members("[]", &none), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_replay),
                cmocka_unit_test(test_startup_locality),
                cmocka_unit_test(test_live_rtmr0),
                cmocka_unit_test(test_bad_logs),
                cmocka_unit_test(test_events),
                cmocka_unit_test(test_stray_events),
                cmocka_unit_test(test_stray_events_of_a_td),
                cmocka_unit_test(test_pcrs),
                cmocka_unit_test(test_pcrs_of_many_banks),
                cmocka_unit_test(test_bad_expectations),
                cmocka_unit_test(test_misspelt_members),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
