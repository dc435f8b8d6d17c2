/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/tdx_quote.h"

#include <string.h>

#include "verify/reader.h"

#define HEADER_SIZE 48
#define TEE_SGX 0
#define TEE_TDX 0x81
#define VENDOR 12
#define BODY_SGX 1
#define TD_1_0_SIZE 584
#define TD_1_5_SIZE 648
#define CERTIFICATION_PCK_CHAIN 5

static int refuse_short(const char *what, CvmError *error)
{
        return cvm_error_artifact(error, "report", "is truncated in %s", what);
}

/* A quoting enclave names its vendor behind the SVNs. */
static bool is_of_intel(Bytes bytes)
{
        static const uint8_t vendor[] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                         0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

        return bytes.size >= VENDOR + sizeof(vendor) &&
               memcmp(bytes.data + VENDOR, vendor, sizeof(vendor)) == 0;
}

bool tdx_quote_is(Bytes bytes)
{
        uint16_t version, key;

        if (bytes.size < 8)
                return false;
        version = le16_get(bytes.data);
        key = le16_get(bytes.data + 2);
        return version >= 3 && version <= UINT8_MAX && key >= 1 && key <= UINT8_MAX &&
               (le32_get(bytes.data + 4) == TEE_TDX || is_of_intel(bytes));
}

static int tdx_quote_parse_header(Reader *reader, TdxQuote *quote, CvmError *error)
{
        const uint8_t *header = reader_take(reader, HEADER_SIZE);
        uint32_t tee;

        if (!header)
                return refuse_short("the header", error);
        quote->version = le16_get(header);
        quote->key_type = le16_get(header + 2);
        tee = le32_get(header + 4);
        if (tee == TEE_SGX)
                return cvm_error_artifact(error, "report",
                                          "is an SGX quote of version %u (TEE type 0): it attests "
                                          "an enclave, not a TD",
                                          quote->version);
        if (tee != TEE_TDX)
                return cvm_error_artifact(error, "report",
                                          "is a quote of TEE type 0x%x, not of a TD (0x%x)", tee,
                                          TEE_TDX);
        if (quote->version != 4 && quote->version != 5)
                return cvm_error_artifact(
                        error, "report",
                        "is a TDX quote of version %u; only versions 4 and 5 are known",
                        quote->version);
        return 0;
}

/* The size of the body that follows. */
static int parse_body_size(Reader *reader, TdxQuote *quote, size_t *ret, CvmError *error)
{
        uint16_t type;
        uint32_t size;

        quote->body_type = TDX_BODY_TD_1_0;
        *ret = TD_1_0_SIZE;
        if (quote->version == 4)
                return 0;
        quote->body_type = type = reader_take16(reader);
        *ret = size = reader_take32(reader);
        if (reader->failed)
                return refuse_short("the body's descriptor", error);
        if (type <= BODY_SGX)
                return cvm_error_artifact(
                        error, "report", "its body is of type %u, which is not that of a TD", type);
        if ((type == TDX_BODY_TD_1_0 && size != TD_1_0_SIZE) ||
            (type == TDX_BODY_TD_1_5 && size != TD_1_5_SIZE))
                return cvm_error_artifact(
                        error, "report", "its body of type %u has %u bytes instead of %d", type,
                        size, type == TDX_BODY_TD_1_0 ? TD_1_0_SIZE : TD_1_5_SIZE);
        return 0;
}

