/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/evidence_text.h"

#include <string.h>

#include "base/text.h"

#define DECODED_MIN 48 /* bytes: less than any header; a short word is base64, too */

static bool evidence_text_is_space(uint8_t byte)
{
        return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

bool evidence_text_is(Bytes bytes)
{
        for (size_t i = 0; i < bytes.size; i++)
                if ((bytes.data[i] < ' ' && !evidence_text_is_space(bytes.data[i])) ||
                    bytes.data[i] == 0x7f)
                        return false;
        return true;
}

size_t evidence_text_begin(Bytes text)
{
        size_t at = 0;

        while (at + 1 < text.size && evidence_text_is_space(text.data[at]))
                at++;
        return at;
}

/* The text without white space, and without the 0x of groups if that is asked for. */
static char *squeeze(Bytes text, bool hex)
{
        char *squeezed = malloc(text.size + 4), *to = squeezed;
        bool begins = true;

        if (!squeezed)
                return NULL;
        for (size_t i = 0; i < text.size; i++) {
                uint8_t byte = text.data[i];

                if (evidence_text_is_space(byte)) {
                        begins = true;
                        continue;
                }
                if (hex && begins && byte == '0' && i + 1 < text.size &&
                    (text.data[i + 1] | 0x20) == 'x')
                        i++;
                else
                        *to++ = (char)byte;
                begins = false;
        }
        *to = 0;
        return squeezed;
}

static int decode_hex(Bytes text, uint8_t **ret, size_t *ret_size)
{
        _cleanup_free_ char *digits = squeeze(text, true);
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t size;

        if (!digits)
                return -ENOMEM;
        size = strlen(digits) / 2;
        bytes = malloc(size + 1);
        if (!bytes)
                return -ENOMEM;
        if (size < DECODED_MIN || text_unhex(digits, bytes, size) < 0)
                return 0;
        *ret = TAKE_PTR(bytes);
        *ret_size = size;
        return 0;
}

static int decode_base64(Bytes text, uint8_t **ret, size_t *ret_size)
{
        _cleanup_free_ char *letters = squeeze(text, false);
        uint8_t *bytes;
        size_t length, size;
        int r;

        if (!letters)
                return -ENOMEM;
        length = strlen(letters);
        for (size_t i = 0; i < length; i++)
                letters[i] = letters[i] == '-' ? '+' : letters[i] == '_' ? '/' : letters[i];
        while (length % 4 != 0 && length % 4 != 1)
                letters[length++] = '=';
        letters[length] = 0;
        r = text_unbase64(letters, &bytes, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return 0;
        if (size < DECODED_MIN) {
                free(bytes);
                return 0;
        }
        *ret = bytes;
        *ret_size = size;
        return 0;
}

int evidence_text_decode(Bytes text, uint8_t **ret, size_t *ret_size, const char **ret_encoding)
{
        int r;

        *ret = NULL;
        r = decode_hex(text, ret, ret_size);
        if (r == 0 && *ret) {
                *ret_encoding = "hex";
                return 0;
        }
        if (r == 0)
                r = decode_base64(text, ret, ret_size);
        if (r == 0 && *ret)
                *ret_encoding = "base64";
        return r;
}
