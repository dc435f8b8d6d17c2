/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/corim.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "measure/cbor.h"

#define TAG_COSE_SIGN1 18
#define TAG_URI 32
#define TAG_CORIM 501
#define TAG_COMID 506

/* Keys of maps, by the draft's names. */
#define CORIM_ID 0
#define CORIM_TAGS 1
#define CORIM_PROFILE_KEY 3
#define COMID_TAG_IDENTITY 1
#define COMID_TRIPLES 4
#define TAG_IDENTITY_ID 0
#define TRIPLES_REFERENCE 0
#define ENVIRONMENT_CLASS 0
#define CLASS_VENDOR 1
#define CLASS_MODEL 2
#define MEASUREMENT_KEY 0
#define MEASUREMENT_VALUES 1
#define VALUES_DIGESTS 2
#define VALUES_INTEGRITY_REGISTERS 14
#define HEADER_ALGORITHM 1
#define HEADER_CONTENT_TYPE 3
#define HEADER_KEY_ID 4
#define HEADER_CORIM_META 8
#define META_SIGNER 0
#define SIGNER_NAME 0

#define ALGORITHM_ES256 (-7)
#define ALGORITHM_ES384 (-35)
#define CONTENT_TYPE "application/rim+cbor"

static const int hash_ids[_HASH_MAX] = {[HASH_SHA256] = 1, [HASH_SHA384] = 7};

/* A triple of the profile: an environment, and in it one measured element. */
typedef struct Element {
        const char *vendor, *model, *key;
        /* Digests of the element itself; NULL: it is a set of registers. */
        const char *name;
        /* Registers by number, in ascending order, ended by a name of NULL. */
        struct {
                const char *name;
                int number;
        } registers[5];
} Element;

static const Element elements[] = {
        {"AMD", "SEV-SNP", "MEASUREMENT", .name = "LaunchDigest"},
        /* another value that is accepted, too: the same element again */
        {"AMD", "SEV-SNP", "MEASUREMENT", .name = "LaunchDigestAllVcpus"},
        {"Intel", "TDX", "MRTD", .name = "MRTD"},
        {"Intel", "TDX", "RTMR",
         .registers = {{"RTMR0", 0}, {"RTMR1", 1}, {"RTMR2", 2}, {"RTMR3", 3}}},
        {"TCG", "TPM 2.0", "PCR", .registers = {{"PCR4", 4}, {"PCR9", 9}}},
};

static size_t count_digests(const Measurement *measurement, const char *name)
{
        size_t n = 0;

        for (size_t i = 0; i < measurement->n_registers; i++)
                n += measurement->registers[i].state == MEASUREMENT_VALUE &&
                     strcmp(measurement->registers[i].name, name) == 0;
        return n;
}

static size_t count_registers(const Measurement *measurement, const Element *element)
{
        size_t n = 0;

        for (size_t i = 0; element->registers[i].name; i++)
                n += count_digests(measurement, element->registers[i].name) > 0;
        return n;
}

static bool has(const Measurement *measurement, const Element *element)
{
        return element->name ? count_digests(measurement, element->name)
                             : count_registers(measurement, element);
}

static void put_digests(CborWriter *writer, const Measurement *measurement, const char *name)
{
        cbor_begin_array(writer, count_digests(measurement, name));
        for (HashAlgorithm algorithm = 0; algorithm < _HASH_MAX; algorithm++) {
                const Register *reg = measurement_find(measurement, name, algorithm);

                if (!reg || reg->state != MEASUREMENT_VALUE)
                        continue;
                cbor_begin_array(writer, 2);
                cbor_put_int(writer, hash_ids[algorithm]);
                cbor_put_bytes(writer, reg->value.bytes, hash_size(algorithm));
        }
}

static void put_values(CborWriter *writer, const Measurement *measurement, const Element *element)
{
        cbor_begin_map(writer, 1);
        if (element->name) {
                cbor_put_int(writer, VALUES_DIGESTS);
                put_digests(writer, measurement, element->name);
                return;
        }
        cbor_put_int(writer, VALUES_INTEGRITY_REGISTERS);
        cbor_begin_map(writer, count_registers(measurement, element));
        for (size_t i = 0; element->registers[i].name; i++)
                if (count_digests(measurement, element->registers[i].name)) {
                        cbor_put_int(writer, element->registers[i].number);
                        put_digests(writer, measurement, element->registers[i].name);
                }
}

static void put_triple(CborWriter *writer, const Measurement *measurement, const Element *element)
{
        cbor_begin_array(writer, 2);
        cbor_begin_map(writer, 1);
        cbor_put_int(writer, ENVIRONMENT_CLASS);
        cbor_begin_map(writer, 2);
        cbor_put_int(writer, CLASS_VENDOR);
        cbor_put_text(writer, element->vendor);
        cbor_put_int(writer, CLASS_MODEL);
        cbor_put_text(writer, element->model);
        cbor_begin_array(writer, 1);
        cbor_begin_map(writer, 2);
        cbor_put_int(writer, MEASUREMENT_KEY);
        cbor_put_text(writer, element->key);
        cbor_put_int(writer, MEASUREMENT_VALUES);
        put_values(writer, measurement, element);
}

static size_t put_triples(CborWriter *writer, const Measurement *measurement)
{
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
                n += has(measurement, &elements[i]);
        cbor_begin_map(writer, 1);
        cbor_put_int(writer, TRIPLES_REFERENCE);
        cbor_begin_array(writer, n);
        for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
                if (has(measurement, &elements[i]))
                        put_triple(writer, measurement, &elements[i]);
        return n;
}

