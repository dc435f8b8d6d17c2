/* SPDX-License-Identifier: Apache-2.0 */

/* The forms in which files hold attestations. */

#include "test.h"

#include "base/json.h"
#include "base/text.h"
#include "verify-images.h"
#include "verify-snp-images.h"

static const Certificates nobody;

static const char *const guids[] = {
        "63da758de6644564adc5f4b93be8accd", "a8074bc2a25a483eaae639c045a0b8a1",
        "4ab7b379bbac4fe4a02f05aef327c782", "c0b406a4a803495297433fb6014cd0ae",
        "ecae0c0f950243b1afa20ae2e0d565b6"};
enum { VCEK, VLEK, ASK, ARK, PLATFORM };

/* A file that is put together here. */
typedef struct File {
        uint8_t data[32768];
        size_t size;
        size_t table, entries; /* where the table begins, how many it has room for */
        size_t n;
} File;

static void put(File *file, const void *data, size_t size)
{
        assert_true(file->size + size <= sizeof(file->data));
        if (data)
                memcpy(file->data + file->size, data, size);
        else
                memset(file->data + file->size, 0, size);
        file->size += size;
}

static void table_begin(File *file, size_t entries)
{
        file->table = file->size;
        file->entries = entries;
        file->n = 0;
        put(file, NULL, (entries + 1) * 24);
}

static void table_add(File *file, int which, const void *data, size_t size)
{
        uint8_t *entry = file->data + file->table + file->n++ * 24;

        assert_int_equal(text_unhex(guids[which], entry, 16), 0);
        le32_put(entry + 16, (uint32_t)(file->size - file->table));
        le32_put(entry + 20, (uint32_t)size);
        put(file, data, size);
}

static void table_add_certificate(File *file, int which, X509 *certificate)
{
        unsigned char *der = NULL;
        int size = i2d_X509(certificate, &der);

        assert_true(size > 0);
        table_add(file, which, der, (size_t)size);
        OPENSSL_free(der);
}

/* Inputs without any certificate but the root. */
static VerifyInputs inputs_of(const MadeReport *this, const File *file)
{
        VerifyInputs inputs = made_report_inputs(this);

        inputs.report = (Bytes){file->data, file->size};
        inputs.trust.leaf = NULL;
        inputs.trust.others = &nobody;
        return inputs;
}

static void assert_evidence(const VerifyInputs *inputs, const char *form, const char *encoding,
                            const char *certificates)
{
        _cleanup_(verification_done) Verification result = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        json_object *used;

        assert_int_equal(verify_run(inputs, &result, &error), 0);
        assert_string_equal(json_member_string(result.evidence, "form"), form);
        assert_string_equal(json_member_string(result.evidence, "encoding") ?: "", encoding);
        used = json_member(result.evidence, "certificates");
        if (certificates)
                assert_string_equal(json_text(used), certificates);
}

static void assert_refused(Bytes file, const char *part)
{
        _cleanup_(verification_done) Verification result = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *message = NULL;
        VerifyInputs inputs = {.report = file, .trust = {.others = &nobody}};

        assert_int_equal(verify_run(&inputs, &result, &error), -EBADMSG);
        message = cvm_error_message(&error);
        if (!strstr(message, part))
                fail_msg("%s", message);
}

static void test_padded(void **state)
{
        MadeReport this;
        VerifyInputs inputs;
        File file = {};

        made_report_init(&this, 3, false, false);
        put(&file, this.report, sizeof(this.report));
        put(&file, NULL, 4000 - sizeof(this.report));
        inputs = made_report_inputs(&this);
        inputs.report = (Bytes){file.data, file.size};
        assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
        assert_evidence(&inputs, "report", "", "[]");
        file.data[3999] = 1;
        assert_refused(inputs.report, "certificate table");
        made_report_done(&this);
}

static void test_response(void **state)
{
        for (size_t padding = 0; padding < 4000; padding += 2784) {
                uint8_t header[32] = {};
                MadeReport this;
                VerifyInputs inputs;
                File file = {};

                made_report_init(&this, 5, false, false);
                le32_put(header + 4, SNP_REPORT_SIZE);
                put(&file, header, sizeof(header));
                put(&file, this.report, sizeof(this.report));
                put(&file, NULL, padding);
                inputs = made_report_inputs(&this);
                inputs.report = (Bytes){file.data, file.size};
                assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
                assert_evidence(&inputs, "report-response", "", "[]");
                assert_refused((Bytes){file.data, 1000}, "968 bytes");
                file.data[0] = 0x16;
                assert_refused(inputs.report, "status 0x16");
                made_report_done(&this);
        }
}

