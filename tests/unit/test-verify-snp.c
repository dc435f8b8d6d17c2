/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/text.h"
#include "verify-images.h"
#include "verify-snp-images.h"
#include "verify/snp_report.h"

/* A report with the certificates that lead from it to its root. */
typedef struct Case {
        Bytes report, leaf_file, chain_file;
        Certificates leaf, others;
        Expectation expectation;
} Case;

static void case_load(Case *this, const char *report, const char *leaf, const char *chain)
{
        CvmError error = {};

        *this = (Case){.report = vector_load(report),
                       .leaf_file = vector_load(leaf),
                       .chain_file = vector_load(chain)};
        assert_int_equal(certificates_add(&this->leaf, "vcek", this->leaf_file, &error), 0);
        assert_int_equal(certificates_add(&this->others, "cert-chain", this->chain_file, &error),
                         0);
}

static void case_expect(Case *this, const char *more)
{
        _cleanup_free_ char *hex = text_hex(this->report.data + 0x90, 48);

        this->expectation = expectation_of("{'registers':[{'name':'LaunchDigest','algorithm':"
                                           "'sha384','value':'%s'}]%s}",
                                           hex, more);
}

static void case_done(Case *this)
{
        certificates_done(&this->leaf);
        certificates_done(&this->others);
        expectation_done(&this->expectation);
        free((void *)this->report.data);
        free((void *)this->leaf_file.data);
        free((void *)this->chain_file.data);
}

static VerifyInputs case_inputs(const Case *this)
{
        return (VerifyInputs){
                .report = this->report,
                .expectation = this->expectation.json ? &this->expectation : NULL,
                .trust = {.leaf = this->leaf.items[0], .others = &this->others, .at = VECTOR_AT}};
}

static void test_real_report(void **state)
{
        VerifyInputs inputs;
        Case this;

        case_load(&this, "snp-milan.report", "snp-milan.vcek.der", "amd-milan.pem");
        inputs = case_inputs(&this);
        assert_int_equal(verdict_of(&inputs), VERDICT_NOT_VERIFIED);
        case_expect(&this, "");
        inputs = case_inputs(&this);
        assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);

        inputs.trust.leaf = NULL;
        assert_int_equal(verdict_of(&inputs), VERDICT_NOT_VERIFIED);
        assert_finding(&inputs, "signature", FINDING_NOT_CHECKED);
        inputs = case_inputs(&this);
        inputs.trust.others = &(Certificates){};
        assert_finding(&inputs, "certificates", FINDING_NOT_CHECKED);
        assert_int_equal(verdict_of(&inputs), VERDICT_NOT_VERIFIED);
        inputs = case_inputs(&this);
        inputs.trust.at = 1672531200; /* 2023-01-01: before the VCEK's first day */
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        inputs.trust.at = 1904515200; /* 2030-05-09: after its last */
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        case_done(&this);
}

static void test_real_debug(void **state)
{
        VerifyInputs inputs;
        Case this;

        case_load(&this, "snp-debug.report", "snp-debug.vcek.der", "amd-milan.pem");
        case_expect(&this, "");
        inputs = case_inputs(&this);
        assert_finding(&inputs, "signature", FINDING_RIGHT);
        assert_finding(&inputs, "certificates", FINDING_RIGHT);
        assert_finding(&inputs, "LaunchDigest", FINDING_RIGHT);
        assert_finding(&inputs, "debug", FINDING_WRONG);
        case_done(&this);
}

/* One bit of each byte, in turn another one. */
static void test_real_report_bits(void **state)
{
        uint8_t changed[SNP_REPORT_SIZE];
        VerifyInputs inputs;
        Case this;

        case_load(&this, "snp-milan.report", "snp-milan.vcek.der", "amd-milan.pem");
        case_expect(&this, "");
        inputs = case_inputs(&this);
        inputs.report = (Bytes){changed, sizeof(changed)};
        for (size_t i = 0; i < SNP_REPORT_SIZE; i += test_stride(31)) {
                memcpy(changed, this.report.data, sizeof(changed));
                changed[i] ^= (uint8_t)(1 << i % 8);
                /* Signed by an algorithm that is not known, SIGNATURE_ALGO says then. */
                if (verdict_of(&inputs) !=
                    (i >= 0x34 && i < 0x38 ? VERDICT_NOT_VERIFIED : VERDICT_WRONG))
                        fail_msg("byte 0x%zx", i);
        }
        case_done(&this);
}

