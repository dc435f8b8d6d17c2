/* SPDX-License-Identifier: Apache-2.0 */

/* Event logs of a TPM (PCRs) and of a TD (CCEL: RTMRs), replayed and held against registers and
 * expected events. */

#include "base/json.h"
#include "fuzz.h"
#include "verify/log_check.h"

#define ZEROS "000000000000000000000000000000000000000000000000"

static const char text[] =
        "{\"registers\":[{\"name\":\"PCR4\",\"algorithm\":\"sha384\",\"value\":\"" ZEROS ZEROS
        "\",\"events\":[{\"event\":\"a\",\"digest\":\"" ZEROS ZEROS
        "\"}]},{\"name\":\"RTMR1\",\"algorithm\":\"sha384\",\"value\":\"" ZEROS ZEROS
        "\",\"events\":[{\"event\":\"b\",\"digest\":\"" ZEROS ZEROS "\"}]}]}";

static void replay(const EventLog *log)
{
        for (uint32_t index = 0; index < PCRS; index++)
                for (HashAlgorithm algorithm = 0; algorithm < _HASH_MAX; algorithm++) {
                        HashDigest digest;
                        size_t n;

                        if (log->has[algorithm] &&
                            event_log_replay(log, index, algorithm, &digest, &n) < 0)
                                abort();
                }
}

static void check(const EventLog *log, LogKind kind, const Expectation *expectation)
{
        static const char *const rtmrs[] = {"RTMR0", "RTMR1", "RTMR2", "RTMR3"};
        static const uint8_t zeros[SHA384_SIZE];
        SeenRegisters seen = {};
        Findings findings = {};
        Pcrs pcrs = {};

        for (HashAlgorithm bank = 0; bank < _HASH_MAX; bank++)
                for (size_t i = 0; i < PCRS; i++) {
                        pcrs.has[bank][i] = true;
                        pcrs.values[bank][i].algorithm = bank;
                }
        if (kind == LOG_TPM)
                seen_registers_add_pcrs(&seen, &pcrs);
        for (size_t i = 0; kind == LOG_TD && i < ARRAY_SIZE(rtmrs); i++)
                seen_registers_add(&seen, rtmrs[i], zeros);
        if (log_check(log, kind, &seen, expectation, &findings) < 0)
                abort();
        json_object_put(findings_to_json(&findings));
        findings_done(&findings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        static Expectation expectation;
        json_object *json;
        EventLog log;

        if (event_log_parse((Bytes){data, size}, &log, &error) < 0)
                return 0;
        if (!expectation.json && (json_parse(text, sizeof(text) - 1, &json, NULL) < 0 ||
                                  expectation_parse(json, &expectation, &error) < 0))
                abort();
        replay(&log);
        check(&log, LOG_TPM, &expectation);
        check(&log, LOG_TD, &expectation);
        event_log_done(&log);
        return 0;
}
