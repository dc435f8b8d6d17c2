/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of this layer share. Each spec_parse_x() takes one part of the JSON form
 * (borrowed; NULL: not given) and fills its part of the spec, which spec_done() clears also after a
 * failure. It adds each fault to the error (base/fault.h) and continues: after a fault the part of
 * the spec is incomplete, but later parts can be checked against it. All return 0 or -ENOMEM.
 */

#include "base/fault.h"
#include "base/json.h"
#include "spec/spec.h"

#define SPEC_FIELD_MAX 320 /* bytes of a field's path in a refusal, NUL included */

/* PREFIX.KEY, or PREFIXKEY for a key such as "[1]"; too long a path ends in "…". Returns buffer. */
const char *spec_field(char buffer[static SPEC_FIELD_MAX], const char *prefix, const char *key);
/* NAME[INDEX] */
const char *spec_field_index(char buffer[static SPEC_FIELD_MAX], const char *name, size_t index);

/* json_dispatch() that adds its refusals to the faults, unknown fields with the one that was
 * probably meant. */
int spec_dispatch(json_object *object, const JsonField *fields, void *target, const char *prefix,
                  CvmError *error);

/* The index of text in names, `fallback` if text is NULL, or -1 if it is not among them, which is a
 * fault of PREFIX.KEY for that reason. */
int spec_choose(const char *text, const char *const *names, size_t n, int fallback,
                const char *prefix, const char *key, const char *reason, CvmError *error);

/* Whether an object has a path or fd, or is not an object: nothing is to be added about that. */
bool spec_has_source(json_object *object);
/* Refuses a path that is not absolute or longer than the kernel takes; `field` is its full path. */
void spec_check_path(const char *path, const char *field, CvmError *error);

int spec_parse_artifact(json_object *object, SpecArtifactKind kind, CvmSpec *spec, CvmError *error);
/* text: the value of `image`, or NULL; after the artifacts. */
int spec_parse_image(const char *text, CvmSpec *spec, CvmError *error);
int spec_parse_env(json_object *object, CvmSpec *spec, CvmError *error);
/* What `missing`, the spec's, names has no fault here: spec_check_missing() reports it. */
int spec_parse_certs(json_object *object, json_object *missing, CvmSpec *spec, CvmError *error);
int spec_parse_shares(json_object *array, json_object *missing, CvmSpec *spec, CvmError *error);
int spec_parse_disks(json_object *array, json_object *missing, CvmSpec *spec, CvmError *error);
int spec_parse_gpus(json_object *array, CvmSpec *spec, CvmError *error);
/* text: the value of `network`; to be called before spec_parse_forwards(). */
int spec_parse_network(const char *text, CvmSpec *spec, CvmError *error);
int spec_parse_forwards(json_object *array, CvmSpec *spec, CvmError *error);
int spec_parse_vsock(json_object *object, CvmSpec *spec, CvmError *error);
/* After the spec's vsock. */
int spec_parse_svsm(json_object *object, CvmSpec *spec, CvmError *error);
json_object *spec_svsm_to_json(const SpecSvsm *svsm); /* NULL: not given */
int spec_parse_security(json_object *object, CvmSpec *spec, CvmError *error);
/* After the spec's memory. */
int spec_parse_limits(json_object *object, CvmSpec *spec, CvmError *error);
json_object *spec_limits_to_json(const SpecLimits *limits);
int spec_parse_labels(json_object *object, CvmSpec *spec, CvmError *error);
/* Sets the defaults if there is no object. */
int spec_parse_restart(json_object *object, CvmSpec *spec, CvmError *error);
json_object *spec_restart_to_json(const SpecRestart *restart);
/* text: the value of `remove`, or NULL. */
int spec_parse_remove(const char *text, CvmSpec *spec, CvmError *error);

/* What spec.h says of CvmSpec.given, from the JSON form of a valid spec. NULL without memory. */
json_object *spec_given_new(json_object *object, const CvmSpec *spec);
/* Whether `missing` (NULL: none) names the field PREFIX, or PREFIX.KEY if key is not "". */
bool spec_is_missing(json_object *missing, const char *prefix, const char *key);
/* Refuses a spec (object) that lacks one of what `array` names, as spec_given_show() writes it. */
int spec_check_missing(json_object *object, json_object *array, CvmError *error);

/* Refuses a descriptor index that two fields name: each descriptor has one owner. */
void spec_check_descriptors(const CvmSpec *spec, CvmError *error);