static void test_extended(void **state)
{
        for (int vlek = 0; vlek < 2; vlek++) {
                MadeReport this, other;
                VerifyInputs inputs;
                File file = {};

                made_report_init(&this, 3, false, vlek);
                made_report_init(&other, 3, false, vlek);
                put(&file, this.report, sizeof(this.report));
                table_begin(&file, 5);
                table_add(&file, PLATFORM, "platform", 8);
                table_add_certificate(&file, vlek ? VCEK : VLEK, other.chain.leaf.certificate);
                table_add_certificate(&file, vlek ? VLEK : VCEK, this.chain.leaf.certificate);
                table_add_certificate(&file, ASK, this.chain.middle.certificate);
                table_add_certificate(&file, ARK, this.chain.root.certificate);
                put(&file, NULL, 100);
                inputs = inputs_of(&this, &file);
                assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
                assert_evidence(&inputs, "extended-report", "",
                                vlek ? "[\"VLEK\",\"ASK\",\"ARK\"]" : "[\"VCEK\",\"ASK\",\"ARK\"]");
                assert_finding(&inputs, "certificate-table", FINDING_NOT_CHECKED);
                /* What is given goes first. */
                inputs.trust.leaf = other.chain.leaf.certificate;
                assert_finding(&inputs, "signature", FINDING_WRONG);
                assert_evidence(&inputs, "extended-report", "", "[\"ASK\",\"ARK\"]");
                inputs.trust.leaf = NULL;
                inputs.trust.others = &other.others;
                assert_finding(&inputs, "signature", FINDING_RIGHT);
                assert_finding(&inputs, "certificates", FINDING_WRONG);
                /* Who made the report may have made the root behind it. */
                inputs = inputs_of(&this, &file);
                inputs.trust.root = NULL;
                assert_finding(&inputs, "certificates", FINDING_WRONG);
                inputs.trust.root = other.chain.root.certificate;
                assert_finding(&inputs, "certificates", FINDING_WRONG);
                made_report_done(&this);
                made_report_done(&other);
        }
}

/* A real report, with AMD's certificates behind it, leads to AMD's root. */
static void test_extended_real(void **state)
{
        Bytes report = vector_load("snp-milan.report"), leaf = vector_load("snp-milan.vcek.der");
        Bytes chain = vector_load("amd-milan.pem"), foreign = vector_load("amd-turin.pem");
        VerifyInputs inputs = {.trust = {.others = &nobody, .at = VECTOR_AT}};
        Expectation expectation;
        File file = {};

        made_report_expect_digest(&expectation, report.data);
        put(&file, report.data, report.size);
        table_begin(&file, 2);
        table_add(&file, VCEK, leaf.data, leaf.size);
        table_add(&file, ASK, chain.data, chain.size);
        inputs.report = (Bytes){file.data, file.size};
        inputs.expectation = &expectation;
        assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
        file.size = report.size;
        table_begin(&file, 2);
        memset(file.data + file.table, 0, 72);
        table_add(&file, VCEK, leaf.data, leaf.size);
        table_add(&file, ASK, foreign.data, foreign.size);
        inputs.report.size = file.size;
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        expectation_done(&expectation);
        free((void *)report.data);
        free((void *)leaf.data);
        free((void *)chain.data);
        free((void *)foreign.data);
}

static void test_bad_tables(void **state)
{
        MadeReport this;
        File good = {}, file;

        made_report_init(&this, 3, false, false);
        put(&good, this.report, sizeof(this.report));
        table_begin(&good, 2);
        table_add_certificate(&good, VCEK, this.chain.leaf.certificate);
        table_add_certificate(&good, ASK, this.chain.middle.certificate);

        file = good;
        le32_put(file.data + file.table + 16, 71);
        assert_refused((Bytes){file.data, file.size}, "entry 0");
        le32_put(file.data + file.table + 16, UINT32_MAX);
        assert_refused((Bytes){file.data, file.size}, "entry 0");
        file = good;
        le32_put(file.data + file.table + 24 + 20, 1 << 20);
        assert_refused((Bytes){file.data, file.size}, "entry 1");
        file = good;
        memcpy(file.data + file.table + 24, file.data + file.table, 16);
        assert_refused((Bytes){file.data, file.size}, "VCEK twice");
        file = good;
        file.data[file.size - 1 - 100]++;
        le32_put(file.data + file.table + 20, 100);
        assert_refused((Bytes){file.data, file.size}, "its certificate table: ");
        file = good;
        file.size = file.table + 60;
        assert_refused((Bytes){file.data, file.size}, "no end marker");
        file.size = file.table + 1;
        assert_refused((Bytes){file.data, file.size}, "1 bytes follow the report");
        file = good;
        memset(file.data + file.table, 0x11, 65 * 24);
        file.size = file.table + 65 * 24;
        assert_refused((Bytes){file.data, file.size}, "more than 64");
        made_report_done(&this);
}

