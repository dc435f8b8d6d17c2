/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/shown.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/text.h"
#include "verify/snp_product.h"

#define SGX_SVN 258 /* ISVSVN in a REPORTBODY */

static json_object *shown_number(uint64_t value)
{
        char text[32];

        snprintf(text, sizeof(text), "0x%" PRIx64, value);
        return json_object_new_string(text);
}

static json_object *bytes(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *hex = text_hex(data, size);

        return hex ? json_object_new_string(hex) : NULL;
}

/* The bits that have a name, and what is left of them. */
static json_object *platform_info(uint64_t value)
{
        static const struct {
                unsigned bit;
                const char *name;
        } bits[] = {
                {0, "smt"},
                {1, "tsme"},
                {2, "ecc"},
                {3, "raplDisabled"},
                {4, "ciphertextHidingDram"},
                {5, "aliasCheckComplete"},
                {6, "iommuWriteSafe"},
                {7, "tio"},
        };
        json_object *object = json_build("value", shown_number(value), NULL);
        uint64_t rest = value;

        for (size_t i = 0; object && i < ARRAY_SIZE(bits); i++) {
                uint64_t mask = UINT64_C(1) << bits[i].bit;

                json_add(object, bits[i].name, json_object_new_boolean((value & mask) != 0));
                rest &= ~mask;
        }
        if (object && rest)
                json_add(object, "unknown", shown_number(rest));
        return object;
}

static const char *signing_key_name(uint32_t key)
{
        switch (key) {
        case SNP_SIGNED_BY_VCEK:
                return "VCEK";
        case SNP_SIGNED_BY_VLEK:
                return "VLEK";
        case SNP_SIGNED_BY_CHIP_SECRET:
                return "VCEK-chip-secret";
        case SNP_SIGNED_BY_NONE:
                return "none";
        default:
                return "unknown";
        }
}

static json_object *shown_cpuid(const SnpReport *report)
{
        if (!report->has_cpuid)
                return NULL;
        return json_build("family", json_object_new_int(report->family), "model",
                          json_object_new_int(report->model), "stepping",
                          json_object_new_int(report->stepping), NULL);
}

json_object *shown_snp(const SnpReport *report, X509 *leaf)
{
        bool vlek = report->signing_key == SNP_SIGNED_BY_VLEK;
        char product[SNP_NAME_MAX], provider[SNP_NAME_MAX];
        const char *name = snp_product(report);

        if (!name && leaf && snp_product_of_certificate(leaf, product))
                name = product;
        return json_build(
                "version", json_object_new_int64(report->version), "product",
                name ? json_new_text(name) : NULL, "cpuid", shown_cpuid(report), "signingKey",
                json_object_new_string(signing_key_name(report->signing_key)), "vlekProvider",
                vlek && leaf && snp_product_vlek_provider(leaf, provider) ? json_new_text(provider)
                                                                          : NULL,
                "platformInfo", platform_info(report->platform_info), "reportedTcb",
                bytes(report->reported_tcb, SNP_TCB_SIZE), "currentTcb",
                bytes(report->current_tcb, SNP_TCB_SIZE), "committedTcb",
                report->known_version ? bytes(report->committed_tcb, SNP_TCB_SIZE) : NULL,
                "launchTcb", report->known_version ? bytes(report->launch_tcb, SNP_TCB_SIZE) : NULL,
                NULL);
}

json_object *shown_tdx(const TdxQuote *quote)
{
        return json_build(
                "version", json_object_new_int(quote->version), "teeTcbSvn",
                quote->has_body ? bytes(quote->tee_tcb_svn, TDX_TCB_SVN_SIZE) : NULL, "attributes",
                quote->has_body ? shown_number(quote->attributes) : NULL, "xfam",
                quote->has_body ? shown_number(quote->xfam) : NULL, "qeIsvSvn",
                quote->qe_report ? json_object_new_int(le16_get(quote->qe_report + SGX_SVN)) : NULL,
                NULL);
}
