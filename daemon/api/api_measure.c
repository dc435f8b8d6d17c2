/* SPDX-License-Identifier: Apache-2.0 */

/* What a CVM's attestation must show. */

#include <string.h>

#include "api/api.h"
#include "base/text.h"
#include "measure/measurement_document.h"
#include "measure/record.h"

/* What it was measured from, as far as that is known of a CVM without a document. */
static int add_inputs(const Vm *vm, Measurement *measurement)
{
        char size[24];
        int r = 0;

        for (SpecArtifactKind kind = 0; r == 0 && kind < _ARTIFACT_KIND_MAX; kind++) {
                const char *hex = vm->boot.sha256[kind];
                HashDigest sha256;

                if (hex && hash_parse_hex(HASH_SHA256, hex, &sha256) == 0)
                        r = measurement_add_sha256(measurement, spec_artifact_kind_name(kind),
                                                   &sha256);
        }
        if (r == 0 && vm->boot.image)
                r = measurement_add_text(measurement, "image", "%s", vm->boot.image);
        if (r == 0 && vm->cpus > 0)
                r = measurement_add_text(measurement, "cpus", "%u", vm->cpus);
        if (r == 0 && vm->memory > 0)
                r = measurement_add_text(measurement, "memory", "%s",
                                         text_format_size(vm->memory, size));
        return r;
}

/* Of one that is not measured, or that an earlier version has launched. */
static json_object *make_document(const Vm *vm)
{
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        const char *unknown;
        int r = record_to_measurement(vm->boot.measured.registers, &measurement, &unknown);

        if (r == -EBADMSG) /* it is from a later version, whose values this one does not know */
                measurement = measurement_new();
        if (r == -ENOMEM || !measurement || add_inputs(vm, measurement) < 0)
                return NULL;
        return measurement_to_json(measurement, vm->platform, NULL);
}

static json_object *read_document(const char *text)
{
        json_object *document;

        return json_parse(text, strlen(text), &document, NULL) == 0 ? document : NULL;
}

int api_measure(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        json_object *document, *security;
        Vm *vm;
        int r = api_named(call, parameters, userdata, &vm, error);

        if (r < 0)
                return r;
        document = vm->boot.measured.document ? read_document(vm->boot.measured.document)
                                              : make_document(vm);
        if (!document)
                return cvm_error_system(error, -ENOMEM, "report a measurement");
        security = json_member(vm->spec, "launchSecurity");
        if (security)
                json_add(document, "launchSecurity", json_object_get(security));
        if (vm->boot.binding)
                json_add(document, "binding", json_object_get(vm->boot.binding));
        wire_call_reply(call, json_build("measurement", document, NULL));
        return 0;
}
