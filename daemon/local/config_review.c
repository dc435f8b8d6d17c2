/* SPDX-License-Identifier: Apache-2.0 */
#include "local/config_review.h"

#include <grp.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"

static void review_say(OnFinding on_finding, const char *format, ...) _printf_(2, 3);

static void review_say(OnFinding on_finding, const char *format, ...)
{
        char text[1024];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        on_finding(text);
}

/* Each member's value is the path of a program. */
static void review_programs(const char *field, json_object *programs, OnFinding on_finding)
{
        if (!programs)
                return;
        json_object_object_foreach (programs, name, value) {
                const char *path = json_object_get_string(value);
                struct stat st;

                if (stat(path, &st) < 0)
                        review_say(on_finding, "field '%s.%s': %s: %s", field, name, path,
                                   strerror(errno));
                else if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
                        review_say(on_finding, "field '%s.%s': %s is not a program", field, name,
                                   path);
        }
}

/* The default groups are those of an installation: a daemon from a checkout does without them. */
static void review_group(const char *field, const char *name, const char *usual, const char *effect,
                         OnFinding on_finding)
{
        if (strcmp(name, usual) != 0 && !getgrnam(name))
                review_say(on_finding, "field '%s': there is no group '%s': %s", field, name,
                           effect);
}

static void review_interfaces(const char *field, char **names, OnFinding on_finding)
{
        for (size_t i = 0; names[i]; i++)
                if (if_nametoindex(names[i]) == 0)
                        review_say(on_finding, "field '%s[%zu]': there is no interface '%s' now",
                                   field, i, names[i]);
}

static void review_disks(char **paths, OnFinding on_finding)
{
        for (size_t i = 0; paths[i]; i++) {
                struct stat st;

                if (stat(paths[i], &st) < 0)
                        review_say(on_finding, "field 'devices.disks[%zu]': %s: %s", i, paths[i],
                                   strerror(errno));
                else if (!S_ISBLK(st.st_mode))
                        review_say(on_finding,
                                   "field 'devices.disks[%zu]': %s is not a block device", i,
                                   paths[i]);
        }
}

static void review_gpus(char **addresses, OnFinding on_finding)
{
        for (size_t i = 0; addresses[i]; i++) {
                _cleanup_free_ char *path = text_format("/sys/bus/pci/devices/%s", addresses[i]);

                if (path && access(path, F_OK) < 0)
                        review_say(on_finding,
                                   "field 'devices.gpus[%zu]': there is no PCI device %s", i,
                                   addresses[i]);
        }
}

void config_review(const Config *config, OnFinding on_finding)
{
        review_programs("qemu", config->qemu, on_finding);
        review_programs("programs", config->programs, on_finding);
        review_interfaces("network.bridges", config->bridges, on_finding);
        review_interfaces("network.taps", config->taps, on_finding);
        review_disks(config->disks, on_finding);
        review_gpus(config->gpus, on_finding);
        if (geteuid() != 0)
                return;
        review_group("groups.users", config->users_group, CONFIG_USERS_GROUP,
                     "only root can connect", on_finding);
        review_group("groups.admins", config->admins_group, CONFIG_ADMINS_GROUP,
                     "there are no administrators but root", on_finding);
}
