/* SPDX-License-Identifier: Apache-2.0 */
#include "host/qemu_message.h"

#include <stdio.h>
#include <string.h>

/* By the number, negated. */
static const char *const igvm_results[] = {
        [1] = "an invalid parameter",
        [2] = "there is no data",
        [3] = "it is not a valid file",
        [4] = "an invalid handle",
        [5] = "it names no platform",
        [6] = "its data section is too large",
        [7] = "its headers are too large",
        [8] = "it is too large",
        [9] = "an invalid platform header",
        [10] = "an invalid initialization header, such as GUEST_POLICY",
        [11] = "an invalid directive header, such as PAGE_DATA or VP_CONTEXT",
        [12] = "two platform headers are for the same type of platform",
        [13] = "a header names a parameter area that does not exist or was inserted before",
        [14] = "an invalid platform type",
        [15] = "no compatibility mask is free",
        [16] = "an invalid fixed header",
        [17] = "an invalid header section: an unknown or misplaced type of header",
        [18] = "the checksum is wrong",
        [19] = "several page table relocation headers",
        [20] = "relocation regions overlap",
        [21] = "a parameter area is inserted into the page table region",
        [22] = "a relocatable region has no matching VP context",
        [23] = "a platform for another architecture",
        [24] = "a header for another architecture",
        [25] = "an unsupported page size",
        [26] = "an unknown architecture in the fixed header",
        [27] = "files of different revisions",
};

/* The last place where the words stand, behind them; NULL: nowhere. */
static const char *find_last(const char *log, const char *words)
{
        const char *found = NULL;

        for (const char *p = log; (p = strstr(p, words)); p += strlen(words))
                found = p + strlen(words);
        return found;
}

/* "… IGVM file /proc/self/fd/3: -11" to the line's end. */
static const char *explain_result(const char *path, char *buffer)
{
        const char *end = path + strcspn(path, "\r\n"), *colon = end;
        const char *what;
        unsigned long number;
        char *rest;

        while (colon > path && *colon != ':')
                colon--;
        if (strncmp(colon, ": -", 3) != 0 || colon[3] < '0' || colon[3] > '9')
                return NULL;
        number = strtoul(colon + 3, &rest, 10);
        if (rest != end)
                return NULL;
        what = number < ARRAY_SIZE(igvm_results) ? igvm_results[number] : NULL;
        snprintf(buffer, QEMU_MESSAGE_MAX,
                 "QEMU cannot read the IGVM file: %s (libigvm's error -%lu); build the file again, "
                 "or with another version of its builder",
                 what ?: "an error unknown to cvmd", number);
        return buffer;
}

static const char *explain_type(const char *type, char *buffer)
{
        unsigned long number = strtoul(type, NULL, 16);

        snprintf(buffer, QEMU_MESSAGE_MAX,
                 "this QEMU does not load headers of type 0x%lx, which the IGVM file has: use a "
                 "QEMU that does, for example COCONUT-SVSM's, or build the file without them",
                 number);
        return buffer;
}

const char *qemu_message_explain(const char *log, char buffer[static QEMU_MESSAGE_MAX])
{
        const char *found;

        if (!log)
                return NULL;
        found = find_last(log, "Unable to parse IGVM file ");
        if (found)
                return explain_result(found, buffer);
        found = find_last(log, "IGVM: Unknown header type encountered when processing file: "
                               "(type 0x");
        if (found)
                return explain_type(found, buffer);
        if (strstr(log, "IGVM file does not describe a compatible supported platform"))
                return "the IGVM file is not for this kind of guest: `cvmctl igvm` shows its "
                       "platforms";
        return NULL;
}
