/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

static const char *const results[] = {"right", "wrong", "not-checked"};
static const char *const verdicts[] = {"verified", "wrong", "not-verified"};

const char *finding_result_name(FindingResult result)
{
        return results[result];
}

const char *verdict_name(Verdict verdict)
{
        return verdicts[verdict];
}

void findings_done(Findings *findings)
{
        for (size_t i = 0; i < findings->n; i++) {
                Finding *finding = &findings->items[i];

                free(finding->check);
                free(finding->expected);
                free(finding->found);
                free(finding->reason);
        }
        free(findings->items);
        *findings = (Findings){};
}

static void findings_add(Findings *findings, FindingResult result, bool needed, const char *check,
                         const char *format, va_list ap) __attribute__((format(printf, 5, 0)));

static void findings_add(Findings *findings, FindingResult result, bool needed, const char *check,
                         const char *format, va_list ap)
{
        Finding *items = reallocarray(findings->items, findings->n + 1, sizeof(*items));
        Finding finding = {.result = result, .needed = needed};

        if (items)
                findings->items = items;
        finding.check = items ? strdup(check) : NULL;
        if (format && finding.check && !(finding.reason = text_format_v(format, ap))) {
                free(finding.check);
                finding.check = NULL;
        }
        if (!finding.check) {
                findings->no_memory = true;
                return;
        }
        items[findings->n++] = finding;
}

void findings_right(Findings *findings, Need need, const char *check, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        findings_add(findings, FINDING_RIGHT, need == NEEDED, check, format, ap);
        va_end(ap);
}

void findings_wrong(Findings *findings, const char *check, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        findings_add(findings, FINDING_WRONG, true, check, format, ap);
        va_end(ap);
}

void findings_unchecked(Findings *findings, Need need, const char *check, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        findings_add(findings, FINDING_NOT_CHECKED, need == NEEDED, check, format, ap);
        va_end(ap);
}

static void findings_set(Findings *findings, char **target, char *value, bool wanted)
{
        if (wanted && !value)
                findings->no_memory = true;
        *target = value;
}

void findings_values(Findings *findings, const char *expected, const char *found)
{
        Finding *last;

        if (findings->no_memory || findings->n == 0)
                return;
        last = &findings->items[findings->n - 1];
        findings_set(findings, &last->expected, expected ? strdup(expected) : NULL, expected);
        findings_set(findings, &last->found, found ? strdup(found) : NULL, found);
}

void findings_values_hex(Findings *findings, Bytes expected, Bytes found)
{
        Finding *last;

        if (findings->no_memory || findings->n == 0)
                return;
        last = &findings->items[findings->n - 1];
        findings_set(findings, &last->expected,
                     expected.data ? text_hex(expected.data, expected.size) : NULL, expected.data);
        findings_set(findings, &last->found, found.data ? text_hex(found.data, found.size) : NULL,
                     found.data);
}

void findings_compare(Findings *findings, Need need, const char *check, Bytes expected, Bytes found)
{
        if (bytes_equal(expected, found.data, found.size))
                findings_right(findings, need, check, NULL);
        else
                findings_wrong(findings, check, "differs");
        findings_values_hex(findings, expected, found);
}

void findings_compare_if(Findings *findings, const char *check, const uint8_t *expected,
                         const uint8_t *found, size_t size)
{
        if (expected) {
                findings_compare(findings, NEEDED, check, (Bytes){expected, size},
                                 (Bytes){found, size});
                return;
        }
        findings_unchecked(findings, NOT_NEEDED, check, "no value is expected");
        findings_values_hex(findings, (Bytes){}, (Bytes){found, size});
}

Verdict findings_verdict(const Findings *findings)
{
        bool right = false, missing = false;

        for (size_t i = 0; i < findings->n; i++) {
                const Finding *finding = &findings->items[i];

                if (finding->result == FINDING_WRONG)
                        return VERDICT_WRONG;
                right = right || (finding->needed && finding->result == FINDING_RIGHT);
                missing = missing || (finding->needed && finding->result == FINDING_NOT_CHECKED);
        }
        return right && !missing && !findings->no_memory ? VERDICT_VERIFIED : VERDICT_NOT_VERIFIED;
}

int findings_finish(const Findings *findings)
{
        return findings->no_memory ? -ENOMEM : 0;
}

static json_object *findings_text_or_null(const char *text)
{
        return text ? json_new_text(text) : NULL;
}

json_object *findings_to_json(const Findings *findings)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < findings->n; i++) {
                const Finding *finding = &findings->items[i];
                json_object *item =
                        json_build("check", json_new_text(finding->check), "result",
                                   json_object_new_string(finding_result_name(finding->result)),
                                   "needed", json_object_new_boolean(finding->needed), "expected",
                                   findings_text_or_null(finding->expected), "found",
                                   findings_text_or_null(finding->found), "reason",
                                   findings_text_or_null(finding->reason), NULL);

                if (!item || json_object_array_add(array, item) < 0) {
                        json_object_put(item);
                        json_object_put(array);
                        return NULL;
                }
        }
        return array;
}
