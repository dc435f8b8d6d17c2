/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/snp_check.h"

#include <inttypes.h>
#include <stdio.h>

static void snp_check_number(Findings *findings, const char *check, const char *format,
                             bool expected, uint64_t wanted, uint64_t found)
{
        char wanted_text[32], found_text[32];
        bool hex = *format == 'x';

        snprintf(wanted_text, sizeof(wanted_text), hex ? "0x%" PRIx64 : "%" PRIu64, wanted);
        snprintf(found_text, sizeof(found_text), hex ? "0x%" PRIx64 : "%" PRIu64, found);
        if (!expected)
                findings_unchecked(findings, NOT_NEEDED, check, "no value is expected");
        else if (wanted == found)
                findings_right(findings, NEEDED, check, NULL);
        else
                findings_wrong(findings, check, "differs");
        findings_values(findings, expected ? wanted_text : NULL, found_text);
}

static void check_key(Findings *findings, const char *check, const uint8_t *key,
                      const uint8_t *found)
{
        HashDigest digest;

        if (!key)
                findings_compare_if(findings, check, NULL, found, SHA384_SIZE);
        else if (id_block_key_digest(key, &digest) < 0)
                findings->no_memory = true;
        else
                findings_compare_if(findings, check, digest.bytes, found, SHA384_SIZE);
}

/* The firmware has checked the block against the guest; the report repeats what it says. */
static void snp_check_id_block(const SnpReport *report, const Expectation *expectation,
                               Findings *findings)
{
        const uint8_t *block = expectation ? expectation->id_block : NULL;
        const uint8_t *auth = expectation ? expectation->id_auth : NULL;
        bool author = auth && expectation->author_key;

        findings_compare_if(findings, "family-id", block ? block + 48 : NULL, report->family_id,
                            16);
        findings_compare_if(findings, "image-id", block ? block + 64 : NULL, report->image_id, 16);
        snp_check_number(findings, "guest-svn", "u", block, block ? le32_get(block + 84) : 0,
                         report->guest_svn);
        check_key(findings, "id-key", auth ? auth + ID_AUTH_ID_KEY : NULL, report->id_key_digest);
        check_key(findings, "author-key", author ? auth + ID_AUTH_AUTHOR_KEY : NULL,
                  report->author_key_digest);
        if (!block)
                return;
        findings_compare(findings, NEEDED, "id-block-digest", (Bytes){block, SHA384_SIZE},
                         (Bytes){report->measurement, SHA384_SIZE});
        snp_check_number(findings, "id-block-policy", "x", true, le64_get(block + 88),
                         report->policy);
}

/* A migration agent gets all of the guest. Who expects this policy, wants one. */
static void snp_check_migration(const SnpReport *report, const Expectation *expected,
                                Findings *findings)
{
        if (!(report->policy & SNP_POLICY_MIGRATE_MA))
                findings_right(findings, NEEDED, "migration", "not allowed");
        else if (expected->has_policy)
                findings_right(findings, NEEDED, "migration", "the expected policy decides");
        else
                findings_unchecked(findings, NEEDED, "migration",
                                   "the policy allows a migration agent to migrate the guest; if "
                                   "this is intended, expect this policy (launchSecurity.policy)");
}

static void check_vmpl(const SnpReport *report, const Expectation *expected, Findings *findings)
{
        if (report->vmpl > SNP_VMPL_MAX)
                findings_wrong(findings, "vmpl", "the host requested this report, not the guest");
        else
                snp_check_number(findings, "vmpl", "u", expected->has_vmpl, expected->vmpl,
                                 report->vmpl);
}

/* What the maker has added since: no verdict passes over it. */
static void check_form(const SnpReport *report, Findings *findings)
{
        if (!report->known_version)
                findings_unchecked(findings, NEEDED, "version",
                                   "version %u of the report is unknown (known: %d to %d): only "
                                   "the fields that all versions share were checked",
                                   report->version, SNP_VERSION_FIRST, SNP_VERSION_KNOWN);
        if (report->reserved_at)
                findings_unchecked(findings, NEEDED, "reserved",
                                   "byte 0x%zx, which version %u reserves, is not zero, and its "
                                   "meaning is unknown",
                                   report->reserved_at, report->version);
}

void snp_check(const SnpReport *report, const Expectation *expectation, const uint8_t *report_data,
               Findings *findings)
{
        const Expectation none = {}, *expected = expectation ?: &none;

        check_form(report, findings);
        if (report->policy & SNP_POLICY_DEBUG)
                findings_wrong(findings, "debug",
                               "the policy permits debugging: the host can read all guest memory");
        else
                findings_right(findings, NEEDED, "debug", "not allowed");
        snp_check_number(findings, "policy", "x", expected->has_policy, expected->policy,
                         report->policy);
        snp_check_migration(report, expected, findings);
        check_vmpl(report, expected, findings);
        findings_compare_if(findings, "host-data", expected->host_data, report->host_data, 32);
        findings_compare_if(findings, "report-data", report_data, report->report_data,
                            SNP_REPORT_DATA_SIZE);
        snp_check_id_block(report, expectation, findings);
}
