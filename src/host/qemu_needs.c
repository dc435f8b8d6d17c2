/* SPDX-License-Identifier: Apache-2.0 */

/* What a template needs of QEMU, compared with what a QEMU has. */

#include <stdio.h>
#include <string.h>

#include "host/qemu_internal.h"

typedef struct Compare {
        const QemuProbe *probe;
        const char *path;
        json_object *providers;
        HostCheckList *missing;
} Compare;

/* what: "object", …; owner: of a property, or NULL; name: what is missing, also for its provider.
 */
static int add_missing(Compare *compare, const char *what, const char *owner, const char *name)
{
        _cleanup_free_ char *found = NULL, *needed = NULL, *fix = NULL, *described = NULL;
        const char *provider = json_member_string(compare->providers, name);

        if (!provider && owner)
                provider = json_member_string(compare->providers, owner);
        described = qemu_probe_describe(compare->probe);
        if (!described || asprintf(&found, "%s at %s, without it", described, compare->path) < 0)
                return -ENOMEM;
        if (asprintf(&needed, "%s %s%s%s", what, owner ?: "", owner ? "." : "", name) < 0)
                return -ENOMEM;
        if (asprintf(&fix, "install %s, and name its binary in cvmd.conf (qemu) where it is not %s",
                     provider ?: "a QEMU that has it", compare->path) < 0)
                return -ENOMEM;
        return host_check_list_add_new(compare->missing, "qemu", found, needed, false, fix);
}

static int check_names(Compare *compare, const char *what, json_object *names,
                       bool (*has)(const QemuProbe *probe, const char *name))
{
        size_t n = names ? json_object_array_length(names) : 0;
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++) {
                const char *name = json_object_get_string(json_object_array_get_idx(names, i));

                if (!has(compare->probe, name))
                        r = add_missing(compare, what, NULL, name);
        }
        return r;
}

static int check_properties(Compare *compare, const char *what, json_object *owners,
                            bool (*has)(const QemuProbe *probe, const char *owner,
                                        const char *property))
{
        int r = 0;

        if (!owners)
                return 0;
        json_object_object_foreach (owners, owner, names) {
                for (size_t i = 0; r == 0 && i < json_object_array_length(names); i++) {
                        const char *name =
                                json_object_get_string(json_object_array_get_idx(names, i));

                        if (!has(compare->probe, owner, name))
                                r = add_missing(compare, what, owner, name);
                }
        }
        return r;
}

/* A property of an object that is not there at all is not said again. */
static bool has_property_if_object(const QemuProbe *probe, const char *object, const char *property)
{
        return !qemu_probe_has_object(probe, object) ||
               qemu_probe_has_property(probe, object, property);
}

int qemu_needs_check(const QemuProbe *probe, const char *path, json_object *needs,
                     HostCheckList *missing)
{
        Compare compare = {probe, path, json_member(needs, "providers"), missing};
        int r;

        if (!needs)
                return 0;
        r = check_names(&compare, "object", json_member(needs, "objects"), qemu_probe_has_object);
        if (r == 0)
                r = check_properties(&compare, "property", json_member(needs, "properties"),
                                     has_property_if_object);
        if (r == 0)
                r = check_names(&compare, "device", json_member(needs, "devices"),
                                qemu_probe_has_device);
        if (r == 0)
                r = check_names(&compare, "CPU model", json_member(needs, "cpus"),
                                qemu_probe_has_cpu);
        if (r == 0)
                r = check_properties(&compare, "machine option", json_member(needs, "machines"),
                                     qemu_probe_has_machine);
        return r;
}

static bool is_list(json_object *list)
{
        if (!json_object_is_type(list, json_type_array))
                return false;
        for (size_t i = 0; i < json_object_array_length(list); i++)
                if (!json_object_is_type(json_object_array_get_idx(list, i), json_type_string))
                        return false;
        return true;
}

static bool is_map(json_object *map, bool of_lists)
{
        if (!json_object_is_type(map, json_type_object))
                return false;
        json_object_object_foreach (map, name, value) {
                (void)name;
                if (of_lists ? !is_list(value) : !json_object_is_type(value, json_type_string))
                        return false;
        }
        return true;
}

const char *qemu_needs_fault(json_object *needs, const char **ret_reason)
{
        static const struct {
                const char *member, *path, *reason;
                bool list, of_lists;
        } known[] = {
                {"objects", "requires.qemu.objects", "must be an array of strings", true, false},
                {"devices", "requires.qemu.devices", "must be an array of strings", true, false},
                {"cpus", "requires.qemu.cpus", "must be an array of strings", true, false},
                {"properties", "requires.qemu.properties", "must be an object of arrays of strings",
                 false, true},
                {"machines", "requires.qemu.machines", "must be an object of arrays of strings",
                 false, true},
                {"providers", "requires.qemu.providers", "must be an object of strings", false,
                 false},
        };

        json_object_object_foreach (needs, name, value) {
                size_t i = 0;

                while (i < ARRAY_SIZE(known) && strcmp(known[i].member, name) != 0)
                        i++;
                if (i == ARRAY_SIZE(known)) {
                        *ret_reason = "has a member that is not known: it may have objects, "
                                      "properties, devices, cpus, machines, providers";
                        return "requires.qemu";
                }
                if (known[i].list ? !is_list(value) : !is_map(value, known[i].of_lists)) {
                        *ret_reason = known[i].reason;
                        return known[i].path;
                }
        }
        return NULL;
}
