/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/text.h"
#include "verify-images.h"
#include "verify/tdx_quote.h"

#define OID_SGX "1.2.840.113741.1.13.1"

static const Certificates nobody;

/* MRTD and RTMRs as they are in a body. */
static Expectation expect(const uint8_t *body, const char *more)
{
        char *hex[5];
        Expectation expectation;

        hex[0] = text_hex(body + 136, 48);
        for (size_t i = 0; i < 4; i++)
                hex[1 + i] = text_hex(body + 328 + 48 * i, 48);
        expectation = expectation_of("{'measurement':{'MRTD':'%s','RTMR0':'%s','RTMR1':'%s',"
                                     "'RTMR2':'%s','RTMR3':'%s'}%s}",
                                     hex[0], hex[1], hex[2], hex[3], hex[4], more);
        for (size_t i = 0; i < 5; i++)
                free(hex[i]);
        return expectation;
}

static void test_real_quote(void **state)
{
        Bytes quote = vector_load("tdx-v4.quote");
        Expectation expectation = expect(quote.data + 48, "");
        VerifyInputs inputs = {.report = quote,
                               .expectation = &expectation,
                               .trust = {.others = &nobody, .at = VECTOR_AT}};

        assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
        inputs.expectation = NULL;
        assert_int_equal(verdict_of(&inputs), VERDICT_NOT_VERIFIED);
        inputs.trust.at = 1577836800; /* 2020-01-01: before the PCK's first day */
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        inputs.trust.at = 1893456000; /* 2030-01-01: after its last */
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        expectation_done(&expectation);
        free((void *)quote.data);
}

/* One bit of each byte, in turn another one. The text form of the certificates has bits without a
 * meaning (line feeds, where Base64 is filled up): there a change must leave it what it was. */
static void test_real_quote_bits(void **state)
{
        Bytes quote = vector_load("tdx-v4.quote");
        Expectation expectation = expect(quote.data + 48, "");
        size_t harmless = 0;
        uint8_t *changed = malloc(quote.size);
        const uint8_t *pem = memmem(quote.data, quote.size, "-----BEGIN", 10);
        VerifyInputs inputs = {.report = {changed, quote.size},
                               .expectation = &expectation,
                               .trust = {.others = &nobody, .at = VECTOR_AT}};

        for (size_t i = 0; i < quote.size; i += test_stride(61)) {
                memcpy(changed, quote.data, quote.size);
                changed[i] ^= (uint8_t)(1 << i % 8);
                if (verdict_of(&inputs) != VERDICT_VERIFIED)
                        continue;
                if (i < (size_t)(pem - quote.data))
                        fail_msg("byte 0x%zx", i);
                harmless++;
        }
        assert_true(harmless < 40);
        free(changed);
        expectation_done(&expectation);
        free((void *)quote.data);
}

typedef struct Made {
        MadeQuote quote;
        MadeChain chain;
        Expectation expectation;
        uint8_t report_data[64];
} Made;

static void made_init(Made *this, int version, int body)
{
        static const uint8_t sgx[] = {0x30, 0x00};
        static const Extension extensions[] = {{OID_SGX, sgx, sizeof(sgx)}, {}};
        _cleanup_free_ char *config = NULL, *owner = NULL, *more = NULL;

        *this = (Made){.chain = made_chain("P-256", "PCK", extensions)};
        made_quote(&this->quote, version, body, &this->chain);
        le64_put(this->quote.body + 120, 0x10000000);
        memcpy(this->quote.body + 520, "report data", 11);
        memcpy(this->report_data, "report data", 11);
        made_quote_sign(&this->quote, this->chain.leaf.key);
        config = text_base64(this->quote.body + 184, 48);
        owner = text_base64(this->quote.body + 232, 48);
        assert_true(asprintf(&more,
                             ",'launchSecurity':{'mrConfigId':'%s','mrOwner':'%s',"
                             "'attributes':'0x10000000'}",
                             config, owner) > 0);
        this->expectation = expect(this->quote.body, more);
}

static void made_done(Made *this)
{
        made_chain_done(&this->chain);
        made_quote_done(&this->quote);
        expectation_done(&this->expectation);
}

static VerifyInputs made_inputs(const Made *this)
{
        return (VerifyInputs){
                .report = {this->quote.data, this->quote.size},
                .expectation = &this->expectation,
                .report_data = this->report_data,
                .trust = {.others = &nobody, .root = this->chain.root.certificate, .at = MADE_AT}};
}

static const struct {
        int version, body;
} forms[] = {{4, 2}, {5, 2}, {5, 3}};