static void test_real_certificate_bits(void **state)
{
        Case this;

        case_load(&this, "snp-milan.report", "snp-milan.vcek.der", "amd-milan.pem");
        case_expect(&this, "");
        for (size_t i = 0; i < this.leaf_file.size; i += test_stride(31)) {
                VerifyInputs inputs = case_inputs(&this);
                Certificates changed = {};
                CvmError error = {};

                ((uint8_t *)this.leaf_file.data)[i] ^= (uint8_t)(1 << i % 8);
                if (certificates_add(&changed, "vcek", this.leaf_file, &error) == 0) {
                        inputs.trust.leaf = changed.items[0];
                        if (verdict_of(&inputs) != VERDICT_WRONG)
                                fail_msg("byte %zu", i);
                }
                ((uint8_t *)this.leaf_file.data)[i] ^= (uint8_t)(1 << i % 8);
                certificates_done(&changed);
                cvm_error_done(&error);
        }
        case_done(&this);
}

/* Another machine's certificate, another processor's chain, ASK for VCEK. */
static void test_real_swapped(void **state)
{
        VerifyInputs inputs;
        Case this, other, turin;

        case_load(&this, "snp-milan.report", "snp-milan.vcek.der", "amd-milan.pem");
        case_load(&other, "snp-debug.report", "snp-debug.vcek.der", "amd-milan.pem");
        case_load(&turin, "snp-milan.report", "snp-turin.vcek.der", "amd-turin.pem");
        inputs = case_inputs(&this);
        inputs.trust.leaf = other.leaf.items[0];
        assert_finding(&inputs, "signature", FINDING_WRONG);
        assert_finding(&inputs, "certificate-tcb", FINDING_WRONG);
        assert_finding(&inputs, "chip-id", FINDING_WRONG);
        assert_finding(&inputs, "certificates", FINDING_RIGHT);
        inputs = case_inputs(&this);
        inputs.trust.others = &turin.others;
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        inputs = case_inputs(&this);
        inputs.trust.leaf = this.others.items[0];
        assert_finding(&inputs, "signature", FINDING_WRONG);
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        /* The VCEK of a Turin is AMD's, too. */
        inputs = case_inputs(&turin);
        assert_finding(&inputs, "certificates", FINDING_RIGHT);
        assert_finding(&inputs, "signature", FINDING_WRONG);
        case_done(&this);
        case_done(&other);
        case_done(&turin);
}

static void test_made(void **state)
{
        static const struct {
                uint32_t version;
                bool turin, vlek;
        } cases[] = {{2, false, false}, {3, false, false}, {3, true, false},  {5, true, false},
                     {5, false, true},  {3, true, true},   {4, false, false}, {4, true, false},
                     {6, true, false},  {6, false, true}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                VerifyInputs inputs;
                MadeReport this;

                made_report_init(&this, cases[i].version, cases[i].turin, cases[i].vlek);
                inputs = made_report_inputs(&this);
                assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
                /* Nobody knows this root but who names it. */
                inputs.trust.root = NULL;
                assert_finding(&inputs, "certificates", FINDING_NOT_CHECKED);
                this.others.items[this.others.n++] = this.chain.root.certificate;
                assert_finding(&inputs, "certificates", FINDING_WRONG);
                made_report_done(&this);
        }
}

