/* SPDX-License-Identifier: Apache-2.0 */
/* The files that the guest sees: certificates and shared directories. */
#include "spec/spec.h"

#include <limits.h>
#include <string.h>

#include "base/text.h"
#include "spec/spec_internal.h"

#define TAG_MAX 31 /* virtio-9p's mount_tag in QEMU: 32 bytes with its NUL */

typedef struct CertInput {
        char *text, *base64, *path;
        int64_t fd;
} CertInput;

static const JsonField cert_fields[] = {
        {"text", JSON_STRING, offsetof(CertInput, text)},
        {"base64", JSON_STRING, offsetof(CertInput, base64)},
        {"path", JSON_STRING, offsetof(CertInput, path)},
        {"fd", JSON_INT, offsetof(CertInput, fd), 0, 0, SPEC_FD_MAX},
        {},
};

typedef struct ShareInput {
        char *tag, *path;
        int64_t fd;
        bool read_only;
} ShareInput;

static const JsonField share_fields[] = {
        {"tag", JSON_STRING, offsetof(ShareInput, tag), JSON_REQUIRED},
        {"path", JSON_STRING, offsetof(ShareInput, path)},
        {"fd", JSON_INT, offsetof(ShareInput, fd), 0, 0, SPEC_FD_MAX},
        {"readOnly", JSON_BOOL, offsetof(ShareInput, read_only)},
        {},
};

static void clear_text(char *text)
{
        if (text)
                explicit_bzero(text, strlen(text));
        free(text);
}

static void cert_input_done(CertInput *input)
{
        clear_text(input->text);
        clear_text(input->base64);
        free(input->path);
}

static bool cert_name_is_valid(const char *name)
{
        size_t length = strlen(name);

        for (size_t i = 0; i < length; i++)
                if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '/')
                        return false;
        return length >= 1 && length <= NAME_MAX && strcmp(name, ".") != 0 &&
               strcmp(name, "..") != 0 && text_is_utf8(name, length);
}

/* Gives the certificate its content from the one source that is set. */
static int take_source(CertInput *input, const char *prefix, SpecCert *cert, CvmError *error)
{
        char field[SPEC_FIELD_MAX];
        int r;

        cert->fd = input->fd;
        if (input->path) {
                spec_check_path(input->path, spec_field(field, prefix, "path"), error);
                cert->path = TAKE_PTR(input->path);
        } else if (input->text) {
                cert->size = strlen(input->text);
                cert->data = (uint8_t *)TAKE_PTR(input->text);
        } else if (input->base64) {
                r = text_unbase64(input->base64, &cert->data, &cert->size);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        return fault_add(error, spec_field(field, prefix, "base64"),
                                         "is not base64 with padding and without line breaks, as "
                                         "`base64 -w0` writes it");
        }
        if (cert->size > SPEC_CERT_BYTES_MAX)
                fault_add(error, prefix, "is %zu bytes; at most %u are allowed", cert->size,
                          SPEC_CERT_BYTES_MAX);
        return 0;
}

/* The number of sources that the object has, whatever may be wrong with them. */
static size_t count_sources(json_object *object)
{
        size_t n = 0;

        for (const JsonField *field = cert_fields; field->name; field++)
                n += json_member(object, field->name) != NULL;
        return n;
}

/* cert has its name. */
static int parse_cert(const char *name, json_object *object, json_object *missing, SpecCert *cert,
                      CvmError *error)
{
        _cleanup_(cert_input_done) CertInput input = {.fd = -1};
        char prefix[SPEC_FIELD_MAX];
        size_t n_sources;
        int r;

        spec_field(prefix, "certs", name);
        if (!cert_name_is_valid(name))
                fault_add(error, prefix,
                          "a file name must be 1 to %d bytes without '/' and control characters, "
                          "and not '.' or '..'",
                          NAME_MAX);
        r = spec_dispatch(object, cert_fields, &input, prefix, error);
        if (r < 0 || !json_object_is_type(object, json_type_object))
                return r;
        n_sources = count_sources(object);
        if (n_sources == 0 && spec_is_missing(missing, prefix, ""))
                return 0;
        if (n_sources != 1)
                return fault_add(error, prefix,
                                 "must have exactly one of text, base64, path and fd");
        return take_source(&input, prefix, cert, error);
}

static int spec_files_compare(const void *a, const void *b)
{
        return strcmp(((const SpecCert *)a)->name, ((const SpecCert *)b)->name);
}