/* What names this statement: it depends on nothing but what it says. */
static int make_id(const CborWriter *triples, char ret[static 48])
{
        _cleanup_free_ char *hex = NULL;
        HashDigest digest;
        int r = hash_bytes(HASH_SHA256, triples->buffer.data, triples->buffer.size, &digest);

        if (r < 0)
                return r;
        hex = hash_hex(&digest);
        if (!hex)
                return -ENOMEM;
        snprintf(ret, 48, "cvm-%.32s", hex);
        return 0;
}

int corim_encode(const Measurement *measurement, uint8_t **ret, size_t *ret_size)
{
        _cleanup_(cbor_writer_done) CborWriter triples = {}, comid = {}, corim = {};
        char id[48];
        int r;

        if (put_triples(&triples, measurement) == 0)
                return -ENODATA;
        if (triples.failed)
                return -ENOMEM;
        r = make_id(&triples, id);
        if (r < 0)
                return r;
        cbor_begin_map(&comid, 2);
        cbor_put_int(&comid, COMID_TAG_IDENTITY);
        cbor_begin_map(&comid, 1);
        cbor_put_int(&comid, TAG_IDENTITY_ID);
        cbor_put_text(&comid, id);
        cbor_put_int(&comid, COMID_TRIPLES);
        put_triples(&comid, measurement);

        cbor_put_tag(&corim, TAG_CORIM);
        cbor_begin_map(&corim, 3);
        cbor_put_int(&corim, CORIM_ID);
        cbor_put_text(&corim, id);
        cbor_put_int(&corim, CORIM_TAGS);
        cbor_begin_array(&corim, 1);
        cbor_put_tag(&corim, TAG_COMID);
        cbor_put_wrapped(&corim, &comid);
        cbor_put_int(&corim, CORIM_PROFILE_KEY);
        cbor_put_tag(&corim, TAG_URI);
        cbor_put_text(&corim, CORIM_PROFILE);
        return cbor_writer_finish(&corim, ret, ret_size);
}

static void put_header(CborWriter *header, const SigningKey *key, const HashDigest *key_id,
                       const char *signer)
{
        _cleanup_(cbor_writer_done) CborWriter meta = {};

        cbor_begin_map(&meta, 1);
        cbor_put_int(&meta, META_SIGNER);
        cbor_begin_map(&meta, 1);
        cbor_put_int(&meta, SIGNER_NAME);
        cbor_put_text(&meta, signer);

        cbor_begin_map(header, 4);
        cbor_put_int(header, HEADER_ALGORITHM);
        cbor_put_int(header,
                     signing_key_curve(key) == KEY_P256 ? ALGORITHM_ES256 : ALGORITHM_ES384);
        cbor_put_int(header, HEADER_CONTENT_TYPE);
        cbor_put_text(header, CONTENT_TYPE);
        cbor_put_int(header, HEADER_KEY_ID);
        cbor_put_bytes(header, key_id->bytes, SHA256_SIZE);
        cbor_put_int(header, HEADER_CORIM_META);
        cbor_put_wrapped(header, &meta);
}

/* RFC 9052, section 4.4: what is signed. */
static int corim_sign_structure(const SigningKey *key, const CborWriter *header,
                                const uint8_t *corim, size_t size,
                                uint8_t ret[static 2 * KEY_NUMBER_MAX])
{
        _cleanup_(cbor_writer_done) CborWriter text = {};
        uint8_t r_number[KEY_NUMBER_MAX], s_number[KEY_NUMBER_MAX];
        size_t n = signing_key_size(key);
        int r;

        cbor_begin_array(&text, 4);
        cbor_put_text(&text, "Signature1");
        cbor_put_bytes(&text, header->buffer.data, header->buffer.size);
        cbor_put_bytes(&text, "", 0);
        cbor_put_bytes(&text, corim, size);
        if (text.failed || header->failed)
                return -ENOMEM;
        r = signing_key_sign(key, text.buffer.data, text.buffer.size, r_number, s_number);
        if (r < 0)
                return r;
        memcpy(ret, r_number, n);
        memcpy(ret + n, s_number, n);
        return 0;
}

int corim_sign(const uint8_t *corim, size_t size, const SigningKey *key, const char *signer,
               uint8_t **ret, size_t *ret_size)
{
        _cleanup_(cbor_writer_done) CborWriter header = {}, whole = {};
        uint8_t signature[2 * KEY_NUMBER_MAX];
        _cleanup_free_ char *id_hex = NULL;
        HashDigest id;
        int r;

        r = signing_key_id(key, &id);
        if (r < 0)
                return r;
        id_hex = hash_hex(&id);
        if (!id_hex)
                return -ENOMEM;
        put_header(&header, key, &id, signer ?: id_hex);
        r = corim_sign_structure(key, &header, corim, size, signature);
        if (r < 0)
                return r;
        cbor_put_tag(&whole, TAG_COSE_SIGN1);
        cbor_begin_array(&whole, 4);
        cbor_put_wrapped(&whole, &header);
        cbor_begin_map(&whole, 0);
        cbor_put_bytes(&whole, corim, size);
        cbor_put_bytes(&whole, signature, 2 * signing_key_size(key));
        return cbor_writer_finish(&whole, ret, ret_size);
}
