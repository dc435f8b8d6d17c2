/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/pcrs.h"

#include <stdio.h>

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

static int find_bank(const char *name, size_t *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(banks); i++)
                if (strcmp(banks[i].name, name) == 0) {
                        *ret = i;
                        return 0;
                }
        return -ENOENT;
}

static int set(Pcrs *pcrs, size_t bank, const char *index, const char *hex, CvmError *error)
{
        HashAlgorithm algorithm = banks[bank].algorithm;
        uint8_t bytes[64];
        uint64_t n;

        if (text_parse_uint(index, 0, PCRS - 1, &n) < 0)
                return cvm_error_artifact(error, "report", "bank %s has a PCR '%.16s'",
                                          banks[bank].name, index);
        if (text_unhex(hex, bytes, banks[bank].size) < 0)
                return cvm_error_artifact(error, "report",
                                          "PCR %u of bank %s is not %zu hex digits", (unsigned)n,
                                          banks[bank].name, 2 * banks[bank].size);
        if (algorithm == _HASH_MAX)
                return 0;
        if (pcrs->has[algorithm][n])
                return cvm_error_artifact(error, "report", "bank %s has PCR %u twice",
                                          banks[bank].name, (unsigned)n);
        pcrs->has[algorithm][n] = pcrs->any = true;
        pcrs->values[algorithm][n].algorithm = algorithm;
        memcpy(pcrs->values[algorithm][n].bytes, bytes, banks[bank].size);
        return 0;
}

int pcrs_parse_json(json_object *object, Pcrs *ret, CvmError *error)
{
        Pcrs pcrs = {};

        if (!json_object_is_type(object, json_type_object))
                return cvm_error_artifact(error, "report", "pcrs is no object");
        json_object_object_foreach (object, name, values) {
                size_t bank;

                if (find_bank(name, &bank) < 0)
                        return cvm_error_artifact(error, "report", "pcrs has a bank '%.32s'", name);
                if (!json_object_is_type(values, json_type_object))
                        return cvm_error_artifact(error, "report", "bank %s is no object",
                                                  banks[bank].name);
                json_object_object_foreach (values, index, value) {
                        const char *hex = json_object_is_type(value, json_type_string)
                                                  ? json_object_get_string(value)
                                                  : "";
                        int r = set(&pcrs, bank, index, hex, error);

                        if (r < 0)
                                return r;
                }
        }
        *ret = pcrs;
        return 0;
}

/* "  sha256:" begins a bank, "    0 : 0x…" or "    10: 0x…" is a register of it. */
static int parse_line(char *line, Pcrs *pcrs, size_t *bank, CvmError *error)
{
        char *colon, *value, *end;
        int r;

        line += strspn(line, " ");
        colon = strchr(line, ':');
        if (!*line)
                return 0;
        if (!colon)
                return cvm_error_artifact(error, "report",
                                          "is neither a report, a quote, JSON nor what "
                                          "tpm2_pcrread prints");
        value = colon + 1 + strspn(colon + 1, " ");
        for (end = colon; end > line && end[-1] == ' '; end--)
                ;
        *end = 0;
        if (!*value) {
                r = find_bank(line, bank);
                return r < 0 ? cvm_error_artifact(error, "report", "has a bank '%.32s'", line) : 0;
        }
        if (*bank == ARRAY_SIZE(banks) || strncmp(value, "0x", 2) != 0)
                return cvm_error_artifact(error, "report",
                                          "is neither a report, a quote, JSON nor what "
                                          "tpm2_pcrread prints");
        value += 2;
        value[strcspn(value, " ")] = 0;
        return set(pcrs, *bank, line, value, error);
}

int pcrs_parse_text(Bytes text, Pcrs *ret, CvmError *error)
{
        _cleanup_free_ char *copy = NULL;
        size_t bank = ARRAY_SIZE(banks);
        Pcrs pcrs = {};
        int r = 0;

        if (text.size > PCRS_TEXT_MAX || memchr(text.data, 0, text.size))
                return cvm_error_artifact(error, "report", "is neither a report, a quote nor text");
        copy = strndup((const char *)text.data, text.size);
        if (!copy)
                return -ENOMEM;
        for (char *line = copy, *next; r == 0 && line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = 0;
                line[strcspn(line, "\r")] = 0;
                r = parse_line(line, &pcrs, &bank, error);
        }
        if (r < 0)
                return r;
        *ret = pcrs;
        return 0;
}
