/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/spec.h"

#include "base/json.h"
#include "base/text.h"
#include "spec/spec_internal.h"

static json_object *spec_redact_text_or_null(const char *s)
{
        return s ? json_new_text(s) : NULL;
}

static json_object *uint_or_null(uint64_t value)
{
        return value ? json_object_new_int64((int64_t)value) : NULL;
}

static json_object *fd_or_null(int64_t fd)
{
        return fd >= 0 ? json_object_new_int64(fd) : NULL;
}

static json_object *artifact_to_json(const SpecArtifact *artifact)
{
        _cleanup_free_ char *hex = NULL;

        if (!artifact->given)
                return NULL;
        if (artifact->has_sha256)
                hex = text_hex(artifact->sha256, SHA256_SIZE);
        return json_build("name", spec_redact_text_or_null(artifact->name), "path",
                          spec_redact_text_or_null(artifact->path), "fd", fd_or_null(artifact->fd),
                          "sha256", spec_redact_text_or_null(hex), NULL);
}

static json_object *spec_redact_image_to_json(const SpecImage *image)
{
        _cleanup_free_ char *hex = image->has_sha256 ? text_hex(image->sha256, SHA256_SIZE) : NULL;
        _cleanup_free_ char *text = hex ? text_format("%s@sha256:%s", image->name, hex) : NULL;

        return json_new_text(text ?: image->name);
}

static json_object *spec_redact_env_to_json(const CvmSpec *spec)
{
        json_object *object;

        if (spec->n_env == 0)
                return NULL;
        object = json_object_new_object();
        for (size_t i = 0; i < spec->n_env; i++)
                json_object_object_add(object, spec->env[i].name, json_object_new_string(""));
        return object;
}

static json_object *spec_redact_certs_to_json(const CvmSpec *spec)
{
        json_object *object;

        if (spec->n_certs == 0)
                return NULL;
        object = json_object_new_object();
        for (size_t i = 0; i < spec->n_certs; i++) {
                const SpecCert *cert = &spec->certs[i];

                json_object_object_add(object, cert->name,
                                       json_build("text",
                                                  cert->data ? json_object_new_string("") : NULL,
                                                  "path", spec_redact_text_or_null(cert->path),
                                                  "fd", fd_or_null(cert->fd), NULL));
        }
        return object;
}

static json_object *spec_redact_shares_to_json(const CvmSpec *spec)
{
        json_object *array;

        if (spec->n_shares == 0)
                return NULL;
        array = json_object_new_array();
        for (size_t i = 0; i < spec->n_shares; i++) {
                const SpecShare *share = &spec->shares[i];

                json_object_array_add(array,
                                      json_build("tag", json_new_text(share->tag), "path",
                                                 spec_redact_text_or_null(share->path), "fd",
                                                 fd_or_null(share->fd), "readOnly",
                                                 json_object_new_boolean(share->read_only), NULL));
        }
        return array;
}

static json_object *spec_redact_disks_to_json(const CvmSpec *spec)
{
        json_object *array;

        if (spec->n_disks == 0)
                return NULL;
        array = json_object_new_array();
        for (size_t i = 0; i < spec->n_disks; i++) {
                const SpecDisk *disk = &spec->disks[i];

                json_object_array_add(
                        array,
                        json_build("id", json_new_text(disk->id), "path",
                                   spec_redact_text_or_null(disk->path), "fd", fd_or_null(disk->fd),
                                   "format", json_new_text(spec_disk_format_name(disk->format)),
                                   "bus", json_new_text(spec_disk_bus_name(disk->bus)), "readOnly",
                                   json_object_new_boolean(disk->read_only), NULL));
        }
        return array;
}

static json_object *gpus_to_json(const CvmSpec *spec)
{
        json_object *array = spec->n_gpus ? json_object_new_array() : NULL;

        for (size_t i = 0; i < spec->n_gpus; i++)
                json_object_array_add(array, json_new_text(spec->gpus[i]));
        return array;
}

