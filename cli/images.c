/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/text.h"
#include "reply.h"
#include "session.h"

/* Of all files that a machine boots from, without the debug initramfs. */
static char *images_size(json_object *image, const char *key)
{
        int64_t size = json_member_int(json_member(image, "kernel"), "size", 0) +
                       json_member_int(json_member(image, key), "size", 0);
        _cleanup_json_ json_object *sum = json_object_new_object();

        if (size)
                json_object_object_add(sum, "size", json_object_new_int64(size));
        return output_size(sum, "size");
}

static const TableColumn columns[] = {
        {"NAME", "name", .cut = true, .least = 28},
        {"VERSION", "version"},
        {"SIZE", "initramfs", .text = images_size, .right = true},
        {"MEMORY MIN", "memoryMin", .text = output_size, .right = true},
        {"KERNEL", "release", .rank = 2},
        {"ORIGIN", "origin", .rank = 1},
        {"DIGEST", "digest", .cut = true},
        {"UNUSABLE", "unusable", .cut = true},
        {},
};

ExitStatus verb_images(const Arguments *arguments)
{
        return reply_table(&arguments->cli, MANAGER "ListImages", NULL, "images", columns,
                           arguments_has(arguments, "full"), "No images.");
}