/* A field that is changed and signed again is the one that is found. */
static void test_made_fields(void **state)
{
        static const struct {
                size_t offset;
                uint8_t bit;
                const char *check;
        } cases[] = {
                {0x4, 1, "guest-svn"},
                {0xa, 8, "debug"},
                {0x8, 1, "policy"},
                {0x10, 1, "family-id"},
                {0x2f, 0x80, "image-id"},
                {0x30, 1, "vmpl"},
                {0x50, 1, "report-data"},
                {0x8f, 0x80, "report-data"},
                {0x90, 1, "LaunchDigest"},
                {0xbf, 0x80, "LaunchDigest"},
                {0x90, 1, "id-block-digest"},
                {0xc0, 1, "host-data"},
                {0xdf, 0x80, "host-data"},
                {0xe0, 1, "id-key"},
                {0x110, 1, "author-key"},
                {0x180, 1, "certificate-tcb"},
                {0x187, 0x80, "certificate-tcb"},
                {0x1a0, 1, "chip-id"},
                {0x1df, 0x80, "chip-id"},
                {0x48, 4, "certificates"},
                {0x48, 2, "signature"},
                {0x8, 1, "id-block-policy"},
                {0x48, 0x1c, "signature"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                VerifyInputs inputs;
                MadeReport this;

                made_report_init(&this, 3, false, false);
                this.report[cases[i].offset] ^= cases[i].bit;
                inputs = made_report_inputs(&this);
                if (strcmp(cases[i].check, "debug") != 0 && cases[i].offset != 0x48)
                        assert_finding(&inputs, "signature", FINDING_WRONG);
                made_report_sign(this.report, this.chain.leaf.key);
                assert_finding(&inputs, cases[i].check, FINDING_WRONG);
                made_report_done(&this);
        }
}

/* What hands the guest to somebody else is not passed over, though nobody asked about it. */
static void test_made_migration(void **state)
{
        _cleanup_free_ char *digest = NULL;
        VerifyInputs inputs;
        MadeReport this;

        made_report_init(&this, 3, false, false);
        inputs = made_report_inputs(&this);
        assert_finding(&inputs, "migration", FINDING_RIGHT);
        expectation_done(&this.expectation);
        digest = text_hex(this.report + 0x90, 48);
        made_report_expect_digest(&this.expectation, this.report);
        inputs = made_report_inputs(&this);
        assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
        this.report[0xa] |= 4;
        made_report_sign(this.report, this.chain.leaf.key);
        assert_finding(&inputs, "migration", FINDING_NOT_CHECKED);
        assert_int_equal(verdict_of(&inputs), VERDICT_NOT_VERIFIED);
        expectation_done(&this.expectation);
        this.expectation = expectation_of("{'measurement':{'LaunchDigest':'%s'},"
                                          "'launchSecurity':{'policy':'0x70000'}}",
                                          digest);
        inputs = made_report_inputs(&this);
        assert_finding(&inputs, "policy", FINDING_RIGHT);
        assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
        made_report_done(&this);
}

/* SNP_HV_REPORT_REQ: nothing in it is the guest's word. */
static void test_made_by_host(void **state)
{
        VerifyInputs inputs;
        MadeReport this;

        made_report_init(&this, 3, false, false);
        expectation_done(&this.expectation);
        made_report_expect_digest(&this.expectation, this.report);
        memset(this.report + 0x30, 0xff, 4);
        made_report_sign(this.report, this.chain.leaf.key);
        inputs = made_report_inputs(&this);
        assert_finding(&inputs, "vmpl", FINDING_WRONG);
        made_report_done(&this);
}

/* Settings that only a quote shows. */
static void test_made_expected_elsewhere(void **state)
{
        static const struct {
                const char *field, *check;
                size_t size;
        } cases[] = {{"mrConfigId", "mr-config-id", 48},
                     {"mrOwner", "mr-owner", 48},
                     {"mrOwnerConfig", "mr-owner-config", 48},
                     {"attributes", "attributes", 0}};
        static const uint8_t zeros[48];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *value = text_base64(zeros, cases[i].size), *digest = NULL;
                VerifyInputs inputs;
                MadeReport this;

                made_report_init(&this, 3, false, false);
                expectation_done(&this.expectation);
                digest = text_hex(this.report + 0x90, 48);
                this.expectation =
                        expectation_of("{'measurement':{'LaunchDigest':'%s'},"
                                       "'launchSecurity':{'%s':'%s'}}",
                                       digest, cases[i].field, cases[i].size ? value : "0");
                inputs = made_report_inputs(&this);
                assert_finding(&inputs, cases[i].check, FINDING_NOT_CHECKED);
                assert_int_equal(verdict_of(&inputs), VERDICT_NOT_VERIFIED);
                made_report_done(&this);
        }
}