static void test_made(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
                VerifyInputs inputs;
                Made this, other;

                made_init(&this, forms[i].version, forms[i].body);
                made_init(&other, forms[i].version, forms[i].body);
                inputs = made_inputs(&this);
                assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
                /* The kernel's buffer may be longer. */
                inputs.report.size += 100;
                assert_int_equal(verdict_of(&inputs), VERDICT_VERIFIED);
                this.quote.data[this.quote.size + 99] = 1;
                assert_int_equal(verdict_of(&inputs), VERDICT_WRONG);
                this.quote.data[this.quote.size + 99] = 0;
                inputs.trust.root = NULL;
                assert_finding(&inputs, "certificates", FINDING_WRONG);
                inputs.trust.root = other.chain.root.certificate;
                assert_finding(&inputs, "certificates", FINDING_WRONG);
                made_done(&this);
                made_done(&other);
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
                {64, 1, "tdx-module"},   {111, 0x80, "tdx-module"},  {112, 1, "tdx-module"},
                {120, 1, "debug"},       {120, 0x80, "debug"},       {123, 0x10, "attributes"},
                {136, 1, "MRTD"},        {183, 0x80, "MRTD"},        {184, 1, "mr-config-id"},
                {232, 1, "mr-owner"},    {328, 1, "RTMR0"},          {376, 1, "RTMR1"},
                {424, 1, "RTMR2"},       {472, 1, "RTMR3"},          {519, 0x80, "RTMR3"},
                {520, 1, "report-data"}, {583, 0x80, "report-data"},
        };

        for (size_t form = 0; form < ARRAY_SIZE(forms); form++)
                for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                        VerifyInputs inputs;
                        Made this;

                        made_init(&this, forms[form].version, forms[form].body);
                        this.quote.body[cases[i].offset] ^= cases[i].bit;
                        inputs = made_inputs(&this);
                        assert_finding(&inputs, "signature", FINDING_WRONG);
                        made_quote_sign(&this.quote, this.chain.leaf.key);
                        assert_finding(&inputs, "signature", FINDING_RIGHT);
                        assert_finding(&inputs, cases[i].check, FINDING_WRONG);
                        made_done(&this);
                }
}

/* What hands the TD to somebody else is not passed over, though nobody asked about it; and who
 * expects what only an SEV-SNP report shows gets no verdict. */
static void test_made_other_settings(void **state)
{
        static const struct {
                size_t offset; /* 0: none */
                uint8_t bit;
                const char *more, *check;
                Verdict verdict;
        } cases[] = {
                {0, 0, "", "migration", VERDICT_VERIFIED},
                {123, 0x20, "", "migration", VERDICT_NOT_VERIFIED},
                {123, 0x20, ",'launchSecurity':{'attributes':'0x20000000'}", "migration",
                 VERDICT_VERIFIED},
                {600, 1, "", "service-td", VERDICT_NOT_VERIFIED},
                {647, 0x80, "", "service-td", VERDICT_NOT_VERIFIED},
                {0, 0, ",'launchSecurity':{'policy':'0x30000'}", "policy", VERDICT_NOT_VERIFIED},
                {0, 0, ",'vmpl':0", "vmpl", VERDICT_NOT_VERIFIED},
                {0, 0,
                 ",'launchSecurity':{'hostData':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='}",
                 "host-data", VERDICT_NOT_VERIFIED},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                VerifyInputs inputs;
                Made this;

                made_init(&this, 5, 3);
                if (cases[i].offset)
                        this.quote.body[cases[i].offset] ^= cases[i].bit;
                made_quote_sign(&this.quote, this.chain.leaf.key);
                expectation_done(&this.expectation);
                this.expectation = expect(this.quote.body, cases[i].more);
                inputs = made_inputs(&this);
                assert_int_equal(verdict_of(&inputs), cases[i].verdict);
                assert_finding(&inputs, cases[i].check,
                               cases[i].verdict == VERDICT_VERIFIED ? FINDING_RIGHT
                                                                    : FINDING_NOT_CHECKED);
                made_done(&this);
        }
}

/* Who signed what: each link of it broken alone. */
static void test_made_links(void **state)
{
        static const struct {
                size_t offset;
                const char *check;
        } qe[] = {{128, "qe-identity"}, {256, "qe-identity"}};
        VerifyInputs inputs;
        Made this, other;

        made_init(&this, 4, 2);
        made_init(&other, 4, 2);
        inputs = made_inputs(&this);
        for (size_t i = 0; i < ARRAY_SIZE(qe); i++) {
                this.quote.qe_report[qe[i].offset] ^= 1;
                assert_finding(&inputs, "qe-signature", FINDING_WRONG);
                made_quote_sign(&this.quote, this.chain.leaf.key);
                assert_finding(&inputs, "qe-signature", FINDING_RIGHT);
                assert_finding(&inputs, qe[i].check, FINDING_WRONG);
                this.quote.qe_report[qe[i].offset] ^= 1;
        }
        this.quote.qe_report[48] |= 2;
        made_quote_sign(&this.quote, this.chain.leaf.key);
        assert_finding(&inputs, "qe-identity", FINDING_WRONG);
        this.quote.qe_report[48] &= 0xfd;
        made_quote_sign(&this.quote, other.chain.leaf.key);
        assert_finding(&inputs, "qe-signature", FINDING_WRONG);
        assert_finding(&inputs, "signature", FINDING_RIGHT);
        /* another key of the enclave, which the report does not name */
        made_quote_sign(&this.quote, this.chain.leaf.key);
        made_quote_sign(&other.quote, other.chain.leaf.key);
        memcpy(this.quote.signature, other.quote.signature, 128);
        assert_finding(&inputs, "attestation-key", FINDING_WRONG);
        memset(this.quote.signature + 64, 0xff, 64); /* no point of the curve */
        assert_finding(&inputs, "signature", FINDING_WRONG);
        made_done(&this);
        made_done(&other);
}

