/* SPDX-License-Identifier: Apache-2.0 */
#include "host/qemu_probe.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "host/qemu_internal.h"

QemuProbe *qemu_probe_new(void)
{
        QemuProbe *probe = calloc(1, sizeof(*probe));

        if (!probe)
                return NULL;
        atomic_init(&probe->refs, 1);
        probe->objects = json_object_new_object();
        probe->devices = json_object_new_object();
        probe->cpus = json_object_new_object();
        probe->machines = json_object_new_object();
        probe->cpus_max = json_object_new_object();
        return probe;
}

QemuProbe *qemu_probe_ref(QemuProbe *probe)
{
        atomic_fetch_add(&probe->refs, 1);
        return probe;
}

QemuProbe *qemu_probe_unref(QemuProbe *probe)
{
        if (!probe || atomic_fetch_sub(&probe->refs, 1) > 1)
                return NULL;
        free(probe->version);
        free(probe->package);
        json_object_put(probe->objects);
        json_object_put(probe->devices);
        json_object_put(probe->cpus);
        json_object_put(probe->machines);
        json_object_put(probe->cpus_max);
        free(probe);
        return NULL;
}

bool qemu_name_is_valid(const char *name)
{
        size_t length = strlen(name);

        if (length == 0 || length > QEMU_NAME_MAX)
                return false;
        for (const char *p = name; *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        return false;
        return true;
}

const char *qemu_probe_version(const QemuProbe *probe)
{
        return probe->version;
}

static bool qemu_probe_holds(json_object *set, const char *name)
{
        return json_object_object_get_ex(set, name, NULL);
}

bool qemu_probe_has_object(const QemuProbe *probe, const char *type)
{
        return qemu_probe_holds(probe->objects, type);
}

bool qemu_probe_has_property(const QemuProbe *probe, const char *object, const char *property)
{
        return qemu_probe_holds(json_object_object_get(probe->objects, object), property);
}

bool qemu_probe_has_device(const QemuProbe *probe, const char *driver)
{
        return qemu_probe_holds(probe->devices, driver);
}

bool qemu_probe_has_cpu(const QemuProbe *probe, const char *model)
{
        return qemu_probe_holds(probe->cpus, model);
}

bool qemu_probe_has_machine(const QemuProbe *probe, const char *machine, const char *property)
{
        return qemu_probe_holds(json_object_object_get(probe->machines, machine), property);
}

uint64_t qemu_probe_cpus_max(const QemuProbe *probe, const char *machine)
{
        int64_t most = json_member_int(probe->cpus_max, machine, 0);

        return most > 0 ? (uint64_t)most : 0;
}

QemuFlavour qemu_probe_flavour(const QemuProbe *probe)
{
        if (qemu_probe_has_machine(probe, "q35", "x-svsm-virtio-mmio") ||
            qemu_probe_has_machine(probe, "q35", "device-plane"))
                return QEMU_COCONUT;
        if (qemu_probe_has_machine(probe, "q35", "igvm-file"))
                return QEMU_COCONUT_OLD;
        if (qemu_probe_has_property(probe, "memory-backend-ram", "private"))
                return QEMU_CANONICAL_OLD;
        return QEMU_UPSTREAM;
}

char *qemu_probe_describe(const QemuProbe *probe)
{
        static const char *const flavours[] = {
                [QEMU_UPSTREAM] = "",
                [QEMU_COCONUT] = ", the COCONUT-SVSM fork",
                [QEMU_COCONUT_OLD] = ", an old COCONUT-SVSM fork (igvm-file)",
                [QEMU_CANONICAL_OLD] = ", an old fork with TDX patches (private memory backends)",
        };
        char *text;

        text = text_format("QEMU %s%s%s%s%s", probe->version, *probe->package ? " (" : "",
                           probe->package, *probe->package ? ")" : "",
                           flavours[qemu_probe_flavour(probe)]);
        if (!text)
                return NULL;
        return text;
}

json_object *qemu_probe_to_json(const QemuProbe *probe)
{
        return json_build("version", json_new_text(probe->version), "package",
                          json_new_text(probe->package), "objects", json_object_get(probe->objects),
                          "devices", json_object_get(probe->devices), "cpus",
                          json_object_get(probe->cpus), "machines",
                          json_object_get(probe->machines), "cpusMax",
                          json_object_get(probe->cpus_max), NULL);
}

/* depth 1: an object whose members are null; depth 2: or such objects. */
static bool is_set(json_object *set, unsigned depth)
{
        if (!json_object_is_type(set, json_type_object))
                return false;
        json_object_object_foreach (set, name, value) {
                if (!qemu_name_is_valid(name) || (value && (depth < 2 || !is_set(value, 1))))
                        return false;
        }
        return true;
}

static bool is_numbers(json_object *numbers)
{
        if (!numbers)
                return true;
        if (!json_object_is_type(numbers, json_type_object))
                return false;
        json_object_object_foreach (numbers, name, value) {
                if (!qemu_name_is_valid(name) || !json_object_is_type(value, json_type_int))
                        return false;
        }
        return true;
}

int qemu_probe_parse(json_object *object, QemuProbe **ret)
{
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe = qemu_probe_new();
        const char *version = json_member_string(object, "version");
        const char *package = json_member_string(object, "package");

        if (!probe)
                return -ENOMEM;
        if (!version || !qemu_name_is_valid(version) || !package ||
            (*package && !qemu_name_is_valid(package)) ||
            !is_set(json_member(object, "objects"), 2) ||
            !is_set(json_member(object, "devices"), 1) || !is_set(json_member(object, "cpus"), 1) ||
            !is_set(json_member(object, "machines"), 2) ||
            !is_numbers(json_member(object, "cpusMax")))
                return -EBADMSG;
        probe->version = strdup(version);
        probe->package = strdup(package);
        if (!probe->version || !probe->package)
                return -ENOMEM;
        const struct {
                const char *name;
                json_object **set;
        } sets[] = {{"objects", &probe->objects},
                    {"devices", &probe->devices},
                    {"cpus", &probe->cpus},
                    {"machines", &probe->machines},
                    {"cpusMax", &probe->cpus_max}};
        for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
                json_object_put(*sets[i].set);
                *sets[i].set = json_object_get(json_member(object, sets[i].name));
        }
        *ret = TAKE_PTR(probe);
        return 0;
}
