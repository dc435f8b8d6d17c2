/* SPDX-License-Identifier: Apache-2.0 */

/*
 * mutate-evidence FILE OTHER ROOT EXPECT COUNT SEED: changes parts of one attestation at random, or
 * puts those of another session (OTHER) in their place, and judges each result. Prints JSON: how
 * many were no evidence any more ("refused"), were judged and not verified ("unverified"), were
 * verified with all that a verdict says as before ("same", by part and offset), and "accepted":
 * verified with another key, register or setting. The last must be none.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "verify/attestation_verify.h"
#include "verify/tpm_public.h"

#define FILE_MAX (16u << 20)
#define CHANGED_MAX (1u << 20)
#define AT 1780272000 /* 2026-06-01 */

typedef struct Part {
        const char *name;
        size_t offset; /* of Bytes in an Attestation */
} Part;

#define BYTES(member)                                                                              \
        {                                                                                          \
#member, offsetof(Attestation, member)                                             \
        }

static const Part parts[] = {
        BYTES(report),
        BYTES(report_certificates),
        BYTES(quote),
        BYTES(ccel),
        BYTES(svsm_report),
        BYTES(svsm_certificates),
        BYTES(svsm_manifest),
        BYTES(ek),
        BYTES(ek_certificate),
        BYTES(ak),
        BYTES(event_log),
        BYTES(quotes[0].attest),
        BYTES(quotes[0].signature),
        BYTES(quotes[1].attest),
        BYTES(quotes[1].signature),
};

/* Parts that are no Bytes: of the session, and values of PCRs. */
#define SESSION ARRAY_SIZE(parts)
#define REGISTERS (ARRAY_SIZE(parts) + 1)
#define TARGETS (ARRAY_SIZE(parts) + 2)

typedef struct Bench {
        Attestation one, other;
        Certificates root, none;
        Expectation expectation;
        uint64_t random;
        uint8_t *changed;
        char *claims; /* of the original */
        size_t refused, unverified, same, accepted;
        json_object *same_at;
} Bench;

static uint64_t draw(Bench *bench)
{
        bench->random ^= bench->random << 13;
        bench->random ^= bench->random >> 7;
        bench->random ^= bench->random << 17;
        return bench->random;
}

static Bytes read_file(const char *path)
{
        char *data;
        size_t size;

        if (file_read_at(AT_FDCWD, path, FILE_MAX, &data, &size) < 0)
                abort();
        return (Bytes){(uint8_t *)data, size};
}

/* All that a verdict says, and the keys that it is about. */
static char *claims_of(const Attestation *attestation, const Verification *verification)
{
        _cleanup_json_ json_object *json = verification_to_json(verification);
        _cleanup_free_ char *binding = text_hex(attestation->binding, ATTEST_BINDING_SIZE);
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *ak = NULL, *ek = NULL;
        TpmPublic key;

        if (attestation->has_tpm) {
                ak = text_hex(attestation->ak.data, attestation->ak.size);
                if (tpm_public_parse(attestation->ek, "ek", &key, &error) < 0)
                        abort();
                ek = key.type == TPM_ALG_RSA ? text_hex(key.modulus.data, key.modulus.size)
                                             : text_hex(key.x.data, key.x.size + 2 + key.y.size);
        }
        return text_format("%s %s %s %s", json_text(json), binding, ak ?: "", ek ?: "");
}

/* 0: verified, *ret is what it claims; 1: not verified; -1: no evidence. */
static int judge(const Bench *bench, const Attestation *attestation, char **ret)
{
        const AttestationInputs inputs = {
                .attestation = attestation,
                .expectation = &bench->expectation,
                .binding = TPM_BINDING_CHALLENGE,
                .trust = {.others = &bench->none, .root = bench->root.items[0], .at = AT},
        };
        _cleanup_(verification_done) Verification verification = {};
        _cleanup_(cvm_error_done) CvmError error = {};

        if (attestation_verify(&inputs, &verification, &error) < 0)
                return -1;
        if (findings_verdict(&verification.findings) != VERDICT_VERIFIED)
                return 1;
        *ret = claims_of(attestation, &verification);
        return 0;
}

