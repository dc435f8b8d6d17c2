/* SPDX-License-Identifier: Apache-2.0 */

/* Event logs of a TPM or a TD, replayed. */

#include "fuzz.h"
#include "verify/event_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        EventLog log;

        if (event_log_parse((Bytes){data, size}, &log, &error) < 0)
                return 0;
        for (uint32_t index = 0; index <= EVENT_LOG_INDEX_MAX; index++)
                for (HashAlgorithm algorithm = 0; algorithm < _HASH_MAX; algorithm++) {
                        HashDigest digest;
                        size_t n;

                        if (log.has[algorithm] &&
                            event_log_replay(&log, index, algorithm, &digest, &n) < 0)
                                abort();
                }
        event_log_done(&log);
        return 0;
}