/* A hand-over of the paravisor: header, report, data about the digest, runtime data. */
static void make_hcl(File *file, MadeReport *this, uint32_t type, uint32_t hash, HashAlgorithm made)
{
        static const char claims[] = "{\"keys\":[]}";
        uint8_t header[32] = "HCLA", data[20] = {};
        HashDigest digest;

        memset(this->report + 0x50, 0, 64);
        assert_int_equal(hash_bytes(made, claims, strlen(claims), &digest), 0);
        memcpy(this->report + 0x50, digest.bytes, hash_size(made));
        made_report_sign(this->report, this->chain.leaf.key);
        le32_put(header + 4, 1);
        le32_put(data, (uint32_t)(sizeof(data) + strlen(claims)));
        le32_put(data + 4, 1);
        le32_put(data + 8, type);
        le32_put(data + 12, hash);
        le32_put(data + 16, (uint32_t)strlen(claims));
        *file = (File){};
        put(file, header, sizeof(header));
        put(file, this->report, sizeof(this->report));
        put(file, data, sizeof(data));
        put(file, claims, strlen(claims));
        put(file, NULL, 2600 - file->size);
}

static void test_hcl(void **state)
{
        VerifyInputs inputs;
        MadeReport this;
        File file;

        made_report_init(&this, 3, false, false);
        inputs = made_report_inputs(&this);
        inputs.report_data = NULL;
        make_hcl(&file, &this, 2, 1, HASH_SHA256);
        inputs.report = (Bytes){file.data, file.size};
        assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
        assert_evidence(&inputs, "hcl-report", "", "[]");
        assert_finding(&inputs, "runtime-data", FINDING_RIGHT);
        file.data[32 + 1184 + 20 + 3]++;
        assert_finding(&inputs, "runtime-data", FINDING_WRONG);
        make_hcl(&file, &this, 2, 2, HASH_SHA384);
        assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
        make_hcl(&file, &this, 2, 2, HASH_SHA256);
        assert_finding(&inputs, "runtime-data", FINDING_WRONG);
        make_hcl(&file, &this, 2, 3, HASH_SHA256);
        assert_finding(&inputs, "runtime-data", FINDING_NOT_CHECKED);
        assert_int_equal(verdict_of(&inputs), VERDICT_NOT_VERIFIED);
        make_hcl(&file, &this, 2, 1, HASH_SHA256);
        le32_put(file.data + 32 + 1184, 5000);
        assert_finding(&inputs, "runtime-data", FINDING_NOT_CHECKED);
        make_hcl(&file, &this, 4, 1, HASH_SHA256);
        assert_refused(inputs.report, "TDREPORT");
        make_hcl(&file, &this, 1, 1, HASH_SHA256);
        assert_refused(inputs.report, "type 1");
        assert_refused((Bytes){file.data, 1230}, "truncated");
        made_report_done(&this);
}

/* The bytes as text: hex with a line break after so many bytes, with 0x at so many. */
static char *as_hex(Bytes bytes, size_t line, size_t group, bool upper)
{
        _cleanup_(buffer_done) Buffer text = {};

        for (size_t i = 0; i < bytes.size; i++) {
                if (line && i && i % line == 0)
                        assert_int_equal(buffer_append_text(&text, "\r\n"), 0);
                if (group && i % group == 0)
                        assert_int_equal(buffer_append_text(&text, i ? " 0x" : "0x"), 0);
                assert_int_equal(buffer_appendf(&text, upper ? "%02X" : "%02x", bytes.data[i]), 0);
        }
        return buffer_take(&text);
}

static char *as_base64(Bytes bytes, bool url)
{
        char *text = text_base64(bytes.data, bytes.size);

        for (char *at = text; url && *at; at++)
                *at = *at == '+' ? '-' : *at == '/' ? '_' : *at == '=' ? 0 : *at;
        return text;
}

