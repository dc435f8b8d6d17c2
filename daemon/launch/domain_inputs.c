/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/domain_inputs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

static char *path(const Manager *manager, const char *format, ...) _printf_(2, 3);

/* Below RUNTIME. */
static char *path(const Manager *manager, const char *format, ...)
{
        _cleanup_free_ char *rest = NULL;
        va_list ap;

        va_start(ap, format);
        rest = text_format_v(format, ap);
        va_end(ap);
        if (!rest)
                return NULL;
        return text_format("%s/%s", manager->home.runtime_path, rest);
}

static char *spec_digest(const CvmSpec *spec)
{
        _cleanup_json_ json_object *object = spec_to_json_redacted(spec);
        const char *text = object ? json_text(object) : NULL;
        HashPairDigest digest;

        if (!text || hash_pair_bytes(text, strlen(text), &digest) < 0)
                return NULL;
        return text_hex(digest.sha256, SHA256_SIZE);
}

void domain_inputs_done(DomainInputs *inputs)
{
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++)
                free(inputs->artifacts[i]);
        free(inputs->env_share);
        free(inputs->certs_share);
        free(inputs->console);
        free(inputs->notify);
        free(inputs->companions);
        free(inputs->spec_sha256);
        *inputs = (DomainInputs){};
}

int domain_inputs_init(DomainInputs *inputs, const Manager *manager, const CvmSpec *spec,
                       const Allotment *allotment, char *const sha256[_ARTIFACT_KIND_MAX])
{
        const DriverHome *driver = drivers_find(&manager->home.drivers, spec->driver);

        *inputs = (DomainInputs){
                .env_share = path(manager, "shares/%s/env", allotment->id),
                .certs_share = path(manager, "shares/%s/certs", allotment->id),
                .console = path(manager, "vms/%s/console", allotment->id),
                .notify = path(manager, "vms/%s/notify", allotment->id),
                .companions = path(manager, "vms/%s", allotment->id),
                .spec_sha256 = spec_digest(spec),
        };
        if (!inputs->env_share || !inputs->certs_share || !inputs->console || !inputs->notify ||
            !inputs->companions || !inputs->spec_sha256)
                return -ENOMEM;
        inputs->domain = (PlanDomain){
                .env_share = inputs->env_share,
                .certs_share = inputs->certs_share,
                .console = inputs->console,
                .notify = inputs->notify,
                .companions = inputs->companions,
                .spec_sha256 = inputs->spec_sha256,
                .owner = allotment->owner,
                .uid = allotment->uid,
                .gid = driver ? driver->gid : 0,
        };
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++) {
                if (!sha256[i])
                        continue;
                inputs->artifacts[i] = path(manager, "artifacts/%s", sha256[i]);
                if (!inputs->artifacts[i])
                        return -ENOMEM;
                inputs->domain.artifacts[i] = inputs->artifacts[i];
        }
        return 0;
}