/* A guest's SVN of 129 reads as a quote's TEE type. */
static void test_made_looks_like_a_quote(void **state)
{
        VerifyInputs inputs;
        MadeReport this;

        made_report_init(&this, 5, false, false);
        expectation_done(&this.expectation);
        made_report_expect_digest(&this.expectation, this.report);
        le32_put(this.report + 4, 0x81);
        made_report_sign(this.report, this.chain.leaf.key);
        inputs = made_report_inputs(&this);
        assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
        made_report_done(&this);
}

static void test_made_chip(void **state)
{
        VerifyInputs inputs;
        MadeReport this;

        made_report_init(&this, 5, true, false);
        inputs = made_report_inputs(&this);
        this.report[0x1df] = 1; /* behind what a Turin's certificate names */
        made_report_sign(this.report, this.chain.leaf.key);
        assert_finding(&inputs, "chip-id", FINDING_WRONG);
        memset(this.report + 0x1a0, 0, 64);
        made_report_sign(this.report, this.chain.leaf.key);
        assert_finding(&inputs, "chip-id", FINDING_NOT_CHECKED);
        assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
        this.report[0x188] = 0x19; /* a certificate of a Turin */
        made_report_sign(this.report, this.chain.leaf.key);
        assert_finding(&inputs, "certificate-tcb", FINDING_WRONG);
        made_report_done(&this);
}

/* Chains that are wrong in one thing. */
static void test_made_chains(void **state)
{
        static const Extension none[] = {{}};
        VerifyInputs inputs;
        MadeReport this, other;

        made_report_init(&this, 2, false, false);
        made_report_init(&other, 2, false, false);
        inputs = made_report_inputs(&this);
        inputs.trust.root = other.chain.root.certificate;
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        inputs = made_report_inputs(&this);
        inputs.trust.others = &other.others;
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        inputs = made_report_inputs(&this);
        inputs.trust.leaf = other.chain.leaf.certificate;
        assert_finding(&inputs, "signature", FINDING_WRONG);
        inputs = made_report_inputs(&this);
        inputs.trust.at = MADE_AT + MADE_SPAN + 86400;
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        inputs.trust.at = MADE_AT - MADE_SPAN - 86400;
        assert_finding(&inputs, "certificates", FINDING_WRONG);

        /* an intermediate that expired alone */
        inputs = made_report_inputs(&this);
        made_key_certify(&this.chain.middle, &this.chain.root, "middle", NULL, -86400, -3600);
        this.others.items[0] = this.chain.middle.certificate;
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        /* one that may not sign certificates */
        made_key_certify(&this.chain.middle, &this.chain.root, "middle", none, -86400, 86400);
        this.others.items[0] = this.chain.middle.certificate;
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        made_key_certify(&this.chain.middle, &this.chain.root, "middle", NULL, -86400, 86400);
        this.others.items[0] = this.chain.middle.certificate;
        assert_finding(&inputs, "certificates", FINDING_RIGHT);
        /* a leaf of that key that names neither TCB nor chip */
        made_key_certify(&this.chain.leaf, &this.chain.middle, "SEV-VCEK", none, -86400, 86400);
        inputs = made_report_inputs(&this);
        assert_finding(&inputs, "certificates", FINDING_RIGHT);
        assert_finding(&inputs, "certificate-tcb", FINDING_WRONG);
        assert_finding(&inputs, "chip-id", FINDING_WRONG);
        made_key_certify(&this.chain.leaf, &this.chain.middle, "SEV-VLEK", none, -86400, 86400);
        inputs = made_report_inputs(&this);
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        made_report_done(&this);
        made_report_done(&other);
}