/* One of: a bit, a byte, a piece of zeros, shorter, longer, a piece twice, the other's. */
static bool change_bytes(Bench *bench, Bytes *bytes, Bytes other, size_t *ret_at)
{
        size_t size = bytes->size, at = size ? draw(bench) % size : 0, n = 1 + draw(bench) % 16;
        unsigned how = draw(bench) % 8;
        uint8_t *to = bench->changed;

        if (!bytes->data || size + n > CHANGED_MAX)
                return false;
        memcpy(to, bytes->data, size);
        *ret_at = at;
        n = n > size - at ? size - at : n;
        if (how < 3) {
                to[at] ^= (uint8_t)(1u << draw(bench) % 8);
        } else if (how == 3) {
                to[at] = (uint8_t)draw(bench);
        } else if (how == 4) {
                memset(to + at, 0, n);
        } else if (how == 5) {
                size = at;
        } else if (how == 6) {
                memmove(to + at + n, bytes->data + at, size - at);
                size += n;
        } else {
                if (!other.data || other.size > CHANGED_MAX)
                        return false;
                size = other.size;
                memcpy(to, other.data, size);
        }
        if (bytes_equal(*bytes, to, size))
                return false;
        *bytes = (Bytes){to, size};
        return true;
}

/* Whether something was changed; *ret_at: where. */
static bool change(Bench *bench, Attestation *attestation, size_t target, size_t *ret_at)
{
        if (target == SESSION) {
                *ret_at = draw(bench) % sizeof(attestation->session);
                ((uint8_t *)&attestation->session)[*ret_at] ^= (uint8_t)(1u << draw(bench) % 8);
                if (draw(bench) % 8 == 0)
                        attestation->session = bench->other.session;
                if (attest_binding(&attestation->session, attestation->binding) < 0 ||
                    attest_binding_qualifier(attestation->binding, attestation->qualifier) < 0)
                        abort();
                return true;
        }
        if (target == REGISTERS) {
                HashAlgorithm bank = draw(bench) % _HASH_MAX;
                unsigned pcr = draw(bench) % PCRS;

                if (!attestation->pcrs.has[bank][pcr])
                        return false;
                *ret_at = pcr;
                attestation->pcrs.values[bank][pcr].bytes[draw(bench) % hash_size(bank)] ^=
                        (uint8_t)(1u << draw(bench) % 8);
                return true;
        }
        return change_bytes(bench, (Bytes *)((char *)attestation + parts[target].offset),
                            *(Bytes *)((char *)&bench->other + parts[target].offset), ret_at);
}

static void note_same(Bench *bench, size_t target, size_t at)
{
        const char *name = target == SESSION     ? "session"
                           : target == REGISTERS ? "pcrs"
                                                 : parts[target].name;
        json_object *list = json_member(bench->same_at, name);

        if (!list) {
                list = json_object_new_array();
                json_object_object_add(bench->same_at, name, list);
        }
        json_object_array_add(list, json_object_new_int64((int64_t)at));
        bench->same++;
}

static bool bench_step(Bench *bench)
{
        Attestation attestation = bench->one;
        size_t target = draw(bench) % TARGETS, at = 0;
        _cleanup_free_ char *claims = NULL;

        if (!change(bench, &attestation, target, &at))
                return false;
        switch (judge(bench, &attestation, &claims)) {
        case -1:
                bench->refused++;
                break;
        case 1:
                bench->unverified++;
                break;
        default:
                if (strcmp(claims, bench->claims) == 0) {
                        note_same(bench, target, at);
                } else {
                        bench->accepted++;
                        fprintf(stderr, "accepted: target %zu at %zu\n", target, at);
                }
        }
        return true;
}

static void bench_load(Bench *bench, char **argv)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        Bytes files[4];
        json_object *json;

        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                files[i] = read_file(argv[1 + i]);
        if (attestation_parse_file(files[0], &bench->one, &error) < 0 ||
            attestation_parse_file(files[1], &bench->other, &error) < 0 ||
            certificates_add(&bench->root, "root", files[2], &error) < 0 ||
            json_parse((const char *)files[3].data, files[3].size, &json, NULL) < 0 ||
            expectation_parse(json, &bench->expectation, &error) < 0)
                abort();
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                free((void *)files[i].data);
        bench->changed = malloc(CHANGED_MAX);
        bench->same_at = json_object_new_object();
        bench->random = strtoull(argv[6], NULL, 10) * 2654435761u + 1;
        if (!bench->changed || judge(bench, &bench->one, &bench->claims) != 0)
                abort();
}

int main(int argc, char **argv)
{
        Bench bench = {};

        if (argc != 7)
                return 2;
        bench_load(&bench, argv);
        for (size_t n = strtoull(argv[5], NULL, 10); n > 0;)
                n -= bench_step(&bench);
        printf("{\"refused\": %zu, \"unverified\": %zu, \"same\": %zu, \"accepted\": %zu, "
               "\"same_at\": %s}\n",
               bench.refused, bench.unverified, bench.same, bench.accepted,
               json_text(bench.same_at));
        return bench.accepted > 0;
}
