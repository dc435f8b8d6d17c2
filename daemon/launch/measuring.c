/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/measuring.h"

#include <sys/mman.h>

#include "base/json.h"
#include "measure/measure.h"
#include "measure/measurement_document.h"
#include "measure/record.h"

#define EVENTS_MAX 512u /* of a register; registers that event logs explain have some ten */

typedef struct Maps {
        MeasureFile files[_ARTIFACT_KIND_MAX];
} Maps;

static void maps_done(Maps *maps)
{
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++)
                if (maps->files[i].bytes.data)
                        munmap((void *)maps->files[i].bytes.data, maps->files[i].bytes.size);
}

static int map_all(const Measuring *measuring, Maps *maps, CvmError *error)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                const Artifact *artifact = measuring->artifacts[kind];
                void *data;

                if (!artifact)
                        continue;
                /* private: before Linux 6.7 a file sealed against writing has no shared mapping */
                data = mmap(NULL, artifact->size, PROT_READ, MAP_PRIVATE, artifact->fd, 0);
                if (data == MAP_FAILED)
                        return cvm_error_system(error, -errno, "map artifact %s", artifact->name);
                maps->files[kind] = (MeasureFile){{data, artifact->size}, artifact->digest};
        }
        return 0;
}

static char *write_document(const Measuring *measuring, MeasureMethod method,
                            const Measurement *measurement)
{
        _cleanup_json_ json_object *document =
                measurement_to_json(measurement, template_name(measuring->allotment->template),
                                    measure_method_name(method));

        return document ? strdup(json_text(document)) : NULL;
}

static char *keep_document(const Measuring *measuring, MeasureMethod method,
                           Measurement *measurement)
{
        char *text;

        for (size_t i = 0; i < measurement->n_registers; i++)
                if (measurement->registers[i].n_events > EVENTS_MAX)
                        register_forget_events(&measurement->registers[i]);
        text = write_document(measuring, method, measurement);
        if (!text || strlen(text) <= MEASURED_DOCUMENT_MAX)
                return text;
        free(text);
        for (size_t i = 0; i < measurement->n_registers; i++)
                register_forget_events(&measurement->registers[i]);
        return write_document(measuring, method, measurement);
}

static int measuring_compute(const Measuring *measuring, MeasureMethod method, const Maps *maps,
                             Measured *ret, CvmError *error)
{
        _cleanup_(measurement_freep) Measurement *measurement = NULL;
        _cleanup_(measured_done) Measured measured = {};
        MeasureInputs inputs = {
                .method = method,
                .kernel = maps->files[ARTIFACT_KERNEL],
                .initrd = maps->files[ARTIFACT_INITRAMFS],
                .firmware = maps->files[ARTIFACT_FIRMWARE],
                .igvm = maps->files[ARTIFACT_IGVM],
                .image = measuring->image,
                .cmdline = measuring->cmdline,
                .cpus = measuring->allotment->cpus,
                .memory = measuring->allotment->memory,
                .launching = true,
        };
        int r = 0;

        if (measuring->qemu_version)
                r = profile_parse_qemu(&inputs.profile, measuring->qemu_version, error);
        if (r == 0)
                r = measure_run(&inputs, &measurement, error);
        if (r < 0)
                return r;
        measured.registers = record_from_measurement(measurement);
        measured.document = keep_document(measuring, method, measurement);
        if (!measured.registers || !measured.document)
                return cvm_error_system(error, -ENOMEM, "measure");
        *ret = TAKE_STRUCT(measured);
        return 0;
}

int measuring_run(const Measuring *measuring, Measured *ret, CvmError *error)
{
        MeasureMethod method =
                measure_method_find(template_measure(measuring->allotment->template));
        _cleanup_(maps_done) Maps maps = {};
        int r;

        /* a template may name a method of a later version: nothing is predicted then */
        if (method == MEASURE_NONE || method == _MEASURE_METHOD_MAX) {
                *ret = (Measured){.registers = json_object_new_object()};
                return ret->registers ? 0 : cvm_error_system(error, -ENOMEM, "measure");
        }
        r = map_all(measuring, &maps, error);
        return r < 0 ? r : measuring_compute(measuring, method, &maps, ret, error);
}
