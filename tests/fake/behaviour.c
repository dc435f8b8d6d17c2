/* SPDX-License-Identifier: Apache-2.0 */
#include "fake/fake.h"

#include <string.h>

static const struct {
        const char *name;
        size_t offset;
        enum { SWITCH, NUMBER, TEXT } kind;
} words[] = {
        {"exit", offsetof(Behaviour, exit), NUMBER},
        {"stderr", offsetof(Behaviour, stderr_text), TEXT},
        {"ready-ms", offsetof(Behaviour, ready_ms), NUMBER},
        {"no-ready", offsetof(Behaviour, no_ready), SWITCH},
        {"status", offsetof(Behaviour, status), TEXT},
        {"uptime", offsetof(Behaviour, uptime), TEXT},
        {"notify-garbage", offsetof(Behaviour, notify_garbage), SWITCH},
        {"notify-part", offsetof(Behaviour, notify_part), SWITCH},
        {"notify-lines", offsetof(Behaviour, notify_lines), NUMBER},
        {"no-reason", offsetof(Behaviour, no_reason), SWITCH},
        {"die-ms", offsetof(Behaviour, die_ms), NUMBER},
        {"exit-ms", offsetof(Behaviour, exit_ms), NUMBER},
        {"poweroff-ms", offsetof(Behaviour, poweroff_ms), NUMBER},
        {"reset-ms", offsetof(Behaviour, reset_ms), NUMBER},
        {"panic-ms", offsetof(Behaviour, panic_ms), NUMBER},
        {"panic-says", offsetof(Behaviour, panic_says), TEXT},
        {"internal-error-ms", offsetof(Behaviour, internal_error_ms), NUMBER},
        {"io-error-ms", offsetof(Behaviour, io_error_ms), NUMBER},
        {"starts", offsetof(Behaviour, starts), TEXT},
        {"eat", offsetof(Behaviour, eat), NUMBER},
        {"igvm", offsetof(Behaviour, igvm), NUMBER},
        {"qmp-garbage-ms", offsetof(Behaviour, qmp_garbage_ms), NUMBER},
        {"qmp-garbage-again", offsetof(Behaviour, qmp_garbage_again), SWITCH},
        {"deaf-ms", offsetof(Behaviour, deaf_ms), NUMBER},
        {"ignore-powerdown", offsetof(Behaviour, ignore_powerdown), SWITCH},
        {"ignore-quit", offsetof(Behaviour, ignore_quit), SWITCH},
        {"no-qmp", offsetof(Behaviour, no_qmp), SWITCH},
        {"qmp-garbage", offsetof(Behaviour, qmp_garbage), SWITCH},
        {"qmp-silent", offsetof(Behaviour, qmp_silent), SWITCH},
        {"qmp-flood", offsetof(Behaviour, qmp_flood), SWITCH},
        {"console-bytes", offsetof(Behaviour, console_bytes), NUMBER},
        {"echo", offsetof(Behaviour, echo), SWITCH},
};

static int set_word(const char *name, char *value, Behaviour *behaviour_)
{
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                void *where = (char *)behaviour_ + words[i].offset;
                char *end;

                if (strcmp(words[i].name, name) != 0)
                        continue;
                if ((words[i].kind == SWITCH) != !value)
                        return -EINVAL;
                if (words[i].kind == SWITCH) {
                        *(bool *)where = true;
                } else if (words[i].kind == TEXT) {
                        *(const char **)where = value;
                } else {
                        *(int64_t *)where = strtoll(value, &end, 10);
                        if (end == value || *end || *(int64_t *)where < 0)
                                return -EINVAL;
                }
                return 0;
        }
        return -EINVAL;
}

/* Takes the next word off *text; double quotes keep spaces together, as in the kernel's own command
 * line (Documentation/admin-guide/kernel-parameters.rst), and are left out of the word. */
static char *next_word(const char **text)
{
        const char *p = *text + strspn(*text, " ");
        char *word = must_have(calloc(1, strlen(p) + 1));
        bool quoted = false;
        size_t n = 0;

        for (; *p && (*p != ' ' || quoted); p++)
                if (*p == '"')
                        quoted = !quoted;
                else
                        word[n++] = *p;
        *text = p;
        return word;
}

int behaviour_parse(const char *append, Behaviour *ret)
{
        *ret = (Behaviour){.exit = -1,
                           .die_ms = -1,
                           .exit_ms = -1,
                           .poweroff_ms = -1,
                           .reset_ms = -1,
                           .panic_ms = -1,
                           .internal_error_ms = -1,
                           .io_error_ms = -1,
                           .qmp_garbage_ms = -1};
        while (*append) {
                char *word = next_word(&append), *value;

                if (strncmp(word, "fake.", 5) != 0)
                        continue;
                value = strchr(word, '=');
                if (value)
                        *value++ = 0;
                if (set_word(word + 5, value, ret) < 0)
                        return -EINVAL;
        }
        return 0;
}