static int parse_body(Reader *reader, TdxQuote *quote, CvmError *error)
{
        const uint8_t *body;
        size_t size;
        int r = parse_body_size(reader, quote, &size, error);

        if (r < 0)
                return r;
        body = reader_take(reader, size);
        if (!body)
                return refuse_short("the body", error);
        quote->has_body =
                quote->body_type == TDX_BODY_TD_1_0 || quote->body_type == TDX_BODY_TD_1_5;
        if (!quote->has_body)
                return 0;
        quote->tee_tcb_svn = body;
        quote->mr_signer_seam = body + 64;
        quote->seam_attributes = le64_get(body + 112);
        quote->attributes = le64_get(body + 120);
        quote->xfam = le64_get(body + 128);
        quote->mrtd = body + 136;
        quote->mr_config_id = body + 184;
        quote->mr_owner = body + 232;
        quote->mr_owner_config = body + 280;
        for (size_t i = 0; i < TDX_RTMRS; i++)
                quote->rtmr[i] = body + 328 + i * TDX_REGISTER_SIZE;
        quote->report_data = body + 520;
        quote->mr_service_td = size == TD_1_5_SIZE ? body + 600 : NULL;
        return 0;
}

static bool tdx_quote_is_zero(Bytes bytes)
{
        for (size_t i = 0; i < bytes.size; i++)
                if (bytes.data[i] != 0)
                        return false;
        return true;
}

/* Certification data that must end where what contains it ends. */
static int parse_certification(Reader *reader, uint16_t *ret_type, Reader *ret, const char *what,
                               CvmError *error)
{
        uint32_t size;

        *ret_type = reader_take16(reader);
        size = reader_take32(reader);
        *ret = (Reader){.rest = reader_take_bytes(reader, size)};
        if (reader->failed)
                return refuse_short(what, error);
        if (reader->rest.size != 0)
                return cvm_error_artifact(error, "report", "%zu bytes follow %s", reader->rest.size,
                                          what);
        return 0;
}

static int parse_qe(Reader *reader, TdxQuote *quote, CvmError *error)
{
        Reader chain;
        uint16_t type;
        int r;

        quote->qe_report = reader_take(reader, TDX_QE_REPORT_SIZE);
        quote->qe_signature = reader_take(reader, TDX_SCALARS_SIZE);
        quote->qe_auth = reader_take_bytes(reader, reader_take16(reader));
        if (reader->failed)
                return refuse_short("the quoting enclave's report", error);
        r = parse_certification(reader, &type, &chain, "the certification data", error);
        if (r == 0 && type == CERTIFICATION_PCK_CHAIN)
                quote->pck_chain = chain.rest;
        return r;
}

static int parse_signature(Reader *reader, TdxQuote *quote, CvmError *error)
{
        uint32_t size = reader_take32(reader);
        Reader data = {.rest = reader_take_bytes(reader, size)}, certification;
        int r;

        if (reader->failed)
                return refuse_short("the signature data", error);
        if (!tdx_quote_is_zero(reader->rest))
                return cvm_error_artifact(error, "report",
                                          "bytes other than zeros follow the quote");
        if (quote->key_type != TDX_KEY_ECDSA_P256)
                return 0;
        quote->signature = reader_take(&data, TDX_SCALARS_SIZE);
        quote->key = reader_take(&data, TDX_SCALARS_SIZE);
        if (data.failed)
                return refuse_short("the signature data", error);
        r = parse_certification(&data, &quote->certification_type, &certification,
                                "the signature data", error);
        if (r < 0 || quote->certification_type != TDX_CERTIFICATION_QE)
                return r;
        return parse_qe(&certification, quote, error);
}

int tdx_quote_parse(Bytes bytes, TdxQuote *ret, CvmError *error)
{
        Reader reader = {.rest = bytes};
        TdxQuote quote = {};
        int r;

        if (bytes.size > TDX_QUOTE_MAX)
                return cvm_error_artifact(error, "report", "is larger than %u bytes",
                                          TDX_QUOTE_MAX);
        r = tdx_quote_parse_header(&reader, &quote, error);
        if (r == 0)
                r = parse_body(&reader, &quote, error);
        if (r < 0)
                return r;
        quote.signed_part = (Bytes){bytes.data, bytes.size - reader.rest.size};
        r = parse_signature(&reader, &quote, error);
        if (r == 0)
                *ret = quote;
        return r;
}
