/* SPDX-License-Identifier: Apache-2.0 */

/* All faults of a spec are collected in one pass, each once, with what was probably meant. */

#include "specs.h"

#include <malloc.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/text.h"

/* Parses a spec that must be refused. */
static void refuse(const char *text, CvmError *error)
{
        _cleanup_(spec_freep) CvmSpec *spec = NULL;

        assert_int_equal(parse(text, &spec, error), -EINVAL);
        assert_null(spec);
        assert_int_equal(error->id, CVM_ERROR_INVALID_SPEC);
}

/* "FIELD" or "FIELD?SUGGESTION" of each fault of the spec, joined by blanks. */
static char *faults_of(const char *text)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(buffer_done) Buffer all = {};
        json_object *errors;

        refuse(text, &error);
        errors = json_member(error.fields, "errors");
        for (size_t i = 0; i < json_object_array_length(errors); i++) {
                json_object *item = json_object_array_get_idx(errors, i);
                const char *suggestion = json_member_string(item, "suggestion");

                assert_non_null(json_member_string(item, "reason"));
                assert_int_equal(buffer_appendf(&all, "%s%s%s%s", i ? " " : "",
                                                json_member_string(item, "field"),
                                                suggestion ? "?" : "", suggestion ?: ""),
                                 0);
        }
        return buffer_take(&all);
}

static void assert_faults(const char *text, const char *expected)
{
        _cleanup_free_ char *found = faults_of(text);

        assert_string_equal(found, expected);
}

/* Each part of a spec goes on after a fault of its own and of the parts before it. */
static void test_all_parts(void **state)
{
        assert_faults("{\"name\":\"-\",\"memroy\":\"2G\",\"cpus\":0,\"memory\":\"1M\","
                      "\"kernel\":{\"path\":\"a\",\"sha256\":\"0\"},\"cmdline\":\"\\n\","
                      "\"env\":{\"1\":\"\",\"A\":1,\"B\":\"\\n\"},"
                      "\"certs\":{\"a\":{},\"..\":{\"text\":\"\"},\"b\":{\"base64\":\"*\"}},"
                      "\"gpus\":[\"x\",\"01:00.0\",\"0000:01:00.0\"],\"network\":\"passst\","
                      "\"forwards\":[{\"guestport\":1},{\"guestPort\":1,\"protocol\":\"tpc\"}],"
                      "\"vsock\":{\"cid\":1},\"limits\":{\"memoryMax\":\"1\",\"cpuWeight\":0},"
                      "\"timeouts\":{\"startSec\":0},\"restart\":{\"policy\":\"allways\"},"
                      "\"remove\":\"endet\",\"labels\":{\"-\":1}}",
                      "memroy?memory cpus name memory kernel.path kernel.sha256 cmdline env.1 "
                      "env.A env.B certs.a certs... certs.b.base64 gpus[0] gpus[2] network?passt "
                      "forwards[0].guestport?guestPort forwards[0].guestPort "
                      "forwards[1].protocol?tcp vsock.cid limits.cpuWeight limits.memoryMax "
                      "timeouts.startSec restart.policy?always remove?ended labels.- labels.-");
}

static void test_lists_and_security(void **state)
{
        assert_faults("{\"name\":\"a\",\"shares\":[{\"tags\":\"x\"},{\"tag\":\"y\",\"fd\":1},"
                      "{\"tag\":\"y\",\"fd\":1},3],"
                      "\"disks\":[{\"path\":\"/a\",\"bus\":\"virtoi\",\"format\":\"qcow\"},"
                      "{\"fd\":64},{\"path\":\"/b\",\"id\":\"disk0\",\"bus\":\"svsm\","
                      "\"readOnly\":true,\"format\":\"qcow2\"}],"
                      "\"svsm\":{\"attestation\":{\"url\":\"x\",\"transport\":\"vsok\"}},"
                      "\"launchSecurity\":{\"polcy\":\"1\",\"policy\":\"x\",\"idBlock\":\"AA==\"}}",
                      "shares[0].tags?tag shares[0].tag shares[0] shares[2].tag shares[3] "
                      "disks[0].format?qcow2 disks[0].bus?virtio disks[1].fd disks[2].id "
                      "disks[2].format disks[2].readOnly svsm.attestation.url "
                      "svsm.attestation.transport?vsock launchSecurity.polcy?policy "
                      "launchSecurity.policy launchSecurity.idBlock launchSecurity.idAuth "
                      "shares[2].fd");
}

/* Contradictions between members that are valid each. */
static void test_contradictions(void **state)
{
        assert_faults("{\"name\":\"a\",\"memory\":\"2G\",\"network\":\"none\","
                      "\"forwards\":[{\"guestPort\":1,\"hostPort\":2},"
                      "{\"guestPort\":2,\"hostPort\":2,\"address\":\"0.0.0.0\"}],"
                      "\"limits\":{\"memoryHigh\":\"3G\",\"memoryMax\":\"1G\"},"
                      "\"restart\":{\"policy\":\"no\",\"backoffSec\":9,\"backoffMaxSec\":8},"
                      "\"kernel\":{\"name\":\"a\",\"fd\":0},\"initramfs\":{\"fd\":0},"
                      "\"svsm\":{\"attestation\":{\"url\":\"http://a\",\"transport\":\"vsock\"}},"
                      "\"vsock\":{},\"launchSecurity\":{\"authorKeyEnabled\":\"true\"},"
                      "\"missing\":[\"env.A\",1]}",
                      "kernel forwards forwards[1].hostPort vsock launchSecurity.authorKeyEnabled "
                      "limits.memoryMax limits.memoryHigh restart.backoffMaxSec initramfs.fd env.A "
                      "missing[1]");
}

