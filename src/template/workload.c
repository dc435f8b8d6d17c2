/* SPDX-License-Identifier: Apache-2.0 */
#include "template/workload.h"

#include <stdio.h>
#include <string.h>

#include "base/canonical.h"
#include "base/fault.h"
#include "base/hash_pair.h"
#include "base/text.h"
#include "template/template_internal.h"

bool workload_hash_fits(const char *hash, size_t size)
{
        return (strcmp(hash, "sha256") == 0 && size == SHA256_SIZE) ||
               (strcmp(hash, "sha384") == 0 && size == SHA384_SIZE);
}

/* The field that the template binds by, and its size; NULL: there is none. */
static const char *find_field(const Template *template, size_t *ret_size)
{
        for (const SpecSecurityKey *key = spec_security_keys; key->name; key++)
                if (json_member_string(json_member(template->security, key->name), "bind")) {
                        *ret_size = key->size;
                        return key->name;
                }
        return NULL;
}

int workload_check(const Template *template, const CvmSpec *spec, CvmError *error)
{
        const char *field;
        char path[64];
        size_t size;

        if (!spec->bind_workload)
                return 0;
        field = find_field(template, &size);
        if (!field) {
                fault_add(error, "bindWorkload",
                          "platform %s has no attestation field that could be bound",
                          template->name);
                return -EINVAL;
        }
        if (!spec_security_find(spec, field))
                return 0;
        snprintf(path, sizeof(path), "launchSecurity.%s", field);
        fault_add(error, path, "bindWorkload sets this field: give only one of the two");
        return -EINVAL;
}

static json_object *workload_env_to_json(const CvmSpec *spec)
{
        json_object *names = json_object_new_array();

        for (size_t i = 0; i < spec->n_env; i++)
                json_object_array_add(names, json_new_text(spec->env[i].name));
        return names;
}

static json_object *workload_certs_to_json(const CvmSpec *spec)
{
        json_object *names = json_object_new_array();

        for (size_t i = 0; i < spec->n_certs; i++)
                json_object_array_add(names, json_new_text(spec->certs[i].name));
        return names;
}

static json_object *workload_shares_to_json(const CvmSpec *spec)
{
        json_object *shares = json_object_new_array();

        for (size_t i = 0; i < spec->n_shares; i++)
                json_object_array_add(
                        shares,
                        json_build("tag", json_new_text(spec->shares[i].tag), "readOnly",
                                   json_object_new_boolean(spec->shares[i].read_only), NULL));
        return shares;
}

/* NULL if there is none: then the document has no such member. */
static json_object *workload_disks_to_json(const CvmSpec *spec)
{
        json_object *disks = spec->n_disks ? json_object_new_array() : NULL;

        for (size_t i = 0; i < spec->n_disks; i++) {
                const SpecDisk *disk = &spec->disks[i];

                json_object_array_add(
                        disks, json_build("id", json_new_text(disk->id), "format",
                                          json_new_text(spec_disk_format_name(disk->format)), "bus",
                                          json_new_text(spec_disk_bus_name(disk->bus)), "readOnly",
                                          json_object_new_boolean(disk->read_only), NULL));
        }
        return disks;
}

/* One text a value, however it was written. */
static json_object *security_entry(const SpecSecurity *entry)
{
        _cleanup_free_ uint8_t *bytes = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (entry->key->kind == SPEC_SECURITY_BOOL)
                return json_new_text(entry->number ? "true" : "false");
        if (entry->key->kind == SPEC_SECURITY_NUMBER) {
                text = text_format("0x%" PRIx64, entry->number);
        } else if (text_unbase64(entry->text, &bytes, &size) == 0) {
                text = text_base64(bytes, size);
        }
        return text ? json_new_text(text) : NULL;
}

static json_object *workload_security_to_json(const CvmSpec *spec)
{
        json_object *object = json_object_new_object();

        for (size_t i = 0; i < spec->n_security; i++)
                json_object_object_add(object, spec->security[i].key->name,
                                       security_entry(&spec->security[i]));
        return object;
}

static const char *network_kind(SpecNetwork network)
{
        static const char *const names[] = {
                [SPEC_NETWORK_USER] = "user",         [SPEC_NETWORK_NONE] = "none",
                [SPEC_NETWORK_ISOLATED] = "isolated", [SPEC_NETWORK_PASST] = "passt",
                [SPEC_NETWORK_BRIDGE] = "bridge",     [SPEC_NETWORK_TAP] = "tap",
        };

        return names[network];
}

static json_object *spec_to_json(const Template *template, const PlanInputs *inputs)
{
        const CvmSpec *spec = inputs->spec;
        char memory[24];

        snprintf(memory, sizeof(memory), "%" PRIu64, inputs->memory);
        return json_build(
                "name", json_new_text(spec->name), "platform", json_new_text(template->name),
                "cpus", json_object_new_int64(inputs->cpus), "memory", json_new_text(memory),
                "cmdline", json_new_text(inputs->cmdline), "env", workload_env_to_json(spec),
                "certs", workload_certs_to_json(spec), "shares", workload_shares_to_json(spec),
                "disks", workload_disks_to_json(spec), "network",
                json_new_text(network_kind(spec->network)), "vsock",
                json_object_new_boolean(inputs->vsock), "launchSecurity",
                workload_security_to_json(spec), "debug", json_object_new_boolean(spec->debug),
                NULL);
}

/* NULL: the digest of one is not known. */
static json_object *artifacts_to_json(const Template *template, const PlanInputs *inputs)
{
        _cleanup_json_ json_object *artifacts = json_object_new_object();

        for (SpecArtifactKind kind = 0; artifacts && kind < _ARTIFACT_KIND_MAX; kind++) {
                const PlanArtifact *artifact = &inputs->artifacts[kind];

                if (artifact->sha256)
                        json_object_object_add(artifacts, spec_artifact_kind_name(kind),
                                               json_new_text(artifact->sha256));
                else if (artifact->present || plan_needs_artifact(template, inputs, kind))
                        return NULL;
        }
        return TAKE_PTR(artifacts);
}

static int workload_write_document(const Template *template, const PlanInputs *inputs, char **ret)
{
        _cleanup_json_ json_object *document = NULL;
        _cleanup_(buffer_done) Buffer text = {};
        json_object *artifacts = artifacts_to_json(template, inputs);
        int r;

        if (!artifacts)
                return -ENODATA;
        document = json_build("version", json_object_new_int(WORKLOAD_VERSION), "spec",
                              spec_to_json(template, inputs), "artifacts", artifacts, NULL);
        r = document ? canonical_write(document, &text) : -ENOMEM;
        if (r == 0)
                *ret = buffer_take(&text);
        return r;
}

int workload_bind(const Template *template, const PlanInputs *inputs, WorkloadBinding *ret)
{
        _cleanup_(workload_binding_done) WorkloadBinding binding = {};
        HashPairDigest digest;
        size_t size = 0;
        int r;

        if (!inputs->spec->bind_workload)
                return 0;
        binding.field = find_field(template, &size);
        r = workload_write_document(template, inputs, &binding.document);
        if (r == 0)
                r = hash_pair_bytes(binding.document, strlen(binding.document), &digest);
        if (r < 0)
                return r;
        binding.base64 = text_base64(size == SHA384_SIZE ? digest.sha384 : digest.sha256, size);
        binding.hex = text_hex(size == SHA384_SIZE ? digest.sha384 : digest.sha256, size);
        if (!binding.base64 || !binding.hex)
                return -ENOMEM;
        *ret = TAKE_STRUCT(binding);
        return 0;
}
