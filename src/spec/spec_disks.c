/* SPDX-License-Identifier: Apache-2.0 */
/* Data disks. */
#include "spec/spec.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "spec/spec_internal.h"

typedef struct DiskInput {
        char *id, *path, *format, *bus;
        int64_t fd;
        bool read_only;
} DiskInput;

static const JsonField disk_fields[] = {
        {"id", JSON_STRING, offsetof(DiskInput, id)},
        {"path", JSON_STRING, offsetof(DiskInput, path)},
        {"fd", JSON_INT, offsetof(DiskInput, fd), 0, 0, SPEC_FD_MAX},
        {"format", JSON_STRING, offsetof(DiskInput, format)},
        {"bus", JSON_STRING, offsetof(DiskInput, bus)},
        {"readOnly", JSON_BOOL, offsetof(DiskInput, read_only)},
        {},
};

static const char *const format_names[] = {
        [SPEC_DISK_RAW] = "raw",
        [SPEC_DISK_QCOW2] = "qcow2",
};

static const char *const bus_names[] = {
        [SPEC_DISK_SCSI] = "scsi",
        [SPEC_DISK_VIRTIO] = "virtio",
        [SPEC_DISK_SVSM] = "svsm",
};

const char *spec_disk_format_name(SpecDiskFormat format)
{
        return format_names[format];
}

const char *spec_disk_bus_name(SpecDiskBus bus)
{
        return bus_names[bus];
}

static void disk_input_done(DiskInput *input)
{
        free(input->id);
        free(input->path);
        free(input->format);
        free(input->bus);
}

static bool id_is_valid(const char *id)
{
        static const char allowed[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        size_t length = strlen(id);

        return length >= 1 && length <= SPEC_DISK_ID_MAX && strspn(id, allowed) == length;
}

/* The given id, or diskN of the N-th disk. */
static int take_id(DiskInput *input, const CvmSpec *spec, const char *field, CvmError *error)
{
        if (!input->id && !(input->id = text_format("disk%zu", spec->n_disks))) {
                input->id = NULL;
                return -ENOMEM;
        }
        if (!id_is_valid(input->id))
                return fault_add(error, field, "must be 1 to %d letters, digits, '-' and '_'",
                                 SPEC_DISK_ID_MAX);
        for (size_t i = 0; i < spec->n_disks; i++)
                if (strcmp(spec->disks[i].id, input->id) == 0)
                        return fault_add(error, field, "'%s' is already the id of disks[%zu]",
                                         input->id, i);
        return 0;
}

/* The SVSM writes its state, and reads one raw disk. */
static void spec_disks_check_svsm(const SpecDisk *disk, const CvmSpec *spec, const char *prefix,
                                  CvmError *error)
{
        char field[SPEC_FIELD_MAX];

        if (disk->format != SPEC_DISK_RAW)
                fault_add(error, spec_field(field, prefix, "format"),
                          "must be raw on the bus svsm");
        if (disk->read_only)
                fault_add(error, spec_field(field, prefix, "readOnly"),
                          "must be false on the bus svsm: the SVSM keeps its state there");
        if (spec_svsm_disk(spec) != SIZE_MAX)
                fault_add(error, spec_field(field, prefix, "bus"),
                          "disks[%zu] is already on the bus svsm, which accepts one disk",
                          spec_svsm_disk(spec));
}

static int spec_disks_parse_disk(json_object *object, json_object *missing, CvmSpec *spec,
                                 CvmError *error)
{
        _cleanup_(disk_input_done) DiskInput input = {.fd = -1, .read_only = true};
        char prefix[SPEC_FIELD_MAX], field[SPEC_FIELD_MAX];
        SpecDisk disk;
        int format, bus, r;

        spec_field_index(prefix, "disks", spec->n_disks);
        r = spec_dispatch(object, disk_fields, &input, prefix, error);
        if (r >= 0)
                r = take_id(&input, spec, spec_field(field, prefix, "id"), error);
        if (r < 0)
                return r;
        if (!spec_has_source(object) && !spec_is_missing(missing, prefix, "path"))
                fault_add(error, prefix, "must have a path or fd");
        if (input.path)
                spec_check_path(input.path, spec_field(field, prefix, "path"), error);
        format = spec_choose(input.format, format_names, ARRAY_SIZE(format_names), SPEC_DISK_RAW,
                             prefix, "format", "must be raw or qcow2", error);
        bus = spec_choose(input.bus, bus_names, ARRAY_SIZE(bus_names), SPEC_DISK_SCSI, prefix,
                          "bus", "must be scsi, virtio or svsm", error);
        disk = (SpecDisk){
                .fd = input.fd,
                .format = format < 0 ? SPEC_DISK_RAW : (SpecDiskFormat)format,
                .bus = bus < 0 ? SPEC_DISK_SCSI : (SpecDiskBus)bus,
                .read_only = input.read_only,
        };
        if (disk.bus == SPEC_DISK_SVSM) {
                disk.read_only = input.read_only && json_member(object, "readOnly");
                spec_disks_check_svsm(&disk, spec, prefix, error);
        }
        disk.id = TAKE_PTR(input.id);
        if (input.fd < 0) /* else it is only a note */
                disk.path = TAKE_PTR(input.path);
        spec->disks[spec->n_disks++] = disk;
        return 0;
}

int spec_parse_disks(json_object *array, json_object *missing, CvmSpec *spec, CvmError *error)
{
        size_t n = array ? json_object_array_length(array) : 0;

        if (n == 0)
                return 0;
        if (n > SPEC_DISKS_MAX)
                return fault_add(error, "disks", "has %zu entries; at most %d are allowed", n,
                                 SPEC_DISKS_MAX);
        spec->disks = calloc(n, sizeof(*spec->disks));
        if (!spec->disks)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int r = spec_disks_parse_disk(json_object_array_get_idx(array, i), missing, spec,
                                              error);

                if (r < 0)
                        return r;
        }
        return 0;
}