/* A leaf that the root vouches for, but not as a PCK. */
static void test_made_not_pck(void **state)
{
        static const uint8_t sgx[] = {0x30, 0x00};
        static const Extension extensions[] = {{"1.2.3.4", sgx, sizeof(sgx)}, {}};
        MadeChain chain = made_chain("P-256", "PCK", extensions);
        VerifyInputs inputs = {
                .trust = {.others = &nobody, .root = chain.root.certificate, .at = MADE_AT}};
        MadeQuote quote;

        made_quote(&quote, 4, 2, &chain);
        made_quote_sign(&quote, chain.leaf.key);
        inputs.report = (Bytes){quote.data, quote.size};
        assert_finding(&inputs, "qe-signature", FINDING_RIGHT);
        assert_finding(&inputs, "certificates", FINDING_WRONG);
        made_quote_done(&quote);
        made_chain_done(&chain);
}

/* What the maker may have added is neither refused nor passed over; what does not depend on it is
 * judged. */
static void test_made_unknown(void **state)
{
        static const struct {
                size_t offset;
                uint8_t value;
                const char *check, *still;
        } cases[] = {
                {2, 3, "signature", "MRTD"},         {2, 3, "attestation-key", "report-data"},
                {2, 3, "certificates", "MRTD"},      {48, 4, "body", "signature"},
                {48, 4, "report-data", "signature"}, {48, 4, "MRTD", "qe-identity"},
                {48, 4, "mr-owner", "certificates"}, {834, 7, "qe-identity", "signature"},
                {834, 7, "certificates", "MRTD"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                VerifyInputs inputs;
                Made this;

                made_init(&this, 5, 3);
                this.quote.data[cases[i].offset] = cases[i].value;
                made_quote_sign(&this.quote, this.chain.leaf.key);
                inputs = made_inputs(&this);
                assert_finding(&inputs, cases[i].check, FINDING_NOT_CHECKED);
                assert_finding(&inputs, cases[i].still, FINDING_RIGHT);
                assert_int_equal(verdict_of(&inputs), VERDICT_NOT_VERIFIED);
                made_done(&this);
        }
}

static void assert_refused(Bytes bytes, const char *part)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *message = NULL;
        TdxQuote quote;

        assert_int_equal(tdx_quote_parse(bytes, &quote, &error), -EBADMSG);
        message = cvm_error_message(&error);
        if (!strstr(message, part))
                fail_msg("%s", message);
}

static void test_bad_quotes(void **state)
{
        static const struct {
                size_t offset;
                uint8_t value;
                const char *part;
        } cases[] = {
                {0, 3, "version 3"}, {0, 6, "version 6"}, {1, 1, "version"},
                {4, 0, "SGX"},       {4, 1, "TEE type"},  {48, 1, "type 1"},
                {48, 0, "type 0"},   {50, 0x89, "bytes"}, {702, 0xff, "truncated"},
                {702, 0, "follow"},  {836, 0, "follow"},
        };
        Made this;
        Bytes whole;

        made_init(&this, 5, 3);
        whole = (Bytes){this.quote.data, this.quote.size};
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                uint8_t kept = this.quote.data[cases[i].offset];

                this.quote.data[cases[i].offset] = cases[i].value;
                assert_refused(whole, cases[i].part);
                this.quote.data[cases[i].offset] = kept;
        }
        for (size_t size = 0; size < whole.size; size++)
                assert_refused((Bytes){whole.data, size}, "truncated");
        made_done(&this);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_real_quote),
                cmocka_unit_test(test_real_quote_bits),
                cmocka_unit_test(test_made),
                cmocka_unit_test(test_made_fields),
                cmocka_unit_test(test_made_other_settings),
                cmocka_unit_test(test_made_links),
                cmocka_unit_test(test_made_not_pck),
                cmocka_unit_test(test_made_unknown),
                cmocka_unit_test(test_bad_quotes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
