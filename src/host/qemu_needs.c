/* SPDX-License-Identifier: Apache-2.0 */

/* What a template needs of QEMU, compared with what a QEMU has. */

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "host/qemu_internal.h"
#include "host/qemu_needs.h"

typedef struct Compare {
        const QemuProbe *probe;
        const char *path;
        json_object *providers;
        HostCheckList *missing;
} Compare;

/* what: "object", …; owner: of a property, or NULL; name: what is missing, also for
 * its provider. */
static int add_missing(Compare *compare, const char *what, const char *owner, const char *name)
{
        _cleanup_free_ char *found = NULL, *needed = NULL, *fix = NULL, *described = NULL;
        const char *provider = json_member_string(compare->providers, name);

        if (!provider && owner)
                provider = json_member_string(compare->providers, owner);
        described = qemu_probe_describe(compare->probe);
        if (!described ||
            !(found = text_format("%s at %s, which does not support it", described, compare->path)))
                return -ENOMEM;
        needed = text_format("%s %s%s%s", what, owner ?: "", owner ? "." : "", name);
        if (!needed)
                return -ENOMEM;
        fix = text_format("install %s; if its binary is not %s, set its path in cvmd.conf (qemu)",
                          provider ?: "a QEMU that supports it", compare->path);
        if (!fix)
                return -ENOMEM;
        return host_check_list_add_new(compare->missing, "qemu", found, needed, false, fix);
}

static int qemu_needs_check_names(Compare *compare, const char *what, json_object *names,
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
        r = qemu_needs_check_names(&compare, "object", json_member(needs, "objects"),
                                   qemu_probe_has_object);
        if (r == 0)
                r = check_properties(&compare, "property", json_member(needs, "properties"),
                                     has_property_if_object);
        if (r == 0)
                r = qemu_needs_check_names(&compare, "device", json_member(needs, "devices"),
                                           qemu_probe_has_device);
        if (r == 0)
                r = qemu_needs_check_names(&compare, "CPU model", json_member(needs, "cpus"),
                                           qemu_probe_has_cpu);
        if (r == 0)
                r = check_properties(&compare, "machine option", json_member(needs, "machines"),
                                     qemu_probe_has_machine);
        return r;
}