/* What the maker may have added is neither refused nor passed over. */
static void test_made_unknown(void **state)
{
        static const struct {
                uint32_t version;
                size_t offset;
                uint8_t value;
                const char *check; /* NULL: all is known */
        } cases[] = {
                {7, 0, 7, "version"},
                {3, 0, 32, "version"},
                {3, 1, 1, "version"},
                {7, 0x4c, 1, "version"},
                {7, 0x18b, 1, "version"},
                {7, 0x48, 0x20, "version"},
                {7, 0x188, 0x1b, "version"},
                {3, 0x48, 3 << 2, "certificates"},
                {3, 0x48, 6 << 2, "chip-id"},
                {6, 0x48, 2 << 2, NULL},
                {3, 0x4c, 1, "reserved"},
                {3, 0x48, 0x20, "reserved"},
                {3, 0x18b, 1, "reserved"},
                {2, 0x188, 1, "reserved"},
                {3, 0x1f8, 1, "reserved"},
                {5, 0x1f8, 1, NULL},
                {4, 0x1f8, 1, NULL},
                {5, 0x29f, 1, "reserved"},
                {6, 0x29f, 1, NULL},
                {6, 0x48, 0x20, NULL},
                {3, 0x34, 2, "signature"},
                {3, 0x188, 0x1b, "certificate-tcb"},
                {3, 0x188, 0x17, "certificate-tcb"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                VerifyInputs inputs;
                MadeReport this;

                made_report_init(&this, cases[i].version, false, false);
                this.report[cases[i].offset] = cases[i].value;
                made_report_sign(this.report, this.chain.leaf.key);
                inputs = made_report_inputs(&this);
                if (cases[i].check)
                        assert_finding(&inputs, cases[i].check, FINDING_NOT_CHECKED);
                assert_int_equal(verdict_of(&inputs),
                                 cases[i].check ? VERDICT_NOT_VERIFIED : VERDICT_VERIFIED);
                /* What is wrong is found all the same. */
                if (cases[i].offset != 0x34) {
                        this.report[0x90] ^= 1;
                        assert_finding(&inputs, "signature", FINDING_WRONG);
                        assert_finding(&inputs, "LaunchDigest", FINDING_WRONG);
                }
                made_report_done(&this);
        }
}

/* The certificate of a VCEK that comes of the chip's secret alone may name no TCB. */
static void test_made_chip_secret(void **state)
{
        Extension hwid[] = {{"1.3.6.1.4.1.3704.1.4", NULL, 64}, {}};
        VerifyInputs inputs;
        MadeReport this;

        made_report_init(&this, 6, false, false);
        this.report[0x48] = 2 << 2;
        made_report_sign(this.report, this.chain.leaf.key);
        hwid[0].data = this.vcek.chip;
        made_key_certify(&this.chain.leaf, &this.chain.middle, "SEV-VCEK", hwid, -86400, 86400);
        inputs = made_report_inputs(&this);
        assert_finding(&inputs, "certificate-tcb", FINDING_NOT_CHECKED);
        assert_int_equal(verdict_of(&inputs), VERDICT_NOT_VERIFIED);
        this.report[0x48] = 0;
        made_report_sign(this.report, this.chain.leaf.key);
        assert_finding(&inputs, "certificate-tcb", FINDING_WRONG);
        made_report_done(&this);
}

static void test_bad_reports(void **state)
{
        static const struct {
                size_t offset;
                uint8_t value;
                const char *part;
        } cases[] = {
                {0, 1, "version 1"}, {0, 0, "version 0"}, {0x2d0, 1, "0x2d0"},
                {0x318, 1, "0x318"}, {0x330, 1, "0x330"}, {0x49f, 1, "0x49f"},
        };
        MadeReport this;

        made_report_init(&this, 3, false, false);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                _cleanup_free_ char *message = NULL;
                uint8_t changed[SNP_REPORT_SIZE];
                SnpReport report;

                memcpy(changed, this.report, sizeof(changed));
                changed[cases[i].offset] = cases[i].value;
                assert_int_equal(
                        snp_report_parse((Bytes){changed, sizeof(changed)}, &report, &error),
                        -EBADMSG);
                message = cvm_error_message(&error);
                if (!strstr(message, cases[i].part))
                        fail_msg("%s", message);
        }
        for (size_t size = 0; size < SNP_REPORT_SIZE; size += 37) {
                _cleanup_(cvm_error_done) CvmError error = {};
                SnpReport report;

                assert_int_equal(snp_report_parse((Bytes){this.report, size}, &report, &error),
                                 -EBADMSG);
        }
        made_report_done(&this);
}

