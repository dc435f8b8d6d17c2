/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/text.h"

struct Hash {
        HashAlgorithm algorithm;
        EVP_MD *method;  /* owned; fetched once, for fetching costs more than a page */
        EVP_MD_CTX *ctx; /* owned */
        bool begun, failed;
};

static const struct {
        const char *name, *method;
        size_t size;
} algorithms[_HASH_MAX] = {
        [HASH_SHA256] = {"sha256", "SHA256", SHA256_SIZE},
        [HASH_SHA384] = {"sha384", "SHA384", SHA384_SIZE},
};

size_t hash_size(HashAlgorithm algorithm)
{
        return algorithms[algorithm].size;
}

const char *hash_name(HashAlgorithm algorithm)
{
        return algorithms[algorithm].name;
}

Hash *hash_free(Hash *hash)
{
        if (!hash)
                return NULL;
        EVP_MD_CTX_free(hash->ctx);
        EVP_MD_free(hash->method);
        free(hash);
        return NULL;
}

Hash *hash_new(HashAlgorithm algorithm)
{
        Hash *hash = calloc(1, sizeof(*hash));

        if (!hash)
                return NULL;
        hash->algorithm = algorithm;
        hash->method = EVP_MD_fetch(NULL, algorithms[algorithm].method, NULL);
        hash->ctx = EVP_MD_CTX_new();
        if (!hash->method || !hash->ctx)
                return hash_free(hash);
        return hash;
}

static void hash_begin(Hash *hash)
{
        if (!hash->begun && EVP_DigestInit_ex2(hash->ctx, hash->method, NULL) != 1)
                hash->failed = true;
        hash->begun = true;
}

void hash_update(Hash *hash, const void *data, size_t size)
{
        hash_begin(hash);
        if (size && !hash->failed && EVP_DigestUpdate(hash->ctx, data, size) != 1)
                hash->failed = true;
}

int hash_finish(Hash *hash, HashDigest *ret)
{
        HashDigest digest = {.algorithm = hash->algorithm};
        bool failed;

        hash_begin(hash);
        failed = hash->failed || EVP_DigestFinal_ex(hash->ctx, digest.bytes, NULL) != 1;
        hash->begun = hash->failed = false;
        if (failed)
                return -EIO;
        *ret = digest;
        return 0;
}

int hash_bytes(HashAlgorithm algorithm, const void *data, size_t size, HashDigest *ret)
{
        _cleanup_(hash_freep) Hash *hash = hash_new(algorithm);

        if (!hash)
                return -ENOMEM;
        hash_update(hash, data, size);
        return hash_finish(hash, ret);
}

HashDigest hash_zero(HashAlgorithm algorithm)
{
        return (HashDigest){.algorithm = algorithm};
}

int hash_extend(HashDigest *target, const HashDigest *digest)
{
        _cleanup_(hash_freep) Hash *hash = hash_new(target->algorithm);
        size_t size = hash_size(target->algorithm);

        if (!hash)
                return -ENOMEM;
        hash_update(hash, target->bytes, size);
        hash_update(hash, digest->bytes, size);
        return hash_finish(hash, target);
}

char *hash_hex(const HashDigest *digest)
{
        return text_hex(digest->bytes, hash_size(digest->algorithm));
}

int hash_parse_hex(HashAlgorithm algorithm, const char *hex, HashDigest *ret)
{
        HashDigest digest = {.algorithm = algorithm};
        int r = text_unhex(hex, digest.bytes, hash_size(algorithm));

        if (r == 0)
                *ret = digest;
        return r;
}

int hash_parse_sha256(const char *hex, uint8_t ret[static SHA256_SIZE])
{
        HashDigest digest;

        if (hash_parse_hex(HASH_SHA256, hex, &digest) < 0)
                return -EINVAL;
        memcpy(ret, digest.bytes, SHA256_SIZE);
        return 0;
}
