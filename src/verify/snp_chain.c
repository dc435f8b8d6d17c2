/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/snp_chain.h"

#include <stdio.h>
#include <string.h>

#include "verify/signature.h"
#include "verify/snp_product.h"

#define OID_SPL "1.3.6.1.4.1.3704.1.3."
#define OID_HWID "1.3.6.1.4.1.3704.1.4"
#define FAMILY_MILAN 0x19 /* and Genoa */
#define FAMILY_TURIN 0x1a /* another layout of TCB_VERSION */
#define TURIN_HWID_SIZE 8
#define PRODUCTS_MAX (2 * SNP_NAME_MAX + 64)

/* Public keys of AMD's root keys, as its KDS gives them. */
static const KnownRoot amd_roots[] = {
        {"ARK-Milan", {0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29, 0x30, 0x8c, 0xb5,
                       0xff, 0xa8, 0x95, 0xbd, 0xfb, 0x62, 0xd1, 0x88, 0x81, 0xfa, 0x6b,
                       0xed, 0x8d, 0x6f, 0x07, 0x5b, 0x02, 0x04, 0x08, 0x9c, 0xb9}},
        {"ARK-Genoa", {0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58, 0xee, 0x4d, 0x8d,
                       0xb5, 0xfc, 0xda, 0x9c, 0x64, 0x70, 0xef, 0x15, 0xf8, 0xcd, 0x5a,
                       0x9c, 0xeb, 0xd6, 0xcb, 0xc7, 0xd9, 0x0b, 0x86, 0x38, 0x31}},
        {"ARK-Turin", {0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9, 0xa5, 0x03, 0x56,
                       0xf9, 0x24, 0x3f, 0x6f, 0xe0, 0xb6, 0xf7, 0x3d, 0xe9, 0x86, 0x03,
                       0xf5, 0x3f, 0x90, 0x33, 0x9c, 0x70, 0xe9, 0xd7, 0xad, 0x08}},
        {},
};

/* The extension of each byte of TCB_VERSION. */
static const char *const tcb_oids[][SNP_TCB_SIZE] = {
        {OID_SPL "1", OID_SPL "2", OID_SPL "4", OID_SPL "5", OID_SPL "6", OID_SPL "7", OID_SPL "3",
         OID_SPL "8"},
        {OID_SPL "9", OID_SPL "1", OID_SPL "2", OID_SPL "3", OID_SPL "5", OID_SPL "6", OID_SPL "7",
         OID_SPL "8"},
};

static bool is_turin(X509 *leaf)
{
        return certificate_extension(leaf, OID_SPL "9").data;
}

/* Of the certificate; false: it does not name one, and why is found. */
static bool read_tcb(const SnpReport *report, X509 *leaf, uint8_t tcb[static SNP_TCB_SIZE],
                     Findings *findings)
{
        const char *const *oids = tcb_oids[is_turin(leaf)];

        for (size_t i = 0; i < SNP_TCB_SIZE; i++) {
                if (certificate_extension_byte(leaf, oids[i], &tcb[i]) == 0)
                        continue;
                if (report->signing_key == SNP_SIGNED_BY_CHIP_SECRET)
                        findings_unchecked(findings, NEEDED, "certificate-tcb",
                                           "the certificate of this VCEK, which is derived only "
                                           "from the chip's secret, names no TCB");
                else
                        findings_wrong(findings, "certificate-tcb",
                                       "the certificate has no extension %s: it is not the "
                                       "certificate of a VCEK or VLEK",
                                       oids[i]);
                return false;
        }
        return true;
}

static void check_tcb(const SnpReport *report, X509 *leaf, Findings *findings)
{
        bool turin = is_turin(leaf);
        uint8_t tcb[SNP_TCB_SIZE];

        if (report->has_cpuid && report->family != FAMILY_MILAN && report->family != FAMILY_TURIN) {
                findings_unchecked(
                        findings, NEEDED, "certificate-tcb",
                        "the layout of TCB_VERSION is unknown for processors of family 0x%x",
                        report->family);
                findings_values_hex(findings, (Bytes){},
                                    (Bytes){report->reported_tcb, SNP_TCB_SIZE});
                return;
        }
        if (!read_tcb(report, leaf, tcb, findings))
                return;
        if (report->has_cpuid && turin != (report->family == FAMILY_TURIN))
                findings_wrong(findings, "certificate-tcb",
                               "the certificate is not for processors of family 0x%x",
                               report->family);
        else if (memcmp(tcb, report->reported_tcb, SNP_TCB_SIZE) != 0)
                findings_wrong(findings, "certificate-tcb",
                               "the certificate is for another TCB than the report's REPORTED_TCB");
        else
                findings_right(findings, NEEDED, "certificate-tcb", NULL);
        findings_values_hex(findings, (Bytes){tcb, sizeof(tcb)},
                            (Bytes){report->reported_tcb, sizeof(tcb)});
}

/* The id as it is, or, in other certificates, as an OCTET STRING. */
static Bytes hardware_id(X509 *leaf)
{
        Bytes id = certificate_extension(leaf, OID_HWID);

        if (id.size > 2 && id.data[0] == 0x04 && id.data[1] == id.size - 2 &&
            id.size != SNP_CHIP_ID_SIZE && id.size != TURIN_HWID_SIZE)
                id = (Bytes){id.data + 2, id.size - 2};
        return id;
}