static json_object *spec_redact_forwards_to_json(const CvmSpec *spec)
{
        json_object *array;

        if (!spec->forwards_given)
                return NULL;
        array = json_object_new_array();
        for (size_t i = 0; i < spec->n_forwards; i++) {
                const SpecForward *forward = &spec->forwards[i];

                json_object_array_add(
                        array,
                        json_build("address", json_new_text(forward->address), "hostPort",
                                   json_object_new_int(forward->host_port), "guestPort",
                                   json_object_new_int(forward->guest_port), "protocol",
                                   json_new_text(spec_protocol_name(forward->protocol)), NULL));
        }
        return array;
}

static json_object *network_to_json(const CvmSpec *spec)
{
        static const char *const prefixes[] = {
                [SPEC_NETWORK_USER] = "user",         [SPEC_NETWORK_NONE] = "none",
                [SPEC_NETWORK_ISOLATED] = "isolated", [SPEC_NETWORK_PASST] = "passt",
                [SPEC_NETWORK_BRIDGE] = "bridge:",    [SPEC_NETWORK_TAP] = "tap:",
        };
        _cleanup_(buffer_done) Buffer text = {};

        if (buffer_append_text(&text, prefixes[spec->network]) < 0 ||
            buffer_append_text(&text, spec->interface ?: "") < 0)
                return NULL;
        return json_new_text(text.data);
}

static json_object *spec_redact_security_to_json(const CvmSpec *spec)
{
        json_object *object;

        if (spec->n_security == 0)
                return NULL;
        object = json_object_new_object();
        for (size_t i = 0; i < spec->n_security; i++)
                json_object_object_add(object, spec->security[i].key->name,
                                       json_new_text(spec->security[i].text));
        return object;
}

static json_object *timeouts_to_json(const CvmSpec *spec)
{
        return json_build("startSec", uint_or_null(spec->start_sec), "readySec",
                          uint_or_null(spec->ready_sec), "powerdownSec",
                          uint_or_null(spec->powerdown_sec), "quitSec",
                          uint_or_null(spec->quit_sec), NULL);
}

json_object *spec_to_json_redacted(const CvmSpec *spec)
{
        char memory[24];
        json_object *object = json_build(
                "name", json_new_text(spec->name), "platform", json_new_text(spec->platform),
                "cpus", uint_or_null(spec->cpus), "memory",
                spec->memory ? json_new_text(text_format_size(spec->memory, memory)) : NULL, NULL);

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                json_object *artifact = artifact_to_json(&spec->artifacts[kind]);

                if (artifact)
                        json_object_object_add(object, spec_artifact_kind_name(kind), artifact);
        }
        if (spec->image.name)
                json_object_object_add(object, "image", spec_redact_image_to_json(&spec->image));
        struct {
                const char *key;
                json_object *value;
        } parts[] = {
                {"cmdline", spec_redact_text_or_null(spec->cmdline)},
                {"env", spec_redact_env_to_json(spec)},
                {"certs", spec_redact_certs_to_json(spec)},
                {"shares", spec_redact_shares_to_json(spec)},
                {"disks", spec_redact_disks_to_json(spec)},
                {"gpus", gpus_to_json(spec)},
                {"forwards", spec_redact_forwards_to_json(spec)},
                {"network", network_to_json(spec)},
                {"vsock",
                 spec->vsock ? json_build("cid", uint_or_null(spec->vsock_cid), NULL) : NULL},
                {"svsm", spec_svsm_to_json(&spec->svsm)},
                {"launchSecurity", spec_redact_security_to_json(spec)},
                {"bindWorkload", spec->bind_workload ? json_object_new_boolean(true) : NULL},
                {"confidential", spec->confidential ? json_object_new_boolean(true) : NULL},
                {"debug", json_object_new_boolean(spec->debug)},
                {"limits", spec_has_limits(spec) ? spec_limits_to_json(&spec->limits) : NULL},
                {"timeouts", timeouts_to_json(spec)},
                {"restart", spec->restart.policy == SPEC_RESTART_NO
                                    ? NULL
                                    : spec_restart_to_json(&spec->restart)},
                {"remove", spec->remove == SPEC_REMOVE_NEVER
                                   ? NULL
                                   : json_object_new_string(spec_remove_name(spec->remove))},
                {"ttlSec", uint_or_null(spec->ttl_sec)},
                {"driver", json_new_text(spec->driver)},
                {"labels", json_object_get(spec->labels)},
        };
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                if (parts[i].value)
                        json_object_object_add(object, parts[i].key, parts[i].value);
        return object;
}
