/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/image.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"

const char *const image_places[] = {"/etc/cvmd/images", "/var/lib/cvmd/images",
                                    CVMD_IMAGES_DIRECTORY, NULL};

/* The names that each file may have. */
static const char *const role_names[_IMAGE_ROLE_MAX][6] = {
        [IMAGE_KERNEL] = {"bzImage", "vmlinuz", "kernel"},
        [IMAGE_INITRAMFS] = {"initramfs.cpio", "initramfs.cpio.gz", "initramfs.cpio.xz",
                             "initramfs.cpio.zst", "initramfs"},
        [IMAGE_INITRAMFS_DEBUG] = {"initramfs-debug.cpio", "initramfs-debug.cpio.gz",
                                   "initramfs-debug.cpio.xz", "initramfs-debug.cpio.zst",
                                   "initramfs-debug"},
};

void image_done(Image *image)
{
        free(image->name);
        free(image->directory);
        *image = (Image){};
}

static int image_refuse(char **ret_reason, const char *format, ...) _printf_(2, 3);

static int image_refuse(char **ret_reason, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        *ret_reason = text_format_v(format, ap);
        va_end(ap);
        return *ret_reason ? -EBADMSG : -ENOMEM;
}

/* A version, as it may be shown: printable ASCII. */
static int image_parse_text(json_object *manifest, const char *key, char ret[IMAGE_TEXT_MAX + 1],
                            char **ret_reason)
{
        json_object *value = json_member(manifest, key);
        const char *text = json_member_string(manifest, key);
        size_t length = text ? strlen(text) : 0;

        if (!value)
                return 0;
        for (size_t i = 0; i < length && text; i++)
                if (text[i] < 0x20 || text[i] > 0x7e)
                        text = NULL;
        if (!text || length == 0 || length > IMAGE_TEXT_MAX ||
            (size_t)json_object_get_string_len(value) != length)
                return image_refuse(ret_reason,
                                    "its '%s' must be 1 to %d characters of printable ASCII", key,
                                    IMAGE_TEXT_MAX);
        text_copy(ret, IMAGE_TEXT_MAX + 1, text);
        return 0;
}

static int image_parse_memory(json_object *manifest, uint64_t *ret, char **ret_reason)
{
        json_object *value = json_member(manifest, "memoryMin");

        if (!value)
                return 0;
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
                return image_refuse(ret_reason, "its 'memoryMin' must be a number of bytes");
        *ret = json_object_get_uint64(value);
        return 0;
}

static int image_parse_file(const char *name, json_object *object, ImageFile *ret,
                            char **ret_reason)
{
        const char *hex = json_member_string(object, "sha256");
        json_object *size = json_member(object, "size");

        if (ret->name)
                return image_refuse(ret_reason, "it names both %s and %s", ret->name, name);
        if (!json_object_is_type(size, json_type_int) || json_object_get_int64(size) < 0 || !hex ||
            hash_parse_sha256(hex, ret->sha256) < 0)
                return image_refuse(ret_reason, "'files.%s' must have a size and a sha256", name);
        ret->size = json_object_get_uint64(size);
        ret->name = name;
        return 0;
}

static int image_parse_files(json_object *files, Image *image, char **ret_reason)
{
        for (ImageRole role = 0; role < _IMAGE_ROLE_MAX; role++) {
                for (const char *const *name = role_names[role]; *name; name++) {
                        json_object *object = json_member(files, *name);
                        int r = object ? image_parse_file(*name, object, &image->files[role],
                                                          ret_reason)
                                       : 0;

                        if (r < 0)
                                return r;
                }
                if (!image->files[role].name && role != IMAGE_INITRAMFS_DEBUG)
                        return image_refuse(ret_reason, "its 'files' must name %s (%s)",
                                            role == IMAGE_KERNEL ? "a kernel" : "an initramfs",
                                            role_names[role][0]);
        }
        return 0;
}

int image_parse(const char *data, size_t size, Image *ret, char **ret_reason)
{
        _cleanup_json_ json_object *manifest = NULL;
        json_object *files;
        JsonParseError where;
        HashDigest digest;
        Image image = {};
        int r = hash_bytes(HASH_SHA256, data, size, &digest);

        if (r == 0)
                r = json_parse(data, size, &manifest, &where);
        if (r == -EBADMSG)
                return image_refuse(ret_reason, "line %u, column %u is not valid JSON: %s",
                                    where.line, where.column, where.reason);
        if (r < 0)
                return r;
        files = json_member(manifest, "files");
        if (!json_object_is_type(manifest, json_type_object) ||
            !json_object_is_type(files, json_type_object))
                return image_refuse(ret_reason, "it must be an object with 'files'");
        memcpy(image.digest, digest.bytes, SHA256_SIZE);
        r = image_parse_text(manifest, "version", image.version, ret_reason);
        if (r == 0)
                r = image_parse_text(manifest, "kernel", image.release, ret_reason);
        if (r == 0)
                r = image_parse_memory(manifest, &image.memory_min, ret_reason);
        if (r == 0)
                r = image_parse_files(files, &image, ret_reason);
        if (r == 0)
                *ret = image;
        return r;
}

const ImageFile *image_file(const Image *image, SpecArtifactKind kind, bool debug)
{
        static const ImageFile none;

        if (kind == ARTIFACT_KERNEL)
                return &image->files[IMAGE_KERNEL];
        if (kind == ARTIFACT_INITRAMFS)
                return &image->files[debug ? IMAGE_INITRAMFS_DEBUG : IMAGE_INITRAMFS];
        return &none;
}

char *image_path(const Image *image, const ImageFile *file)
{
        return text_format("%s/%s", image->directory, file->name);
}

int image_check(const Image *image, uint64_t memory, bool debug, CvmError *error)
{
        char least[24], given[24];

        if (debug && !image->files[IMAGE_INITRAMFS_DEBUG].name)
                return cvm_error_invalid_spec(error, "debug",
                                              "image '%s' has no debug initramfs: omit debug",
                                              image->name);
        if (memory >= image->memory_min)
                return 0;
        return cvm_error_invalid_spec(error, "memory",
                                      "image '%s' requires at least %s, and the CVM would have %s",
                                      image->name, text_format_size(image->memory_min, least),
                                      text_format_size(memory, given));
}

char *image_reference(const Image *image)
{
        _cleanup_free_ char *hex = text_hex(image->digest, SHA256_SIZE);

        return hex ? text_format("%s@sha256:%s", image->name, hex) : NULL;
}
