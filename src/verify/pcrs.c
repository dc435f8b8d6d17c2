/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/pcrs.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

static const struct {
        const char *name;
        size_t size; /* of a value, bytes */
        HashAlgorithm algorithm;
} banks[] = {
        {"sha1", 20, _HASH_MAX},
        {"sha256", SHA256_SIZE, HASH_SHA256},
        {"sha384", SHA384_SIZE, HASH_SHA384},
        {"sha512", 64, _HASH_MAX},
        {"sm3_256", 32, _HASH_MAX},
};

#define UNKNOWN_BANK ARRAY_SIZE(banks)
#define NO_BANK (ARRAY_SIZE(banks) + 1)
#define BANK_NAME_MAX 16

static const char neither[] =
        "is text, but not hex or base64 of a report or quote, JSON, or the output of tpm2_pcrread";

/* Adds a name to the list of those that are skipped, once. */
static void pcrs_skip(Pcrs *pcrs, const char *name)
{
        static const char more[] = ", …";
        size_t length = strlen(name), at = strlen(pcrs->skipped);

        for (const char *p = pcrs->skipped; (p = strstr(p, name)); p += length)
                if ((p == pcrs->skipped || p[-1] == ' ') && (p[length] == ',' || !p[length]))
                        return;
        if (at + strlen(", ") + length + sizeof(more) <= sizeof(pcrs->skipped))
                snprintf(pcrs->skipped + at, sizeof(pcrs->skipped) - at, "%s%s", at ? ", " : "",
                         name);
        else if (at < strlen(more) || strcmp(pcrs->skipped + at - strlen(more), more) != 0)
                snprintf(pcrs->skipped + at, sizeof(pcrs->skipped) - at, "%s", more);
}

/* TPMs get new algorithms: a bank that looks like one is skipped. */
static int find_bank(const char *name, Pcrs *pcrs, size_t *ret, CvmError *error)
{
        size_t size = strlen(name);

        for (size_t i = 0; i < ARRAY_SIZE(banks); i++)
                if (strcmp(banks[i].name, name) == 0) {
                        *ret = i;
                        return 0;
                }
        if (size == 0 || size > BANK_NAME_MAX ||
            strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != size)
                return cvm_error_artifact(error, "report", "has a bank '%.32s'", name);
        pcrs_skip(pcrs, name);
        *ret = UNKNOWN_BANK;
        return 0;
}

static int pcrs_set(Pcrs *pcrs, size_t bank, const char *index, const char *hex, CvmError *error)
{
        const char *name = bank == UNKNOWN_BANK ? "of an unknown algorithm" : banks[bank].name;
        HashAlgorithm algorithm = bank == UNKNOWN_BANK ? _HASH_MAX : banks[bank].algorithm;
        size_t size = bank == UNKNOWN_BANK ? strlen(hex) / 2 : banks[bank].size;
        uint8_t bytes[64];
        uint64_t n;

        if (text_parse_uint(index, 0, PCRS - 1, &n) < 0)
                return cvm_error_artifact(error, "report", "bank %s has a PCR '%.16s'", name,
                                          index);
        if (size > sizeof(bytes) || text_unhex(hex, bytes, size) < 0)
                return cvm_error_artifact(error, "report",
                                          "PCR %u of bank %s is not %zu hex digits", (unsigned)n,
                                          name, 2 * (size > sizeof(bytes) ? sizeof(bytes) : size));
        if (algorithm == _HASH_MAX)
                return 0;
        if (pcrs->has[algorithm][n])
                return cvm_error_artifact(error, "report", "bank %s has PCR %u twice", name,
                                          (unsigned)n);
        pcrs->has[algorithm][n] = pcrs->any = true;
        pcrs->values[algorithm][n].algorithm = algorithm;
        memcpy(pcrs->values[algorithm][n].bytes, bytes, size);
        return 0;
}

int pcrs_parse_json(json_object *object, Pcrs *ret, CvmError *error)
{
        Pcrs pcrs = {};

        if (!json_object_is_type(object, json_type_object))
                return cvm_error_artifact(error, "report", "pcrs is not an object");
        json_object_object_foreach (object, name, values) {
                size_t bank;
                int r = find_bank(name, &pcrs, &bank, error);

                if (r < 0)
                        return r;
                if (!json_object_is_type(values, json_type_object))
                        return cvm_error_artifact(error, "report", "bank %s is not an object",
                                                  name);
                json_object_object_foreach (values, index, value) {
                        const char *hex = json_object_is_type(value, json_type_string)
                                                  ? json_object_get_string(value)
                                                  : "";

                        r = pcrs_set(&pcrs, bank, index, hex, error);
                        if (r < 0)
                                return r;
                }
        }
        *ret = pcrs;
        return 0;
}

/* "  sha256:" begins a bank, "    0 : 0x…" or "    10: 0x…" is a register of it. */
static int pcrs_parse_line(char *line, Pcrs *pcrs, size_t *bank, CvmError *error)
{
        char *colon, *value, *end;

        line += strspn(line, " ");
        colon = strchr(line, ':');
        if (!*line)
                return 0;
        if (!colon)
                return cvm_error_artifact(error, "report", "%s", neither);
        value = colon + 1 + strspn(colon + 1, " ");
        for (end = colon; end > line && end[-1] == ' '; end--)
                ;
        *end = 0;
        if (!*value)
                return find_bank(line, pcrs, bank, error);
        if (*bank == NO_BANK || strncmp(value, "0x", 2) != 0)
                return cvm_error_artifact(error, "report", "%s", neither);
        value += 2;
        value[strcspn(value, " ")] = 0;
        return pcrs_set(pcrs, *bank, line, value, error);
}

int pcrs_parse_text(Bytes text, Pcrs *ret, CvmError *error)
{
        _cleanup_free_ char *copy = NULL;
        size_t bank = NO_BANK;
        Pcrs pcrs = {};
        int r = 0;

        if (text.size > PCRS_TEXT_MAX || memchr(text.data, 0, text.size))
                return cvm_error_artifact(error, "report", "%s", neither);
        copy = strndup((const char *)text.data, text.size);
        if (!copy)
                return -ENOMEM;
        for (char *line = copy, *next; r == 0 && line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = 0;
                line[strcspn(line, "\r")] = 0;
                r = pcrs_parse_line(line, &pcrs, &bank, error);
        }
        if (r < 0)
                return r;
        *ret = pcrs;
        return 0;
}