static void check_chip(const SnpReport *report, X509 *leaf, Findings *findings)
{
        static const uint8_t zeros[SNP_CHIP_ID_SIZE];
        Bytes id = hardware_id(leaf);
        size_t size = is_turin(leaf) ? TURIN_HWID_SIZE : SNP_CHIP_ID_SIZE;
        Bytes chip = {report->chip_id, size};

        if (report->signing_key == SNP_SIGNED_BY_VLEK) {
                findings_unchecked(findings, NOT_NEEDED, "chip-id",
                                   "a VLEK belongs to a cloud provider, not to a chip");
                findings_values_hex(findings, (Bytes){}, chip);
        } else if (id.size != size) {
                findings_wrong(findings, "chip-id", "the certificate names no chip");
        } else if (memcmp(report->chip_id, zeros, SNP_CHIP_ID_SIZE) == 0) {
                findings_unchecked(findings, NOT_NEEDED, "chip-id",
                                   "the host masks it: the report has zeros");
                findings_values_hex(findings, id, (Bytes){});
        } else if (memcmp(report->chip_id + size, zeros, SNP_CHIP_ID_SIZE - size) != 0) {
                findings_wrong(findings, "chip-id", "CHIP_ID is longer than the certificate's");
                findings_values_hex(findings, id, (Bytes){report->chip_id, SNP_CHIP_ID_SIZE});
        } else {
                findings_compare(findings, NEEDED, "chip-id", id, chip);
        }
}

/* "VCEK"; NULL: this SIGNING_KEY is not known. */
static const char *key_kind(const SnpReport *report)
{
        switch (report->signing_key) {
        case SNP_SIGNED_BY_VCEK:
        case SNP_SIGNED_BY_CHIP_SECRET:
                return "VCEK";
        case SNP_SIGNED_BY_VLEK:
                return "VLEK";
        default:
                return NULL;
        }
}

/* What people mix up: the chains of AMD's products look alike. */
static bool find_other_product(const SnpReport *report, const Trust *trust,
                               char ret[static PRODUCTS_MAX])
{
        char leaf[SNP_NAME_MAX], chain[SNP_NAME_MAX];
        const char *name = snp_product(report);

        if (!name && snp_product_of_certificate(trust->leaf, leaf))
                name = leaf;
        if (!name || !snp_product_of_chain(trust->others, chain) || strcmp(name, chain) == 0)
                return false;
        snprintf(ret, PRODUCTS_MAX, "the report is from a %s, but the chain is for %s", name,
                 chain);
        return true;
}

static void snp_chain_check_links(const SnpReport *report, const Trust *trust, Findings *findings)
{
        char products[PRODUCTS_MAX];
        bool other = find_other_product(report, trust, products);
        const char *kind = key_kind(report);
        const char *name = report->signing_key == SNP_SIGNED_BY_VLEK ? "SEV-VLEK" : "SEV-VCEK";

        if (certificate_is_named(trust->leaf, name))
                trust_check(trust, amd_roots, "AMD's", other ? products : NULL, findings);
        else
                findings_wrong(
                        findings, "certificates",
                        "the report is signed by a %s, but the certificate is not that of a %s",
                        kind, kind);
}

static void snp_chain_check_signature(const SnpReport *report, X509 *leaf, Findings *findings)
{
        EVP_PKEY *key = X509_get0_pubkey(leaf);

        if (report->signature_algorithm != SNP_ECDSA_P384_SHA384)
                findings_unchecked(
                        findings, NEEDED, "signature",
                        "SIGNATURE_ALGO %u is unknown; only 1 (ECDSA P-384 with SHA-384) is known",
                        report->signature_algorithm);
        else if (key && signature_key_is(key, "P-384") &&
                 signature_verify(key, EVP_sha384(), report->r, report->s, SNP_SCALAR_SIZE,
                                  (Bytes){report->signed_part, SNP_REPORT_SIGNED}))
                findings_right(findings, NEEDED, "signature", NULL);
        else
                findings_wrong(findings, "signature", "it was not made by this certificate's key");
}

void snp_chain_check(const SnpReport *report, const Trust *trust, Findings *findings)
{
        static const char *const names[] = {"signature", "certificates", "certificate-tcb",
                                            "chip-id"};
        const char *kind = key_kind(report);

        if (report->signing_key == SNP_SIGNED_BY_NONE || report->masked_chip_key) {
                findings_wrong(findings, "signature",
                               "the host does not let any key sign the report");
                return;
        }
        if (trust->leaf)
                snp_chain_check_signature(report, trust->leaf, findings);
        for (size_t i = trust->leaf ? 1 : 0; (!trust->leaf || !kind) && i < ARRAY_SIZE(names); i++)
                if (!kind)
                        findings_unchecked(findings, NEEDED, names[i],
                                           "SIGNING_KEY %u is unknown, and so is the certificate "
                                           "that it requires",
                                           report->signing_key);
                else
                        findings_unchecked(findings, NEEDED, names[i],
                                           "no certificate of the %s given (--vcek)", kind);
        if (!trust->leaf || !kind)
                return;
        snp_chain_check_links(report, trust, findings);
        check_tcb(report, trust->leaf, findings);
        check_chip(report, trust->leaf, findings);
}
