/* SPDX-License-Identifier: Apache-2.0 */
#include "elsewhere.h"

#include <string.h>

#include "base/macros.h"

#define NO_EXEC                                                                                    \
        "the host cannot run programs in a guest, which is protected from it; 'console' connects " \
        "to its serial console, and --publish forwards a port of what it serves"
#define NO_COPY                                                                                    \
        "files cannot be copied into or out of a guest that runs; launch it with --share "         \
        "TAG=DIRECTORY, or --certs DIRECTORY for small files"
#define NO_SSH                                                                                     \
        "there is no SSH server in the guest; 'console' connects to its serial console, and "      \
        "--publish forwards a port of an image that has one"
#define AT_BOOT "'systemctl enable cvm@NAME' starts a CVM with the host; see cvm-unit(8)"

const ElsewhereWord *elsewhere_find(const char *name)
{
        /* What takes nothing away leads to nothing that does. */
        static const ElsewhereWord words[] = {
                {"attach", "console"},
                {"autostart", NULL, AT_BOOT},
                {"copy-from", NULL, NO_COPY},
                {"copy-to", NULL, NO_COPY},
                {"cp", NULL, NO_COPY},
                {"create", "launch"},
                {"delete", "remove"},
                {"destroy", "stop --force"},
                {"dmesg", "logs"},
                {"dominfo", "status"},
                {"domstats", "stats"},
                {"down", "stop"},
                {"dumpxml", "inspect"},
                {"enable", NULL, AT_BOOT},
                {"enter", NULL, NO_EXEC},
                {"exec", NULL, NO_EXEC},
                {"info", "doctor"},
                {"kill", "stop --force"},
                {"login", "console"},
                {"ls", "list"},
                {"monitor", "events"},
                {"poweroff", "stop"},
                {"ps", "list --all"},
                {"reboot", "restart"},
                {"remote", NULL, "cvmctl controls the CVMs of this host only"},
                {"rename", NULL, "a CVM keeps its name until it is removed"},
                {"reset", "restart"},
                {"rm", "remove"},
                {"shell", NULL, NO_EXEC},
                {"show", "status"},
                {"shutdown", "stop"},
                {"ssh", NULL, NO_SSH},
                {"start", "launch"},
                {"suspend", "pause"},
                {"tail", "logs"},
                {"terminate", "stop --force"},
                {"undefine", "remove"},
                {"unpause", "resume"},
                {"up", "launch"},
                {"watch", "events"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strcmp(words[i].name, name) == 0)
                        return &words[i];
        return NULL;
}

const char *elsewhere_option(char letter)
{
        switch (letter) {
        case 'i':
        case 't':
                return "`cvmctl launch NAME` and then `cvmctl console NAME` give you the guest's "
                       "console";
        case 'd':
                return "`cvmctl launch NAME` returns while the CVM runs on";
        default:
                return NULL;
        }
}
