/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Images: a kernel and its initramfs under a name. An image is a directory of that name in one of
 * the places where images are looked for; its manifest.json names the SHA-256 of each file. The
 * SHA-256 of manifest.json is the image's digest, so it stands for all of them. hal/build writes
 * such directories, cvm-image(7) describes them.
 *
 * All that is read is bounded and checked, as the owner of the place may have written anything.
 * Names of files come from a list, so none leads out of the directory; neither manifest nor files
 * may be symbolic links. Functions that open files block: run them in a worker.
 */

#include <json-c/json.h>

#include "artifact/caller.h"
#include "base/error.h"
#include "base/hash.h"
#include "spec/spec.h"

#define IMAGE_MANIFEST "manifest.json"
#define IMAGE_MANIFEST_MAX (1u << 20) /* bytes; that of the full image has some 30,000 */
#define IMAGE_TEXT_MAX 64             /* bytes of a version */
#define IMAGE_LIST_MAX 256            /* images of one listing */

typedef enum ImageRole {
        IMAGE_KERNEL,
        IMAGE_INITRAMFS,
        IMAGE_INITRAMFS_DEBUG, /* may be absent */
        _IMAGE_ROLE_MAX,
} ImageRole;

typedef struct ImageFile {
        const char *name; /* in the directory; static; NULL: there is none */
        uint64_t size;
        uint8_t sha256[SHA256_SIZE];
} ImageFile;

typedef struct Image {
        char *name, *directory;           /* owned; directory: without symbolic links */
        uint8_t digest[SHA256_SIZE];      /* of the manifest */
        char version[IMAGE_TEXT_MAX + 1]; /* "": not stated */
        char release[IMAGE_TEXT_MAX + 1]; /* of the kernel; likewise */
        uint64_t memory_min;              /* bytes that a machine needs; 0: not stated */
        ImageFile files[_IMAGE_ROLE_MAX];
} Image;

void image_done(Image *image);

/* Where images are looked for; the first place that has the name wins. */
typedef struct ImagePlaces {
        char *const *more; /* absolute directories after the fixed ones, ended by NULL; or NULL */
} ImagePlaces;

/* The fixed ones, ended by NULL. */
extern const char *const image_places[];

/* Reads a manifest; `ret` gets all but name and directory. Returns 0, -EBADMSG with the reason
 * (newly allocated), or -ENOMEM. */
int image_parse(const char *data, size_t size, Image *ret, char **ret_reason);

/* Finds the image that the spec names and reads its manifest with the caller's rights (NULL: with
 * those of this process). InvalidSpec of the field `image`: there is none of that name, it cannot
 * be read or is not one, or its digest is not the one that the spec demands. */
int image_find(const ImagePlaces *places, const SpecImage *wanted, const Caller *caller, Image *ret,
               CvmError *error);
/* The image in a directory. */
int image_open(const char *directory, const Caller *caller, Image *ret, CvmError *error);

/* The file that a machine boots from; one without a name if the image has none. debug: the debug
 * initramfs. */
const ImageFile *image_file(const Image *image, SpecArtifactKind kind, bool debug);
/* Its path, newly allocated. */
char *image_path(const Image *image, const ImageFile *file);
/* InvalidSpec if a machine of that memory (bytes) or a debug machine cannot boot from it. */
int image_check(const Image *image, uint64_t memory, bool debug, CvmError *error);
/* NAME@sha256:HEX, newly allocated. */
char *image_reference(const Image *image);

/* As the type Image of the interface: those that the caller may read, by name, the first
 * IMAGE_LIST_MAX of them. *ret_left_out: how many more there are. Returns NULL without memory. */
json_object *image_list(const ImagePlaces *places, const Caller *caller, size_t *ret_left_out);