static int add_certificates(const char *before, Bytes file, const char *after)
{
        _cleanup_(certificates_done) Certificates certificates = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(buffer_done) Buffer all = {};

        assert_int_equal(buffer_append_text(&all, before), 0);
        assert_int_equal(buffer_append(&all, file.data, file.size), 0);
        assert_int_equal(buffer_append_text(&all, after), 0);
        return certificates_add(&certificates, "cert-chain", (Bytes){(uint8_t *)all.data, all.size},
                                &error);
}

static void test_certificate_files(void **state)
{
        Bytes der = vector_load("snp-milan.vcek.der"), pem = vector_load("amd-milan.pem");
        _cleanup_(certificates_done) Certificates many = {};
        _cleanup_free_ char *relabelled = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};

        assert_int_equal(add_certificates("", der, ""), 0);
        assert_int_equal(add_certificates("", der, "x"), -EBADMSG);
        assert_int_equal(add_certificates("x", der, ""), -EBADMSG);
        assert_int_equal(add_certificates("", (Bytes){der.data, der.size - 1}, ""), -EBADMSG);
        assert_int_equal(add_certificates("", pem, ""), 0);
        assert_int_equal(add_certificates("\n", pem, "\n"), 0);
        assert_int_equal(add_certificates("", (Bytes){pem.data, pem.size - 40}, ""), -EBADMSG);
        assert_int_equal(add_certificates("", pem,
                                          "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                          "-----END CERTIFICATE-----\n"),
                         -EBADMSG);
        assert_int_equal(add_certificates("", pem,
                                          "-----BEGIN PUBLIC KEY-----\nAAAA\n"
                                          "-----END PUBLIC KEY-----\n"),
                         -EBADMSG);
        assert_int_equal(add_certificates("", (Bytes){(const uint8_t *)"", 0}, ""), -EBADMSG);
        relabelled = strndup((const char *)pem.data, pem.size);
        for (char *at = relabelled; (at = strstr(at, "CERTIFICATE")); at++)
                memcpy(at, "CERTIFICATF", 11);
        assert_int_equal(add_certificates(relabelled, (Bytes){(const uint8_t *)"", 0}, ""),
                         -EBADMSG);
        for (size_t i = 0; i < CERTIFICATES_MAX; i++)
                assert_int_equal(certificates_add(&many, "cert-chain", der, &error), 0);
        assert_int_equal(certificates_add(&many, "cert-chain", der, &error), -EBADMSG);
        free((void *)der.data);
        free((void *)pem.data);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_real_report),
                cmocka_unit_test(test_real_debug),
                cmocka_unit_test(test_real_report_bits),
                cmocka_unit_test(test_real_certificate_bits),
                cmocka_unit_test(test_real_swapped),
                cmocka_unit_test(test_made),
                cmocka_unit_test(test_made_fields),
                cmocka_unit_test(test_made_migration),
                cmocka_unit_test(test_made_by_host),
                cmocka_unit_test(test_made_expected_elsewhere),
                cmocka_unit_test(test_made_looks_like_a_quote),
                cmocka_unit_test(test_made_chip),
                cmocka_unit_test(test_made_chains),
                cmocka_unit_test(test_made_unknown),
                cmocka_unit_test(test_made_chip_secret),
                cmocka_unit_test(test_bad_reports),
                cmocka_unit_test(test_certificate_files),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
