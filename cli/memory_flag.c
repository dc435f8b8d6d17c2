/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_flag.h"

#include <string.h>

#include "base/text.h"
#include "fail.h"

#define BYTES_MEANT_MIN 65536 /* a number below lacks its unit */

ExitStatus memory_flag_parse(const Cli *cli, const char *text, uint64_t *ret)
{
        uint64_t size;

        if (text_parse_size(text, &size) < 0 || size == 0)
                return fail_usage(cli,
                                  "invalid --memory '%s': expected a size such as 512M, 2G or "
                                  "1.5GiB",
                                  text);
        if (size < BYTES_MEANT_MIN && text[strspn(text, "0123456789")] == 0)
                return fail_usage(cli, "--memory %s is a number of bytes; did you mean %sG?", text,
                                  text);
        *ret = size;
        return EXIT_OK;
}
