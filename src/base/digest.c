/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/text.h"

struct Digester {
        EVP_MD_CTX *sha256, *sha384; /* owned */
};

Digester *digester_free(Digester *digester)
{
        if (!digester)
                return NULL;
        EVP_MD_CTX_free(digester->sha256);
        EVP_MD_CTX_free(digester->sha384);
        free(digester);
        return NULL;
}

Digester *digester_new(void)
{
        Digester *digester = calloc(1, sizeof(*digester));

        if (!digester)
                return NULL;
        digester->sha256 = EVP_MD_CTX_new();
        digester->sha384 = EVP_MD_CTX_new();
        if (!digester->sha256 || !digester->sha384 ||
            EVP_DigestInit_ex(digester->sha256, EVP_sha256(), NULL) != 1 ||
            EVP_DigestInit_ex(digester->sha384, EVP_sha384(), NULL) != 1)
                return digester_free(digester);
        return digester;
}

int digester_update(Digester *digester, const void *data, size_t size)
{
        if (EVP_DigestUpdate(digester->sha256, data, size) != 1 ||
            EVP_DigestUpdate(digester->sha384, data, size) != 1)
                return -EIO;
        return 0;
}

int digester_finish(Digester *digester, DigestPair *ret)
{
        if (EVP_DigestFinal_ex(digester->sha256, ret->sha256, NULL) != 1 ||
            EVP_DigestFinal_ex(digester->sha384, ret->sha384, NULL) != 1)
                return -EIO;
        return 0;
}

int digest_bytes(const void *data, size_t size, DigestPair *ret)
{
        _cleanup_(digester_freep) Digester *digester = digester_new();
        int r;

        if (!digester)
                return -ENOMEM;
        r = digester_update(digester, data, size);
        return r < 0 ? r : digester_finish(digester, ret);
}

int digest_parse_sha256(const char *hex, uint8_t ret[static SHA256_SIZE])
{
        uint8_t out[SHA256_SIZE];

        if (text_unhex(hex, out, sizeof(out)) < 0)
                return -EINVAL;
        memcpy(ret, out, sizeof(out));
        return 0;
}
