/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash_pair.h"

#include <string.h>

struct HashPair {
        Hash *sha256, *sha384; /* owned */
};

HashPair *hash_pair_free(HashPair *pair)
{
        if (!pair)
                return NULL;
        hash_free(pair->sha256);
        hash_free(pair->sha384);
        free(pair);
        return NULL;
}

HashPair *hash_pair_new(void)
{
        HashPair *pair = calloc(1, sizeof(*pair));

        if (!pair)
                return NULL;
        pair->sha256 = hash_new(HASH_SHA256);
        pair->sha384 = hash_new(HASH_SHA384);
        return pair->sha256 && pair->sha384 ? pair : hash_pair_free(pair);
}

void hash_pair_update(HashPair *pair, const void *data, size_t size)
{
        hash_update(pair->sha256, data, size);
        hash_update(pair->sha384, data, size);
}

int hash_pair_finish(HashPair *pair, HashPairDigest *ret)
{
        HashDigest sha256, sha384;
        int r = hash_finish(pair->sha256, &sha256), s = hash_finish(pair->sha384, &sha384);

        if (r < 0 || s < 0)
                return r ?: s;
        memcpy(ret->sha256, sha256.bytes, sizeof(ret->sha256));
        memcpy(ret->sha384, sha384.bytes, sizeof(ret->sha384));
        return 0;
}

int hash_pair_bytes(const void *data, size_t size, HashPairDigest *ret)
{
        _cleanup_(hash_pair_freep) HashPair *pair = hash_pair_new();

        if (!pair)
                return -ENOMEM;
        hash_pair_update(pair, data, size);
        return hash_pair_finish(pair, ret);
}

HashDigest hash_pair_digest(const HashPairDigest *pair, HashAlgorithm algorithm)
{
        HashDigest digest = {.algorithm = algorithm};

        memcpy(digest.bytes, algorithm == HASH_SHA256 ? pair->sha256 : pair->sha384,
               hash_size(algorithm));
        return digest;
}
