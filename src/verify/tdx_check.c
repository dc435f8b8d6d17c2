/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/tdx_check.h"

#include <inttypes.h>
#include <stdio.h>

static bool tdx_check_is_zero(const uint8_t *data, size_t size)
{
        uint8_t any = 0;

        for (size_t i = 0; i < size; i++)
                any |= data[i];
        return any == 0;
}

/* Intel's own module has neither signer nor attributes (TDX module ABI, TEE_TCB_INFO). */
static void check_module(const TdxQuote *quote, Findings *findings)
{
        if (tdx_check_is_zero(quote->mr_signer_seam, TDX_REGISTER_SIZE) &&
            quote->seam_attributes == 0) {
                findings_right(findings, NEEDED, "tdx-module", NULL);
                return;
        }
        findings_wrong(findings, "tdx-module", "the TDX module is not Intel's");
        findings_values_hex(findings, (Bytes){}, (Bytes){quote->mr_signer_seam, TDX_REGISTER_SIZE});
}

static void check_attributes(const TdxQuote *quote, const Expectation *expected, Findings *findings)
{
        char wanted[32], found[32];

        if (quote->attributes & TDX_ATTRIBUTES_DEBUG)
                findings_wrong(findings, "debug",
                               "the TD's attributes permit debugging: the host can read all of the "
                               "TD's memory");
        else
                findings_right(findings, NEEDED, "debug", "not allowed");
        if (!expected->has_attributes)
                findings_unchecked(findings, NOT_NEEDED, "attributes", "no value is expected");
        else if ((quote->attributes & expected->attributes) == expected->attributes)
                findings_right(findings, NEEDED, "attributes", "all expected attributes are set");
        else
                findings_wrong(findings, "attributes", "some expected attributes are not set");
        snprintf(wanted, sizeof(wanted), "0x%" PRIx64, expected->attributes);
        snprintf(found, sizeof(found), "0x%" PRIx64, quote->attributes);
        findings_values(findings, expected->has_attributes ? wanted : NULL, found);
}

/* The service TD that migrates a TD gets all of it. Which one is bound only TD 1.5 shows. */
static void tdx_check_migration(const TdxQuote *quote, const Expectation *expected,
                                Findings *findings)
{
        bool wanted = expected->has_attributes && expected->attributes & TDX_ATTRIBUTES_MIGRATABLE;

        if (!(quote->attributes & TDX_ATTRIBUTES_MIGRATABLE))
                findings_right(findings, NEEDED, "migration", "not allowed");
        else if (wanted)
                findings_right(findings, NEEDED, "migration", "the expected attributes allow it");
        else
                findings_unchecked(
                        findings, NEEDED, "migration",
                        "the TD's attributes allow a service TD to migrate it; if this is "
                        "intended, expect these attributes (launchSecurity.attributes)");
        if (!quote->mr_service_td || tdx_check_is_zero(quote->mr_service_td, TDX_REGISTER_SIZE))
                return;
        findings_unchecked(findings, NEEDED, "service-td",
                           "a service TD is bound, and what it may do with the TD is unknown");
        findings_values_hex(findings, (Bytes){}, (Bytes){quote->mr_service_td, TDX_REGISTER_SIZE});
}

void tdx_check(const TdxQuote *quote, const Expectation *expectation, const uint8_t *report_data,
               Findings *findings)
{
        const Expectation none = {}, *expected = expectation ?: &none;

        if (!quote->has_body) {
                findings_unchecked(findings, NEEDED, "body",
                                   "the body is of type %u, which is unknown (known: %d and %d): "
                                   "nothing in it was checked",
                                   quote->body_type, TDX_BODY_TD_1_0, TDX_BODY_TD_1_5);
                if (report_data)
                        findings_unchecked(findings, NEEDED, "report-data",
                                           "the quote's body is of an unknown type");
                return;
        }
        check_module(quote, findings);
        check_attributes(quote, expected, findings);
        tdx_check_migration(quote, expected, findings);
        findings_compare_if(findings, "mr-config-id", expected->mr_config_id, quote->mr_config_id,
                            TDX_REGISTER_SIZE);
        findings_compare_if(findings, "mr-owner", expected->mr_owner, quote->mr_owner,
                            TDX_REGISTER_SIZE);
        findings_compare_if(findings, "mr-owner-config", expected->mr_owner_config,
                            quote->mr_owner_config, TDX_REGISTER_SIZE);
        findings_compare_if(findings, "report-data", report_data, quote->report_data,
                            TDX_REPORT_DATA_SIZE);
}
