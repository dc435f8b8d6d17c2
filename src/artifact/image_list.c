/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/image.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define NAMES_MAX 16384u /* entries of all places that are looked at */

typedef struct Found {
        char name[SPEC_NAME_MAX + 1];
        const char *place; /* borrowed */
        unsigned order;    /* of the place: the first wins */
} Found;

typedef struct Names {
        Found *at;
        size_t n, allocated;
} Names;

static void names_done(Names *names)
{
        free(names->at);
}

static int names_add(Names *names, const char *place, unsigned order, const char *name)
{
        if (names->n == names->allocated) {
                size_t allocated = names->allocated ? 2 * names->allocated : 64;
                Found *at = reallocarray(names->at, allocated, sizeof(*at));

                if (!at)
                        return -ENOMEM;
                names->at = at;
                names->allocated = allocated;
        }
        names->at[names->n] = (Found){.place = place, .order = order};
        text_copy(names->at[names->n++].name, SPEC_NAME_MAX + 1, name);
        return 0;
}

/* A place that does not exist, or that the caller may not read, has no images for the caller. */
static DIR *image_list_open(const char *place, const Caller *caller)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_close_ int fd = -1;
        DIR *directory;

        if (access(place, F_OK) < 0 ||
            caller_open(caller, place, CALLER_OPEN_DIRECTORY, false, "image", &fd, &error) < 0)
                return NULL;
        directory = fdopendir(fd);
        if (directory)
                TAKE_FD(fd);
        return directory;
}

static int names_read(Names *names, const char *place, unsigned order, const Caller *caller)
{
        DIR *directory = image_list_open(place, caller);
        struct dirent *entry;
        int r = 0;

        while (directory && r == 0 && names->n < NAMES_MAX && (entry = readdir(directory)))
                if ((entry->d_type == DT_DIR || entry->d_type == DT_LNK ||
                     entry->d_type == DT_UNKNOWN) &&
                    spec_name_is_valid(entry->d_name))
                        r = names_add(names, place, order, entry->d_name);
        if (directory)
                closedir(directory);
        return r;
}

static int found_compare(const void *a, const void *b)
{
        const Found *x = a, *y = b;
        int by_name = strcmp(x->name, y->name);

        return by_name ?: (x->order > y->order) - (x->order < y->order);
}

/* Leaves the first of each name. */
static void names_sort(Names *names)
{
        size_t n = 0;

        if (names->n)
                qsort(names->at, names->n, sizeof(*names->at), found_compare);
        for (size_t i = 0; i < names->n; i++)
                if (n == 0 || strcmp(names->at[n - 1].name, names->at[i].name) != 0)
                        names->at[n++] = names->at[i];
        names->n = n;
}

static json_object *image_file_to_json(const ImageFile *file)
{
        _cleanup_free_ char *hex = file->name ? text_hex(file->sha256, SHA256_SIZE) : NULL;

        if (!hex)
                return NULL;
        return json_build("name", json_new_text(file->name), "size",
                          json_object_new_int64((int64_t)file->size), "sha256", json_new_text(hex),
                          NULL);
}

static json_object *image_to_json(const Image *image, const char *origin)
{
        _cleanup_free_ char *hex = text_hex(image->digest, SHA256_SIZE);

        if (!hex)
                return NULL;
        return json_build("name", json_new_text(image->name), "origin", json_new_text(origin),
                          "digest", json_new_text(hex), "version",
                          *image->version ? json_new_text(image->version) : NULL, "release",
                          *image->release ? json_new_text(image->release) : NULL, "memoryMin",
                          image->memory_min ? json_object_new_int64((int64_t)image->memory_min)
                                            : NULL,
                          "kernel", image_file_to_json(&image->files[IMAGE_KERNEL]), "initramfs",
                          image_file_to_json(&image->files[IMAGE_INITRAMFS]), "debugInitramfs",
                          image_file_to_json(&image->files[IMAGE_INITRAMFS_DEBUG]), NULL);
}

/* Also of one that cannot be used: it hides those of its name in later places. */
static json_object *image_describe(const Found *found, const Caller *caller)
{
        _cleanup_free_ char *directory = text_format("%s/%s", found->place, found->name);
        _cleanup_free_ char *message = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(image_done) Image image = {};

        if (!directory)
                return NULL;
        if (image_open(directory, caller, &image, &error) == 0)
                return image_to_json(&image, directory);
        message = cvm_error_message(&error);
        return json_build("name", json_new_text(found->name), "origin", json_new_text(directory),
                          "unusable", json_new_text(message ?: "out of memory"), NULL);
}

json_object *image_list(const ImagePlaces *places, const Caller *caller, size_t *ret_left_out)
{
        _cleanup_json_ json_object *list = json_object_new_array();
        _cleanup_(names_done) Names names = {};
        unsigned order = 0;
        int r = 0;

        for (size_t i = 0; r == 0 && image_places[i]; i++)
                r = names_read(&names, image_places[i], order++, caller);
        for (size_t i = 0; r == 0 && places->more && places->more[i]; i++)
                r = names_read(&names, places->more[i], order++, caller);
        names_sort(&names);
        for (size_t i = 0; r == 0 && i < names.n && i < IMAGE_LIST_MAX; i++) {
                json_object *image = image_describe(&names.at[i], caller);

                r = image ? json_object_array_add(list, image) : -ENOMEM;
        }
        if (r < 0 || !list)
                return NULL;
        *ret_left_out = names.n > IMAGE_LIST_MAX ? names.n - IMAGE_LIST_MAX : 0;
        return TAKE_PTR(list);
}