static void test_texts(void **state)
{
        Bytes quote = vector_load("tdx-v4.quote"), report = vector_load("snp-milan.report");
        const Bytes files[] = {quote, report, {report.data, report.size - 1}};

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                char *texts[] = {as_hex(files[i], 0, 0, false),
                                 as_hex(files[i], 30, 0, true),
                                 as_hex(files[i], 0, files[i].size, false),
                                 as_hex(files[i], 16, 1, false),
                                 as_base64(files[i], false),
                                 as_base64(files[i], true)};

                for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
                        _cleanup_free_ char *text = NULL;
                        VerifyInputs inputs = {.trust = {.others = &nobody, .at = VECTOR_AT}};

                        assert_true(asprintf(&text, "\n%s\n\n", texts[j]) > 0);
                        inputs.report = (Bytes){(uint8_t *)text, strlen(text)};
                        if (i == 2)
                                assert_refused(inputs.report, "1183 bytes");
                        else
                                assert_evidence(&inputs, i ? "report" : "quote",
                                                j < 4 ? "hex" : "base64", NULL);
                        free(texts[j]);
                }
        }
        free((void *)quote.data);
        free((void *)report.data);
}

static void test_named(void **state)
{
        static const uint8_t sgx[48] = {3,    0,    2,    0,    0,    0,    0,    0,    0,    0,
                                        0,    0,    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                        0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
        static const struct {
                const uint8_t head[64];
                size_t size;
                const char *part;
        } cases[] = {
                {{0x81, 0, 1, 0}, 1024, "is a TDREPORT"},
                {{0x81, 0, 0, 0}, 1184, "is a TDREPORT"},
                {{0xff, 'T', 'C', 'G', 0x80, 0x18}, 145, "a TPM quote"},
                {{1}, 1184, "of version 1"},
                {{2, [0x34] = 1}, 1183, "has 1183 bytes; an SEV-SNP report has 1184"},
                {{2, [0x34] = 1}, 64, "has 64 bytes"},
                {{9, 9}, 500, "has 500 bytes that are not"},
                {{0}, 1, "has 1 bytes that are not"},
                {"{\"report\":{\"outblob\":\"AAAA\"}}", 29, "has 3 bytes that are not"},
                {"0123456789abcdef", 16, "is text, but not"},
                {"-----BEGIN CERTIFICATE-----", 27, "is text, but not"},
                {"{}", 2, "neither a report nor PCRs"},
        };
        uint8_t data[4600] = {};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                memset(data, 0, sizeof(data));
                memcpy(data, cases[i].head, sizeof(cases[i].head));
                assert_refused((Bytes){data, cases[i].size}, cases[i].part);
        }
        memset(data, 0x5a, sizeof(data));
        memcpy(data, sgx, sizeof(sgx));
        assert_refused((Bytes){data, sizeof(data)}, "is an SGX quote of version 3");
        data[4] = 0x82;
        assert_refused((Bytes){data, sizeof(data)}, "TEE type 0x82");
        data[4] = 0x81;
        assert_refused((Bytes){data, sizeof(data)}, "TDX quote of version 3");
}

/* What a report says of its platform. */
static void test_shown(void **state)
{
        static const uint8_t provider[] = {0x16, 7, 'C', 'N', '=', 'a', '.', 'b', 'c'};
        static const uint8_t product[] = {0x16, 8, 'M', 'i', 'l', 'a', 'n', '-', 'B', '0'};
        static const Extension extensions[] = {{"1.3.6.1.4.1.3704.1.5", provider, sizeof(provider)},
                                               {"1.3.6.1.4.1.3704.1.2", product, sizeof(product)},
                                               {}};
        static const struct {
                uint32_t version;
                uint8_t family, model;
                const char *product;
        } cases[] = {{3, 0x19, 0x01, "Milan"}, {3, 0x19, 0x11, "Genoa"}, {3, 0x19, 0xa0, "Genoa"},
                     {5, 0x1a, 0x02, "Turin"}, {3, 0x19, 0x60, "Milan"}, {7, 0x1a, 0x02, "Milan"}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(verification_done) Verification result = {};
                _cleanup_(cvm_error_done) CvmError error = {};
                json_object *info;
                VerifyInputs inputs;
                MadeReport this;

                made_report_init(&this, cases[i].version, false, true);
                this.report[0x188] = cases[i].family;
                this.report[0x189] = cases[i].model;
                le64_put(this.report + 0x40, 0x1a5);
                made_report_sign(this.report, this.chain.leaf.key);
                made_key_certify(&this.chain.leaf, &this.chain.middle, "SEV-VLEK", extensions,
                                 -86400, 86400);
                inputs = made_report_inputs(&this);
                assert_int_equal(verify_run(&inputs, &result, &error), 0);
                assert_string_equal(json_member_string(result.shown, "product"), cases[i].product);
                assert_string_equal(json_member_string(result.shown, "vlekProvider"), "CN=a.bc");
                assert_string_equal(json_member_string(result.shown, "signingKey"), "VLEK");
                info = json_member(result.shown, "platformInfo");
                assert_string_equal(
                        json_text(info),
                        "{\"value\":\"0x1a5\",\"smt\":true,\"tsme\":false,\"ecc\":true,"
                        "\"raplDisabled\":false,\"ciphertextHidingDram\":false,"
                        "\"aliasCheckComplete\":true,\"iommuWriteSafe\":false,\"tio\":true,"
                        "\"unknown\":\"0x100\"}");
                made_report_done(&this);
        }
}

