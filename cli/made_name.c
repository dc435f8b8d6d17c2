/* SPDX-License-Identifier: Apache-2.0 */
#include "made_name.h"

#include <string.h>

#include "base/text.h"

#define DIGITS 4 /* of the id: with the two words one of 67 million names */

char *made_name(const char *id)
{
        static const char *const kinds[] = {
                "amber",  "bold",  "brisk", "calm",   "clear",  "clever", "cosy",  "early",
                "fair",   "fleet", "fresh", "frosty", "gentle", "glad",   "green", "happy",
                "honest", "jolly", "keen",  "kind",   "light",  "lively", "lucky", "mellow",
                "neat",   "noble", "proud", "quick",  "quiet",  "silver", "sunny", "swift",
        };
        static const char *const animals[] = {
                "badger", "beaver", "bison",  "crane", "deer",  "dolphin", "eagle", "falcon",
                "finch",  "fox",    "gull",   "hare",  "heron", "ibex",    "jay",   "koala",
                "lark",   "lynx",   "marten", "moose", "otter", "owl",     "panda", "puffin",
                "raven",  "robin",  "seal",   "stork", "swan",  "tiger",   "trout", "wren",
        };
        uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

        for (const char *c = id; *c; c++)
                hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
        hash ^= hash >> 32;
        return text_format("%s-%s-%.*s", kinds[hash % ARRAY_SIZE(kinds)],
                           animals[(hash / ARRAY_SIZE(kinds)) % ARRAY_SIZE(animals)], DIGITS, id);
}
