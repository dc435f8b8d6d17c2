/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/image.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/text.h"

/* With the rights of this process: of a user's own program. */
static int image_open_plain(const char *path, int *ret, CvmError *error)
{
        _cleanup_close_ int fd =
                open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return cvm_error_invalid_spec(error, "image", "'%s' cannot be read: %s", path,
                                              strerror(errno));
        if (!S_ISREG(st.st_mode))
                return cvm_error_invalid_spec(error, "image", "'%s' is not a regular file", path);
        *ret = TAKE_FD(fd);
        return 0;
}

static int image_read_manifest(const char *path, const Caller *caller, char **ret, size_t *ret_size,
                               CvmError *error)
{
        const CallerContent content = {.max = IMAGE_MANIFEST_MAX, .no_links = true};
        _cleanup_close_ int fd = -1;
        bool copied;
        int r = caller ? caller_read(caller, path, &content, "image", &fd, &copied, error)
                       : image_open_plain(path, &fd, error);

        if (r < 0)
                return r;
        r = fd_read_all(fd, IMAGE_MANIFEST_MAX, ret, ret_size);
        if (r == -EFBIG)
                return cvm_error_invalid_spec(error, "image", "'%s' is longer than %u bytes", path,
                                              IMAGE_MANIFEST_MAX);
        if (r == -ENOMEM)
                return cvm_error_system(error, r, "read a manifest");
        return r < 0 ? cvm_error_invalid_spec(error, "image", "'%s' cannot be read: %s", path,
                                              strerror(-r))
                     : 0;
}

int image_open(const char *directory, const Caller *caller, Image *ret, CvmError *error)
{
        _cleanup_free_ char *resolved = realpath(directory, NULL), *path = NULL, *data = NULL;
        _cleanup_free_ char *reason = NULL;
        _cleanup_(image_done) Image image = {};
        const char *slash = strrchr(directory, '/');
        size_t size;
        int r;

        if (!resolved)
                return cvm_error_invalid_spec(error, "image", "'%s' cannot be opened: %s",
                                              directory, strerror(errno));
        path = text_format("%s/" IMAGE_MANIFEST, resolved);
        if (!path)
                return cvm_error_system(error, -ENOMEM, "read an image");
        r = image_read_manifest(path, caller, &data, &size, error);
        if (r < 0)
                return r;
        r = image_parse(data, size, &image, &reason);
        if (r == -EBADMSG)
                return cvm_error_invalid_spec(error, "image", "'%s' is not a manifest: %s", path,
                                              reason);
        if (r == 0) {
                image.directory = TAKE_PTR(resolved);
                image.name = strdup(slash ? slash + 1 : directory);
        }
        if (r < 0 || !image.name)
                return cvm_error_system(error, r < 0 ? r : -ENOMEM, "read an image");
        *ret = TAKE_STRUCT(image);
        return 0;
}

static int image_refuse_absent(const ImagePlaces *places, const char *name, CvmError *error)
{
        _cleanup_(buffer_done) Buffer text = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && image_places[i]; i++)
                r = buffer_appendf(&text, "%s%s", i ? ", " : "", image_places[i]);
        for (size_t i = 0; r >= 0 && places->more && places->more[i]; i++)
                r = buffer_appendf(&text, ", %s", places->more[i]);
        if (r < 0)
                return cvm_error_system(error, r, "find an image");
        return cvm_error_invalid_spec(
                error, "image", "there is no image '%s' in %s; `cvmctl images` lists the images",
                name, text.data);
}

/* Whether the place has the name; then *ret is the directory, newly allocated. A place that this
 * process may not enter has no images for it, as in a list. */
static int image_find_at(const char *place, const char *name, char **ret, CvmError *error)
{
        _cleanup_free_ char *path = text_format("%s/%s", place, name);
        struct stat st;

        if (!path)
                return cvm_error_system(error, -ENOMEM, "find an image");
        if (lstat(path, &st) == 0) {
                *ret = TAKE_PTR(path);
                return 1;
        }
        if (errno == ENOENT || errno == ENOTDIR || errno == EACCES)
                return 0;
        return cvm_error_invalid_spec(error, "image", "'%s' cannot be looked at: %s", path,
                                      strerror(errno));
}

static int image_check_digest(const Image *image, const SpecImage *wanted, CvmError *error)
{
        _cleanup_free_ char *found = NULL, *hex = NULL;

        if (!wanted->has_sha256 || memcmp(image->digest, wanted->sha256, SHA256_SIZE) == 0)
                return 0;
        found = text_hex(image->digest, SHA256_SIZE);
        hex = text_hex(wanted->sha256, SHA256_SIZE);
        return cvm_error_invalid_spec(error, "image",
                                      "image '%s' in %s has the digest %s, and the spec demands %s",
                                      image->name, image->directory, found ?: "?", hex ?: "?");
}

int image_find(const ImagePlaces *places, const SpecImage *wanted, const Caller *caller, Image *ret,
               CvmError *error)
{
        _cleanup_(image_done) Image image = {};
        _cleanup_free_ char *directory = NULL;
        int r = 0;

        for (size_t i = 0; r == 0 && image_places[i]; i++)
                r = image_find_at(image_places[i], wanted->name, &directory, error);
        for (size_t i = 0; r == 0 && places->more && places->more[i]; i++)
                r = image_find_at(places->more[i], wanted->name, &directory, error);
        if (r == 0)
                return image_refuse_absent(places, wanted->name, error);
        if (r > 0)
                r = image_open(directory, caller, &image, error);
        if (r == 0)
                r = image_check_digest(&image, wanted, error);
        if (r == 0)
                *ret = TAKE_STRUCT(image);
        return r;
}