int spec_parse_certs(json_object *object, json_object *missing, CvmSpec *spec, CvmError *error)
{
        size_t n = object ? (size_t)json_object_object_length(object) : 0;

        if (n == 0)
                return 0;
        if (n > SPEC_CERTS_MAX)
                return fault_add(error, "certs", "has %zu files; at most %d are allowed", n,
                                 SPEC_CERTS_MAX);
        spec->certs = calloc(n, sizeof(*spec->certs));
        if (!spec->certs)
                return -ENOMEM;

        json_object_object_foreach (object, name, source) {
                SpecCert *cert = &spec->certs[spec->n_certs++];
                int r;

                *cert = (SpecCert){.name = strdup(name), .fd = -1};
                r = cert->name ? parse_cert(name, source, missing, cert, error) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        qsort(spec->certs, spec->n_certs, sizeof(*spec->certs), spec_files_compare);
        return 0;
}

static bool tag_is_valid(const char *tag)
{
        static const char allowed[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        size_t length = strlen(tag);

        return length >= 1 && length <= TAG_MAX && strspn(tag, allowed) == length;
}

static void check_tag(const char *tag, const CvmSpec *spec, const char *field, CvmError *error)
{
        if (!tag_is_valid(tag))
                fault_add(error, field, "must be 1 to %d letters, digits, '-' and '_'", TAG_MAX);
        else if (strcmp(tag, "env_share") == 0 || strcmp(tag, "certs_share") == 0)
                fault_add(error, field,
                          "'%s' is reserved: every CVM has this share, filled from %s", tag,
                          tag[0] == 'e' ? "env" : "certs");
        for (size_t i = 0; i < spec->n_shares; i++)
                if (spec->shares[i].tag && strcmp(spec->shares[i].tag, tag) == 0) {
                        fault_add(error, field, "'%s' is already the tag of shares[%zu]", tag, i);
                        break;
                }
}

static int parse_share(json_object *object, json_object *missing, CvmSpec *spec, CvmError *error)
{
        ShareInput input = {.fd = -1, .read_only = true};
        _cleanup_free_ char *tag = NULL, *path = NULL;
        char prefix[SPEC_FIELD_MAX], field[SPEC_FIELD_MAX];
        int r;

        spec_field_index(prefix, "shares", spec->n_shares);
        r = spec_dispatch(object, share_fields, &input, prefix, error);
        tag = input.tag;
        path = input.path;
        if (r < 0)
                return r;
        if (tag)
                check_tag(tag, spec, spec_field(field, prefix, "tag"), error);
        if (!spec_has_source(object) && !spec_is_missing(missing, prefix, "path"))
                fault_add(error, prefix, "must have a path or fd");
        if (path)
                spec_check_path(path, spec_field(field, prefix, "path"), error);

        spec->shares[spec->n_shares++] = (SpecShare){
                .tag = TAKE_PTR(tag),
                .path = input.fd < 0 ? TAKE_PTR(path) : NULL, /* else it is only a note */
                .fd = input.fd,
                .read_only = input.read_only,
        };
        return 0;
}

int spec_parse_shares(json_object *array, json_object *missing, CvmSpec *spec, CvmError *error)
{
        size_t n = array ? json_object_array_length(array) : 0;

        if (n == 0)
                return 0;
        if (n > SPEC_SHARES_MAX)
                return fault_add(error, "shares", "has %zu entries; at most %d are allowed", n,
                                 SPEC_SHARES_MAX);
        spec->shares = calloc(n, sizeof(*spec->shares));
        if (!spec->shares)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int r = parse_share(json_object_array_get_idx(array, i), missing, spec, error);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Notes that `prefix` uses the descriptor; `users` holds the first user of each index. */
static void claim(char users[][SPEC_FIELD_MAX], int64_t fd, const char *prefix, CvmError *error)
{
        char field[SPEC_FIELD_MAX];

        if (fd < 0)
                return;
        if (users[fd][0])
                fault_add(error, spec_field(field, prefix, "fd"),
                          "descriptor %d is already used by %s", (int)fd, users[fd]);
        else
                spec_field(users[fd], "", prefix);
}

void spec_check_descriptors(const CvmSpec *spec, CvmError *error)
{
        char users[SPEC_FD_MAX + 1][SPEC_FIELD_MAX] = {}, prefix[SPEC_FIELD_MAX];

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                claim(users, spec->artifacts[kind].fd, spec_artifact_kind_name(kind), error);
        for (size_t i = 0; i < spec->n_certs; i++)
                claim(users, spec->certs[i].fd, spec_field(prefix, "certs", spec->certs[i].name),
                      error);
        for (size_t i = 0; i < spec->n_shares; i++)
                claim(users, spec->shares[i].fd, spec_field_index(prefix, "shares", i), error);
        for (size_t i = 0; i < spec->n_disks; i++)
                claim(users, spec->disks[i].fd, spec_field_index(prefix, "disks", i), error);
}
