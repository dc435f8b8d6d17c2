/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What was checked in an attestation, and what was not: the only source of a verdict.
 *
 * A required finding that is not checked prevents the verdict; one that is not required is only
 * listed. A lack of memory is remembered; findings_finish() returns it.
 */

#include <json-c/json.h>

#include "base/hash.h"
#include "measure/bytes.h"

typedef enum FindingResult {
        FINDING_RIGHT,
        FINDING_WRONG,
        FINDING_NOT_CHECKED,
} FindingResult;

/* "right", "wrong", "not-checked". */
const char *finding_result_name(FindingResult result);

typedef struct Finding {
        char *check; /* "signature", "LaunchDigest", … */
        FindingResult result;
        bool needed;
        char *expected, *found; /* or NULL */
        char *reason; /* of FINDING_NOT_CHECKED and FINDING_WRONG; else a remark or NULL */
} Finding;

typedef struct Findings {
        Finding *items;
        size_t n;
        bool no_memory;
        bool other_root; /* the chain leads to a root that was given and is not the maker's own */
} Findings;

void findings_done(Findings *findings);

/* Whether a check without which there is no verdict. */
typedef enum Need { NEEDED = 1, NOT_NEEDED = 0 } Need;

void findings_right(Findings *findings, Need need, const char *check, const char *format, ...)
        _printf_(4, 5);
void findings_wrong(Findings *findings, const char *check, const char *format, ...) _printf_(3, 4);
void findings_unchecked(Findings *findings, Need need, const char *check, const char *format, ...)
        _printf_(4, 5);
/* The value that the last finding was about; borrowed and copied. NULL leaves it out. */
void findings_values(Findings *findings, const char *expected, const char *found);
void findings_values_hex(Findings *findings, Bytes expected, Bytes found);

/* Right if both are equal, else wrong. */
void findings_compare(Findings *findings, Need need, const char *check, Bytes expected,
                      Bytes found);
/* expected NULL: not checked, not needed; its value is shown. */
void findings_compare_if(Findings *findings, const char *check, const uint8_t *expected,
                         const uint8_t *found, size_t size);

typedef enum Verdict {
        VERDICT_VERIFIED,     /* every required check passed */
        VERDICT_WRONG,        /* a check failed */
        VERDICT_NOT_VERIFIED, /* nothing is wrong, but something needed was not checked */
} Verdict;

/* "verified", "wrong", "not-verified". */
const char *verdict_name(Verdict verdict);
/* Without any finding that is needed: VERDICT_NOT_VERIFIED. */
Verdict findings_verdict(const Findings *findings);

/* 0 or -ENOMEM. */
int findings_finish(const Findings *findings);

/* An array of {"check", "result", "needed", "expected", "found", "reason"}; NULL without memory. */
json_object *findings_to_json(const Findings *findings);