/* Which certificate is wrong, and why. */
static void assert_reason(const VerifyInputs *inputs, const char *part)
{
        _cleanup_(verification_done) Verification result = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        const Finding *finding;

        assert_int_equal(verify_run(inputs, &result, &error), 0);
        finding = finding_of(&result, "certificates");
        assert_int_equal(finding->result, FINDING_WRONG);
        if (!strstr(finding->reason, part))
                fail_msg("%s", finding->reason);
}

static void test_reasons(void **state)
{
        VerifyInputs inputs;
        MadeReport this;
        Certificates turin = {};
        Bytes file = vector_load("amd-turin.pem");
        CvmError error = {};

        made_report_init(&this, 3, false, false);
        inputs = made_report_inputs(&this);
        made_key_certify(&this.chain.leaf, &this.chain.middle, "SEV-VCEK", (Extension[]){{}},
                         -86400, 86400);
        inputs = made_report_inputs(&this);
        inputs.trust.at = MADE_AT + 2 * 86400;
        assert_reason(&inputs, "SEV-VCEK (certificate 0 of the chain): certificate has expired: it "
                               "is valid from 2025-06-14 15:06 to 2025-06-16 15:06, and was "
                               "checked at 2025-06-17 15:06 (UTC); the root is root");
        inputs.trust.at = MADE_AT - 2 * 86400;
        assert_reason(&inputs, "not yet valid: it is valid from 2025-06-14 15:06");
        inputs.trust.at = MADE_AT + MADE_SPAN + 1;
        made_key_certify(&this.chain.leaf, &this.chain.middle, "SEV-VCEK", (Extension[]){{}}, 0,
                         MADE_SPAN + 100);
        inputs.trust.leaf = this.chain.leaf.certificate;
        assert_reason(&inputs, "(certificate 2 of the chain): certificate has expired");
        /* The chain of another product. */
        assert_int_equal(certificates_add(&turin, "cert-chain", file, &error), 0);
        this.report[0x189] = 0x11;
        made_report_sign(this.report, this.chain.leaf.key);
        inputs = made_report_inputs(&this);
        inputs.trust.root = NULL;
        inputs.trust.others = &turin;
        assert_reason(&inputs, "SEV-VCEK (certificate 0 of the chain): unable to get local issuer "
                               "certificate; its issuer is middle; the root is ARK-Turin: the "
                               "report is from a Genoa, but the chain is for Turin");
        /* A root that nobody knows. */
        this.others.items[this.others.n++] = this.chain.root.certificate;
        inputs = made_report_inputs(&this);
        inputs.trust.root = NULL;
        assert_reason(&inputs, "ends in root, a root that is not AMD's (ARK-Milan, ARK-Genoa, "
                               "ARK-Turin)");
        certificates_done(&turin);
        free((void *)file.data);
        made_report_done(&this);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_padded),     cmocka_unit_test(test_response),
                cmocka_unit_test(test_extended),   cmocka_unit_test(test_extended_real),
                cmocka_unit_test(test_bad_tables), cmocka_unit_test(test_hcl),
                cmocka_unit_test(test_texts),      cmocka_unit_test(test_named),
                cmocka_unit_test(test_shown),      cmocka_unit_test(test_reasons),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
