/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/log_check.h"

#include <stdio.h>
#include <string.h>

/* Of a TD's log: 0 is MRTD, which nothing extends. */
static const char *const td_names[] = {NULL, "RTMR0", "RTMR1", "RTMR2", "RTMR3"};

/* The number that the log has for a register; false: it has none. */
static bool find_index(LogKind kind, const char *name, uint32_t *ret)
{
        if (kind == LOG_TPM)
                for (uint32_t i = 0; i < PCRS; i++)
                        if (strcmp(name, register_check_pcr_name(i)) == 0) {
                                *ret = i;
                                return true;
                        }
        if (kind == LOG_TD)
                for (uint32_t i = 1; i < ARRAY_SIZE(td_names); i++)
                        if (strcmp(name, td_names[i]) == 0) {
                                *ret = i;
                                return true;
                        }
        return false;
}

static const LogEvent *next_event(const EventLog *log, uint32_t index, size_t *at)
{
        while (*at < log->n) {
                const LogEvent *event = &log->events[(*at)++];

                if (event->index == index && log_event_extends(event))
                        return event;
        }
        return NULL;
}

static void describe(const LogEvent *event, char ret[static 48])
{
        const char *name = log_event_type_name(event->type);

        if (name)
                snprintf(ret, 48, "%s", name);
        else
                snprintf(ret, 48, "event type 0x%x", event->type);
}

/* The expected events and those of the log, side by side. */
static void log_check_events(const EventLog *log, uint32_t index, const ExpectedRegister *expected,
                             const char *check, Findings *findings)
{
        HashAlgorithm algorithm = expected->value.algorithm;
        size_t size = hash_size(algorithm), at = 0, n = 0;

        for (;; n++) {
                const LogEvent *event = next_event(log, index, &at);
                const ExpectedEvent *wanted = n < expected->n_events ? &expected->events[n] : NULL;
                char type[48] = "";

                if (!event && !wanted) {
                        findings_right(findings, NOT_NEEDED, check, "%zu events", n);
                        return;
                }
                if (event)
                        describe(event, type);
                if (event && wanted &&
                    memcmp(event->digests[algorithm], wanted->digest.bytes, size) == 0)
                        continue;
                if (!event)
                        findings_wrong(findings, check,
                                       "the log ends before event %zu, which is: %s", n + 1,
                                       wanted->what);
                else if (!wanted)
                        findings_wrong(findings, check,
                                       "the log has an event %zu (%s) that is not expected", n + 1,
                                       type);
                else
                        findings_wrong(findings, check,
                                       "event %zu is the first that differs: %s (in the log %s)",
                                       n + 1, wanted->what, type);
                findings_values_hex(findings,
                                    wanted ? (Bytes){wanted->digest.bytes, size} : (Bytes){},
                                    event ? (Bytes){event->digests[algorithm], size} : (Bytes){});
                return;
        }
}

static int check_register(const EventLog *log, LogKind kind, const SeenRegister *seen,
                          const Expectation *expectation, Findings *findings)
{
        HashAlgorithm algorithm = seen->value.algorithm;
        const ExpectedRegister *expected =
                expectation ? expectation_find(expectation, seen->name, algorithm) : NULL;
        char check[64], bank[16] = "";
        HashDigest value;
        uint32_t index;
        size_t n;
        int r;

        if (!find_index(kind, seen->name, &index))
                return 0;
        if (kind == LOG_TPM)
                snprintf(bank, sizeof(bank), "-%s", hash_name(algorithm));
        snprintf(check, sizeof(check), "log %s%s", seen->name, bank);
        if (!log->has[algorithm]) {
                if (kind == LOG_TD || expected)
                        findings_unchecked(findings, NEEDED, check, "the log has no %s digests",
                                           hash_name(algorithm));
                return 0;
        }
        r = event_log_replay(log, index, algorithm, &value, &n);
        if (r < 0)
                return r;
        /* What the guest does itself is in no firmware's log. */
        if (n == 0) {
                if (kind == LOG_TD || expected)
                        findings_unchecked(findings, NOT_NEEDED, check,
                                           "the log has no event for it");
                return 0;
        }
        if (memcmp(value.bytes, seen->value.bytes, hash_size(algorithm)) == 0)
                findings_right(findings, NOT_NEEDED, check, "%zu events lead to it", n);
        else
                findings_wrong(findings, check, "%zu events lead to another value", n);
        findings_values_hex(findings, (Bytes){value.bytes, hash_size(algorithm)},
                            (Bytes){seen->value.bytes, hash_size(algorithm)});
        if (expected && expected->n_events > 0) {
                snprintf(check, sizeof(check), "events %s%s", seen->name, bank);
                log_check_events(log, index, expected, check, findings);
        }
        return 0;
}

/* Whether the log is about a register that such evidence cannot have. In a TD's, 0 is MRTD: events
 * of it are only remarks. */
static bool log_check_is_stray(LogKind kind, const LogEvent *event)
{
        if (kind == LOG_TPM)
                return event->index >= PCRS;
        return event->index >= ARRAY_SIZE(td_names) ||
               (event->index == 0 && log_event_extends(event));
}

/* No value that is checked depends on them: each register is led to by its own events. */
static void note_stray(const EventLog *log, LogKind kind, Findings *findings)
{
        const LogEvent *first = NULL;
        size_t n = 0, extending = 0;
        char type[48];

        for (size_t i = 0; i < log->n; i++) {
                const LogEvent *event = &log->events[i];

                if (!log_check_is_stray(kind, event))
                        continue;
                first = first ?: event;
                n++;
                extending += log_event_extends(event);
        }
        if (!first)
                return;
        describe(first, type);
        findings_unchecked(findings, NOT_NEEDED, "log other",
                           "skipped %zu events of registers that do not exist; the first is event "
                           "%zu (%s, register 0x%x); %s",
                           n, (size_t)(first - log->events) + 1, type, first->index,
                           extending ? "no checked register depends on them"
                                     : "EV_NO_ACTION extends nothing");
}

int log_check(const EventLog *log, LogKind kind, const SeenRegisters *seen,
              const Expectation *expectation, Findings *findings)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < seen->n; i++)
                r = check_register(log, kind, &seen->items[i], expectation, findings);
        note_stray(log, kind, findings);
        return r;
}
