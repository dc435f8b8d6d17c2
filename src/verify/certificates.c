/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/certificates.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/hash_pair.h"
#include "base/text.h"

#define CHAIN_DEPTH_MAX 4
#define DAY_MAX 32 /* "2026-11-30 12:00" */

DEFINE_CLEANUP(BIO *, BIO_free_all)
DEFINE_CLEANUP(X509_STORE *, X509_STORE_free)
DEFINE_CLEANUP(X509_STORE_CTX *, X509_STORE_CTX_free)
DEFINE_CLEANUP(ASN1_OBJECT *, ASN1_OBJECT_free)

void certificates_done(Certificates *certificates)
{
        for (size_t i = 0; i < certificates->n; i++)
                X509_free(certificates->items[i]);
        *certificates = (Certificates){};
}

static int certificates_append(Certificates *certificates, const char *name, X509 *certificate,
                               CvmError *error)
{
        if (certificates->n == CERTIFICATES_MAX) {
                X509_free(certificate);
                return cvm_error_artifact(error, name, "has too many certificates");
        }
        certificates->items[certificates->n++] = certificate;
        return 0;
}

static int add_der(Certificates *certificates, const char *name, const char *forms, Bytes file,
                   CvmError *error)
{
        const unsigned char *at = file.data;
        X509 *certificate = d2i_X509(NULL, &at, (long)file.size);

        ERR_clear_error();
        if (!certificate)
                return cvm_error_artifact(error, name, "contains no certificate (%s)", forms);
        if (at != file.data + file.size) {
                X509_free(certificate);
                return cvm_error_artifact(error, name, "has bytes after the certificate");
        }
        return certificates_append(certificates, name, certificate, error);
}

static int add_pem(Certificates *certificates, const char *name, Bytes file, CvmError *error)
{
        _cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(file.data, (int)file.size);
        bool some = false;

        if (!bio)
                return -ENOMEM;
        for (;;) {
                X509 *certificate = NULL;
                char *block = NULL, *header = NULL;
                const unsigned char *at;
                unsigned char *data = NULL;
                long size;
                int r;

                if (PEM_read_bio(bio, &block, &header, &data, &size) != 1) {
                        unsigned long reason = ERR_peek_last_error();
                        bool end = ERR_GET_LIB(reason) == ERR_LIB_PEM &&
                                   ERR_GET_REASON(reason) == PEM_R_NO_START_LINE;

                        ERR_clear_error();
                        if (!end || !some)
                                return cvm_error_artifact(error, name,
                                                          "contains PEM that cannot be read");
                        return 0;
                }
                at = data;
                if (strcmp(block, PEM_STRING_X509) == 0 && !*header)
                        certificate = d2i_X509(NULL, &at, size);
                if (certificate && at != data + size) {
                        X509_free(certificate);
                        certificate = NULL;
                }
                OPENSSL_free(block);
                OPENSSL_free(header);
                OPENSSL_free(data);
                ERR_clear_error();
                if (!certificate)
                        return cvm_error_artifact(error, name,
                                                  "contains PEM that is not a certificate");
                r = certificates_append(certificates, name, certificate, error);
                if (r < 0)
                        return r;
                some = true;
        }
}

int certificates_add(Certificates *certificates, const char *name, Bytes file, CvmError *error)
{
        while (file.size > 0 && file.data[file.size - 1] == 0 && file.data[0] == '-')
                file.size--;
        if (file.size > CERTIFICATES_FILE_MAX)
                return cvm_error_artifact(error, name, "is larger than %u bytes",
                                          CERTIFICATES_FILE_MAX);
        if (file.size == 0)
                return cvm_error_artifact(error, name, "is empty");
        if (memmem(file.data, file.size, "-----BEGIN", 10))
                return add_pem(certificates, name, file, error);
        return add_der(certificates, name, "PEM or DER", file, error);
}

int certificates_add_der(Certificates *certificates, const char *name, Bytes file, CvmError *error)
{
        if (file.size == 0 || file.size > CERTIFICATES_FILE_MAX)
                return cvm_error_artifact(error, name, "is empty or larger than %u bytes",
                                          CERTIFICATES_FILE_MAX);
        return add_der(certificates, name, "DER", file, error);
}

X509 *certificates_root(const Certificates *certificates)
{
        for (size_t i = 0; i < certificates->n; i++)
                if (X509_self_signed(certificates->items[i], 0) == 1)
                        return certificates->items[i];
        return NULL;
}

static void name_of(const X509_NAME *name, char ret[static CERTIFICATE_NAME_MAX])
{
        int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
        const ASN1_STRING *text =
                at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
        size_t size = text ? (size_t)ASN1_STRING_length(text) : 0;

        if (size == 0) {
                text_copy(ret, CERTIFICATE_NAME_MAX, "(without a name)");
                return;
        }
        if (size >= CERTIFICATE_NAME_MAX)
                size = CERTIFICATE_NAME_MAX - 1;
        for (size_t i = 0; i < size; i++) {
                unsigned char c = ASN1_STRING_get0_data(text)[i];

                ret[i] = c < ' ' || c > '~' ? '?' : (char)c;
        }
        ret[size] = 0;
}

void certificate_name(X509 *certificate, char ret[static CERTIFICATE_NAME_MAX])
{
        name_of(X509_get_subject_name(certificate), ret);
}

