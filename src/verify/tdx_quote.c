/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/tdx_quote.h"

#include "verify/reader.h"

#define HEADER_SIZE 48
#define TEE_TDX 0x81
#define KEY_ECDSA_P256 2
#define BODY_TD_1_0 2
#define BODY_TD_1_5 3
#define TD_1_0_SIZE 584
#define TD_1_5_SIZE 648
#define CERTIFICATION_PCK_CHAIN 5
#define CERTIFICATION_QE_REPORT 6

static int refuse_short(const char *what, CvmError *error)
{
        return cvm_error_artifact(error, "report", "is cut short in %s", what);
}

bool tdx_quote_is(Bytes bytes)
{
        return bytes.size >= 8 && le32_get(bytes.data + 4) == TEE_TDX && bytes.data[1] == 0 &&
               bytes.data[0] >= 4;
}

static int parse_header(Reader *reader, TdxQuote *quote, CvmError *error)
{
        const uint8_t *header = reader_take(reader, HEADER_SIZE);

        if (!header)
                return refuse_short("the header", error);
        quote->version = le16_get(header);
        if (quote->version != 4 && quote->version != 5)
                return cvm_error_artifact(error, "report",
                                          "is a quote of version %u; 4 and 5 are known",
                                          quote->version);
        if (le16_get(header + 2) != KEY_ECDSA_P256)
                return cvm_error_artifact(error, "report",
                                          "its attestation key is of type %u; only 2 is known "
                                          "(ECDSA P-256)",
                                          le16_get(header + 2));
        if (le32_get(header + 4) != TEE_TDX)
                return cvm_error_artifact(error, "report", "is no quote of a TD (TEE type 0x%x)",
                                          le32_get(header + 4));
        return 0;
}

/* The size of the body that follows. */
static int parse_body_size(Reader *reader, const TdxQuote *quote, size_t *ret, CvmError *error)
{
        uint16_t type;
        uint32_t size;

        *ret = TD_1_0_SIZE;
        if (quote->version == 4)
                return 0;
        type = reader_take16(reader);
        size = reader_take32(reader);
        if (reader->failed)
                return refuse_short("the body's descriptor", error);
        if (type != BODY_TD_1_0 && type != BODY_TD_1_5)
                return cvm_error_artifact(error, "report", "its body is of type %u, not of a TD",
                                          type);
        *ret = type == BODY_TD_1_0 ? TD_1_0_SIZE : TD_1_5_SIZE;
        if (size != *ret)
                return cvm_error_artifact(error, "report",
                                          "its body of type %u has %u bytes instead of %zu", type,
                                          size, *ret);
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

static bool is_zero(Bytes bytes)
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
        uint16_t type;
        int r;

        if (reader->failed)
                return refuse_short("the signature data", error);
        if (!is_zero(reader->rest))
                return cvm_error_artifact(error, "report",
                                          "bytes other than zeros follow the quote");
        quote->signature = reader_take(&data, TDX_SCALARS_SIZE);
        quote->key = reader_take(&data, TDX_SCALARS_SIZE);
        if (data.failed)
                return refuse_short("the signature data", error);
        r = parse_certification(&data, &type, &certification, "the signature data", error);
        if (r < 0)
                return r;
        if (type != CERTIFICATION_QE_REPORT)
                return cvm_error_artifact(error, "report",
                                          "its certification data is of type %u; only 6 is known "
                                          "(report of the quoting enclave)",
                                          type);
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
        r = parse_header(&reader, &quote, error);
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
