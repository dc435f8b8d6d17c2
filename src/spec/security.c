/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/spec.h"

#include <string.h>

#include "base/suggest.h"
#include "base/text.h"
#include "spec/spec_internal.h"

#define TEXT_MAX 8192u /* more than idAuth takes in base64 */

/* Sizes: QEMU's qapi/qom.json (SevSnpGuestProperties, TdxGuestProperties), which has them from the
 * SEV-SNP firmware ABI (SNP_LAUNCH_START, SNP_LAUNCH_FINISH) and the TDX module's TD_PARAMS. */
const SpecSecurityKey spec_security_keys[] = {
        {"policy", SPEC_SECURITY_NUMBER},
        {"hostData", SPEC_SECURITY_BYTES, 32},
        {"idBlock", SPEC_SECURITY_BYTES, 96},
        {"idAuth", SPEC_SECURITY_BYTES, 4096},
        {"authorKeyEnabled", SPEC_SECURITY_BOOL},
        {"vcekDisabled", SPEC_SECURITY_BOOL},
        {"guestVisibleWorkarounds", SPEC_SECURITY_BYTES, 16},
        {"mrConfigId", SPEC_SECURITY_BYTES, 48},
        {"mrOwner", SPEC_SECURITY_BYTES, 48},
        {"mrOwnerConfig", SPEC_SECURITY_BYTES, 48},
        {"attributes", SPEC_SECURITY_NUMBER},
        {},
};

static const SpecSecurityKey *spec_security_find_key(const char *name)
{
        for (const SpecSecurityKey *key = spec_security_keys; key->name; key++)
                if (strcmp(key->name, name) == 0)
                        return key;
        return NULL;
}

int spec_security_parse_number(const char *text, uint64_t *ret)
{
        size_t digits;
        uint64_t value = 0;

        if (strncmp(text, "0x", 2) != 0)
                return text_parse_uint(text, 0, UINT64_MAX, ret);
        text += 2;
        digits = strspn(text, "0123456789abcdefABCDEF");
        if (digits == 0 || text[digits])
                return -EINVAL;
        if (digits > 16)
                return -ERANGE;
        for (; *text; text++)
                value = value << 4 |
                        (uint64_t)(*text <= '9' ? *text - '0' : (*text | 0x20) - 'a' + 10);
        *ret = value;
        return 0;
}

static int parse_number(const char *field, SpecSecurity *entry, CvmError *error)
{
        if (spec_security_parse_number(entry->text, &entry->number) < 0)
                fault_add(error, field,
                          "must be a number of at most 64 bits, decimal or hexadecimal with 0x, as "
                          "a string");
        return 0;
}

static int parse_bool(const char *field, SpecSecurity *entry, CvmError *error)
{
        entry->number = strcmp(entry->text, "true") == 0;
        if (!entry->number && strcmp(entry->text, "false") != 0)
                fault_add(error, field, "must be \"true\" or \"false\"");
        return 0;
}

static int spec_security_parse_bytes(const char *field, const SpecSecurity *entry, CvmError *error)
{
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t size;
        int r = text_unbase64(entry->text, &bytes, &size);

        if (r == -ENOMEM)
                return r;
        if (r < 0)
                fault_add(error, field, "is not base64 (with padding, without line breaks)");
        else if (size != entry->key->size)
                fault_add(error, field, "must be base64 of exactly %zu bytes, but is base64 of %zu",
                          entry->key->size, size);
        return 0;
}

static int spec_security_refuse_unknown(const char *field, const char *name, CvmError *error)
{
        Suggestion best = suggest_begin(name);

        for (const SpecSecurityKey *key = spec_security_keys; key->name; key++)
                suggest_candidate(&best, key->name);
        return fault_add_near(error, field, best.found, "unknown field; see cvm-spec(5)");
}

/* Adds a field that is known to spec->security, which has room for it. */
static int spec_security_parse_entry(const char *name, const char *text, CvmSpec *spec,
                                     CvmError *error)
{
        SpecSecurity *entry = &spec->security[spec->n_security];
        char field[SPEC_FIELD_MAX];

        spec_field(field, "launchSecurity", name);
        entry->key = spec_security_find_key(name);
        if (!entry->key)
                return spec_security_refuse_unknown(field, name, error);
        spec->n_security++;
        if (strlen(text) > TEXT_MAX)
                return fault_add(error, field, "is longer than %u bytes", TEXT_MAX);
        entry->text = strdup(text);
        if (!entry->text)
                return -ENOMEM;
        switch (entry->key->kind) {
        case SPEC_SECURITY_NUMBER:
                return parse_number(field, entry, error);
        case SPEC_SECURITY_BOOL:
                return parse_bool(field, entry, error);
        default:
                return spec_security_parse_bytes(field, entry, error);
        }
}

const SpecSecurity *spec_security_find(const CvmSpec *spec, const char *name)
{
        for (size_t i = 0; i < spec->n_security; i++)
                if (strcmp(spec->security[i].key->name, name) == 0)
                        return &spec->security[i];
        return NULL;
}

/* An ID block is only taken with its signatures, and an author's key only signs one (SEV-SNP
 * firmware ABI, SNP_LAUNCH_FINISH: ID_BLOCK_EN, AUTH_KEY_EN). */
static void check_together(const CvmSpec *spec, CvmError *error)
{
        const SpecSecurity *block = spec_security_find(spec, "idBlock");
        const SpecSecurity *auth = spec_security_find(spec, "idAuth");
        const SpecSecurity *author = spec_security_find(spec, "authorKeyEnabled");

        if (block && !auth)
                fault_add(error, "launchSecurity.idAuth",
                          "is missing: idBlock and idAuth go together");
        if (auth && !block)
                fault_add(error, "launchSecurity.idBlock",
                          "is missing: idBlock and idAuth go together");
        else if (author && author->number && !block)
                fault_add(error, "launchSecurity.authorKeyEnabled", "requires idBlock and idAuth");
}

int spec_parse_security(json_object *object, CvmSpec *spec, CvmError *error)
{
        size_t n = object ? (size_t)json_object_object_length(object) : 0;

        if (n == 0)
                return 0;
        if (n > SPEC_SECURITY_MAX)
                return fault_add(error, "launchSecurity",
                                 "has %zu fields, which is more than exist", n);
        spec->security = calloc(n, sizeof(*spec->security));
        if (!spec->security)
                return -ENOMEM;
        json_object_object_foreach (object, name, value) {
                int r = spec_security_parse_entry(name, json_object_get_string(value), spec, error);

                if (r < 0)
                        return r;
        }
        check_together(spec, error);
        return 0;
}