/* What is not valid is not compared with anything: one slip is one fault. */
static void test_no_follow_ups(void **state)
{
        assert_faults("{\"name\":\"a\",\"memory\":\"2\",\"limits\":{\"memoryMax\":\"128M\"}}",
                      "memory");
        assert_faults("{\"name\":\"a\",\"network\":\"nome\",\"forwards\":[{\"guestPort\":1}]}",
                      "network?none");
        assert_faults("{\"name\":\"a\",\"shares\":[{\"tag\":\"a\",\"fd\":\"0\"}]}", "shares[0].fd");
        assert_faults("{\"name\":\"a\",\"certs\":{\"a\":{\"path\":1}}}", "certs.a.path");
        assert_faults("{\"name\":\"a\",\"disks\":[\"/a\"]}", "disks[0]");
        assert_faults("{\"name\":1}", "name");
        assert_faults("[]", "spec");
}

/* What `missing` names may have any type, and so may what it is a member of. */
static void test_missing_of_any_type(void **state)
{
        assert_faults("{\"name\":\"a\",\"certs\":{\"a\":\"x\"},\"missing\":[\"certs.a\"]}",
                      "certs.a");
        assert_faults("{\"name\":\"a\",\"certs\":{\"a\":[]},\"missing\":[\"certs.a\"]}", "certs.a");
        assert_faults("{\"name\":\"a\",\"certs\":{\"a\":1},\"missing\":[\"certs.a\",\"certs.b\"]}",
                      "certs.a certs.b");
        assert_faults("{\"name\":\"a\",\"certs\":\"x\",\"missing\":[\"certs.a\"]}",
                      "certs certs.a");
        assert_faults("{\"name\":\"a\",\"env\":[],\"missing\":[\"env.A\"]}", "env env.A");
        assert_faults("{\"name\":\"a\",\"kernel\":\"x\",\"missing\":[\"kernel.path\"]}",
                      "kernel kernel.path");
        assert_faults("{\"name\":\"a\",\"disks\":{},\"missing\":[\"disks[0].path\"]}",
                      "disks disks[0].path");
        assert_faults("{\"name\":\"a\",\"shares\":[1],\"missing\":[\"shares[0].path\"]}",
                      "shares[0] shares[0].path");
}

static void test_first_and_message(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *message = NULL;

        refuse("{\"name\":\"a\",\"ttlsec\":1,\"cpus\":0}", &error);
        assert_string_equal(
                json_text(error.fields),
                "{\"field\":\"ttlsec\",\"reason\":\"unknown field\",\"errors\":["
                "{\"field\":\"ttlsec\",\"reason\":\"unknown field\",\"suggestion\":\"ttlSec\"},"
                "{\"field\":\"cpus\",\"reason\":\"must be an integer from 1 to 512\"}]}");
        message = cvm_error_message(&error);
        assert_string_equal(message, "spec field 'ttlsec': unknown field; did you mean 'ttlSec'? "
                                     "(the first of 2 errors)");
}

/* A fault that is set by the one function is a list of one; another kind of error stays. */
static void test_other_errors(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        cvm_error_invalid_spec(&error, "a", "b");
        assert_string_equal(json_text(error.fields), "{\"field\":\"a\",\"reason\":\"b\",\"errors\":"
                                                     "[{\"field\":\"a\",\"reason\":\"b\"}]}");
        cvm_error_done(&error);
        assert_int_equal(fault_result(&error), 0);
        cvm_error_timeout(&error, "ready", 1);
        assert_int_equal(fault_add(&error, "a", "b"), 0);
        assert_int_equal(error.id, CVM_ERROR_TIMEOUT);
        assert_int_equal(fault_result(&error), -EINVAL);
}

/* A spec of 1 MiB of nothing but faults costs little time, and its error little memory. */
static void test_bounded(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(buffer_done) Buffer text = {};
        _cleanup_json_ json_object *object = NULL;
        _cleanup_(spec_freep) CvmSpec *spec = NULL;
        json_object *errors, *last;
        size_t before;
        int64_t start;

        assert_int_equal(buffer_append_text(&text, "{\"name\":\"a\""), 0);
        for (unsigned i = 0; i < 10000; i++)
                assert_int_equal(buffer_appendf(&text, ",\"startSec%05u%0*u\":1", i, 80, 0), 0);
        assert_int_equal(buffer_append_text(&text, "}"), 0);
        assert_true(text.size > 900000);
        assert_int_equal(json_parse(text.data, text.size, &object, NULL), 0);

        before = mallinfo2().uordblks;
        start = clock_monotonic_msec();
        assert_int_equal(spec_parse(object, &spec, &error), -EINVAL);
        assert_true(clock_monotonic_msec() - start < 2000);
        assert_true(mallinfo2().uordblks - before < 64 << 10);

        errors = json_member(error.fields, "errors");
        assert_int_equal(json_object_array_length(errors), FAULTS_MAX + 1);
        last = json_object_array_get_idx(errors, FAULTS_MAX);
        assert_string_equal(json_text(last),
                            "{\"field\":\"\",\"reason\":\"9968 more errors are not "
                            "listed\"}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_parts),
                cmocka_unit_test(test_lists_and_security),
                cmocka_unit_test(test_contradictions),
                cmocka_unit_test(test_no_follow_ups),
                cmocka_unit_test(test_missing_of_any_type),
                cmocka_unit_test(test_first_and_message),
                cmocka_unit_test(test_other_errors),
                cmocka_unit_test(test_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
