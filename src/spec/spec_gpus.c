/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs: PCI addresses. */
#include "spec/spec.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "spec/spec_internal.h"

int spec_gpu_parse(const char *text, char ret[static SPEC_GPU_SIZE])
{
        static const char form[] = "xxxx:xx:xx.7";
        char full[SPEC_GPU_SIZE];
        unsigned slot;

        if (strlen(text) == sizeof("00:00.0") - 1)
                snprintf(full, sizeof(full), "0000:%s", text);
        else if (strlen(text) == sizeof(form) - 1)
                snprintf(full, sizeof(full), "%s", text);
        else
                return -EINVAL;
        for (size_t i = 0; form[i]; i++) {
                unsigned char c = (unsigned char)full[i];

                if (form[i] == 'x'   ? !isxdigit(c)
                    : form[i] == '7' ? c < '0' || c > '7'
                                     : c != form[i])
                        return -EINVAL;
                full[i] = (char)tolower(c);
        }
        if (sscanf(full + 8, "%2x", &slot) != 1 || slot > 0x1f)
                return -EINVAL;
        memcpy(ret, full, SPEC_GPU_SIZE);
        return 0;
}

/* One that is refused is NULL in spec->gpus, so that those after it keep their index. */
static int parse_gpu(json_object *item, CvmSpec *spec, CvmError *error)
{
        size_t index = spec->n_gpus++;
        char field[SPEC_FIELD_MAX], address[SPEC_GPU_SIZE];

        spec_field_index(field, "gpus", index);
        if (!json_object_is_type(item, json_type_string) ||
            strlen(json_object_get_string(item)) != (size_t)json_object_get_string_len(item) ||
            spec_gpu_parse(json_object_get_string(item), address) < 0)
                return fault_add(error, field, "must be a PCI address such as 0000:41:00.0");
        for (size_t i = 0; i < index; i++)
                if (spec->gpus[i] && strcmp(spec->gpus[i], address) == 0)
                        return fault_add(error, field, "%s is already given as gpus[%zu]", address,
                                         i);
        spec->gpus[index] = strdup(address);
        return spec->gpus[index] ? 0 : -ENOMEM;
}

int spec_parse_gpus(json_object *array, CvmSpec *spec, CvmError *error)
{
        size_t n = array ? json_object_array_length(array) : 0;

        if (n > SPEC_GPUS_MAX)
                return fault_add(error, "gpus", "has %zu entries; at most %d are allowed", n,
                                 SPEC_GPUS_MAX);
        for (size_t i = 0; i < n; i++) {
                int r = parse_gpu(json_object_array_get_idx(array, i), spec, error);

                if (r < 0)
                        return r;
        }
        return 0;
}