static void format_day(const ASN1_TIME *time, char ret[static DAY_MAX])
{
        struct tm tm;

        if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(ret, DAY_MAX, "%F %H:%M", &tm) == 0)
                text_copy(ret, DAY_MAX, "?");
}

/* "SEV-VLEK (certificate 0 of the chain): certificate has expired: valid from … to …, …". */
static int explain(X509_STORE_CTX *context, time_t at, char **ret)
{
        int code = X509_STORE_CTX_get_error(context);
        X509 *certificate = X509_STORE_CTX_get_current_cert(context);
        char name[CERTIFICATE_NAME_MAX] = "the chain", issuer[CERTIFICATE_NAME_MAX] = "";
        char from[DAY_MAX] = "?", until[DAY_MAX] = "?", day[DAY_MAX] = "?";
        struct tm tm;

        if (code == X509_V_ERR_OUT_OF_MEM)
                return -ENOMEM;
        if (certificate) {
                certificate_name(certificate, name);
                name_of(X509_get_issuer_name(certificate), issuer);
                format_day(X509_get0_notBefore(certificate), from);
                format_day(X509_get0_notAfter(certificate), until);
        }
        if (gmtime_r(&at, &tm))
                strftime(day, sizeof(day), "%F %H:%M", &tm);
        if (certificate &&
            (code == X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_NOT_YET_VALID))
                *ret = text_format(
                        "%s (certificate %d of the chain): %s: it is valid from %s to %s, and "
                        "was checked at %s (UTC)",
                        name, X509_STORE_CTX_get_error_depth(context),
                        X509_verify_cert_error_string(code), from, until, day);
        else
                *ret = text_format("%s (certificate %d of the chain): %s%s%s", name,
                                   X509_STORE_CTX_get_error_depth(context),
                                   X509_verify_cert_error_string(code),
                                   certificate ? "; its issuer is " : "", issuer);
        return *ret ? -EKEYREJECTED : -ENOMEM;
}

static int certificates_verify_in(X509_STORE_CTX *context, time_t at, char **ret_reason)
{
        X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);

        X509_VERIFY_PARAM_set_time(parameters, at);
        X509_VERIFY_PARAM_set_depth(parameters, CHAIN_DEPTH_MAX);
        X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_CHECK_SS_SIGNATURE);
        return X509_verify_cert(context) == 1 ? 0 : explain(context, at, ret_reason);
}

int certificates_verify(const Certificates *certificates, X509 *leaf, X509 *root, time_t at,
                        char **ret_reason)
{
        _cleanup_(X509_STORE_freep) X509_STORE *store = X509_STORE_new();
        _cleanup_(X509_STORE_CTX_freep) X509_STORE_CTX *context = X509_STORE_CTX_new();
        STACK_OF(X509) *others = sk_X509_new_null();
        bool right = store && context && others && X509_STORE_add_cert(store, root) == 1;
        int r = -ENOMEM;

        for (size_t i = 0; right && i < certificates->n; i++)
                right = sk_X509_push(others, certificates->items[i]) > 0;
        if (right && X509_STORE_CTX_init(context, store, leaf, others) == 1)
                r = certificates_verify_in(context, at, ret_reason);
        sk_X509_free(others);
        ERR_clear_error();
        return r;
}

const KnownRoot *certificate_known(X509 *root, const KnownRoot *known)
{
        uint8_t *der = NULL;
        int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(root), &der);
        HashPairDigest digest;
        const KnownRoot *found = NULL;

        if (size > 0 && hash_pair_bytes(der, (size_t)size, &digest) == 0)
                for (; !found && known->name; known++)
                        if (memcmp(known->key, digest.sha256, SHA256_SIZE) == 0)
                                found = known;
        OPENSSL_free(der);
        ERR_clear_error();
        return found;
}

bool certificate_is_named(X509 *certificate, const char *name)
{
        X509_NAME *subject = X509_get_subject_name(certificate);
        int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
        const ASN1_STRING *text;

        if (at < 0)
                return false;
        text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
        return (size_t)ASN1_STRING_length(text) == strlen(name) &&
               memcmp(ASN1_STRING_get0_data(text), name, strlen(name)) == 0;
}

Bytes certificate_extension(X509 *certificate, const char *oid)
{
        _cleanup_(ASN1_OBJECT_freep) ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
        const ASN1_OCTET_STRING *value;
        int at = object ? X509_get_ext_by_OBJ(certificate, object, -1) : -1;

        ERR_clear_error();
        if (at < 0)
                return (Bytes){};
        value = X509_EXTENSION_get_data(X509_get_ext(certificate, at));
        return (Bytes){ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)};
}

int certificate_extension_byte(X509 *certificate, const char *oid, uint8_t *ret)
{
        Bytes value = certificate_extension(certificate, oid);
        const unsigned char *at = value.data;
        ASN1_INTEGER *integer;
        int64_t number;
        bool right;

        if (!value.data)
                return -ENOENT;
        integer = d2i_ASN1_INTEGER(NULL, &at, (long)value.size);
        right = integer && at == value.data + value.size &&
                ASN1_INTEGER_get_int64(&number, integer) == 1 && number >= 0 && number <= UINT8_MAX;
        ASN1_INTEGER_free(integer);
        ERR_clear_error();
        if (!right)
                return -EBADMSG;
        *ret = (uint8_t)number;
        return 0;
}
