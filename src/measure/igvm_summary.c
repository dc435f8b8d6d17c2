/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm_summary.h"

#include <stdio.h>

#include "base/json.h"

/* Pages by what a loader does with them. */
typedef enum PageKind {
        PAGE_DATA,
        PAGE_ZEROS,
        PAGE_UNMEASURED,
        PAGE_SECRETS,
        PAGE_CPUID,
        PAGE_PARAMETERS,
        PAGE_SHARED,
        _PAGE_KIND_MAX,
} PageKind;

static const char *const kind_names[_PAGE_KIND_MAX] = {
        [PAGE_DATA] = "data",       [PAGE_ZEROS] = "zeros", [PAGE_UNMEASURED] = "unmeasured",
        [PAGE_SECRETS] = "secrets", [PAGE_CPUID] = "cpuid", [PAGE_PARAMETERS] = "parameters",
        [PAGE_SHARED] = "shared",
};

typedef struct Counts {
        uint64_t pages[_PAGE_KIND_MAX];
        uint64_t vmsas;
        uint64_t lowest, highest; /* addresses of the first byte, and of that after the last one */
        bool has_policy;
        uint64_t policy;
} Counts;

static PageKind kind_of(const IgvmPage *page)
{
        if (page->shared)
                return PAGE_SHARED;
        switch (page->data_type) {
        case IGVM_DATA_SECRETS:
                return PAGE_SECRETS;
        case IGVM_DATA_CPUID:
        case IGVM_DATA_CPUID_XF:
                return PAGE_CPUID;
        }
        if (page->unmeasured)
                return PAGE_UNMEASURED;
        return page->data.data ? PAGE_DATA : PAGE_ZEROS;
}

static void count_range(Counts *counts, PageKind kind, uint64_t gpa, uint64_t size)
{
        counts->pages[kind] += size / IGVM_PAGE_SIZE;
        if (gpa < counts->lowest)
                counts->lowest = gpa;
        if (gpa + size > counts->highest)
                counts->highest = gpa + size;
}

static void count_header(const Igvm *igvm, const IgvmHeader *header, uint32_t mask, Counts *counts)
{
        switch (header->type) {
        case IGVM_PAGE_DATA: {
                IgvmPage page = igvm_page(igvm, header);

                if (page.mask & mask)
                        count_range(counts, kind_of(&page), page.gpa, page.size);
                break;
        }
        case IGVM_PARAMETER_INSERT: {
                IgvmInsert insert = igvm_insert(igvm, header);

                if (insert.mask & mask)
                        count_range(counts, PAGE_PARAMETERS, insert.gpa, insert.size);
                break;
        }
        case IGVM_VP_CONTEXT:
                counts->vmsas += (igvm_vp_context(igvm, header).mask & mask) != 0;
                break;
        case IGVM_GUEST_POLICY: {
                IgvmPolicy policy = igvm_policy(header);

                if (policy.mask & mask) {
                        counts->has_policy = true;
                        counts->policy = policy.policy;
                }
                break;
        }
        }
}

static json_object *hex(uint64_t value)
{
        char text[24];

        snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
        return json_object_new_string(text);
}

/* What the guest is, as far as the platform's headers show it. */
static const char *mode_of(const IgvmPlatform *platform)
{
        if (platform->type == IGVM_PLATFORM_NATIVE)
                return "native";
        return igvm_is_service(platform) ? "service" : "paravisor";
}

static json_object *platform_json(const Igvm *igvm, const IgvmPlatform *platform)
{
        Counts counts = {.lowest = UINT64_MAX};
        json_object *pages = json_object_new_object();
        size_t cursor = 0;
        IgvmHeader header;

        while (igvm_next(igvm, &cursor, &header))
                count_header(igvm, &header, platform->mask, &counts);
        for (size_t i = 0; i < _PAGE_KIND_MAX; i++)
                json_add(pages, kind_names[i], json_object_new_int64((int64_t)counts.pages[i]));
        return json_build("platform", json_object_new_string(igvm_platform_name(platform->type)),
                          "version", json_object_new_int64(platform->version), "highestVtl",
                          json_object_new_int64(platform->highest_vtl), "mode",
                          json_object_new_string(mode_of(platform)), "policy",
                          counts.has_policy ? hex(counts.policy) : NULL, "pages", pages, "vmsas",
                          json_object_new_int64((int64_t)counts.vmsas), "lowest",
                          counts.highest ? hex(counts.lowest) : NULL, "highest",
                          counts.highest ? hex(counts.highest) : NULL, NULL);
}

/* Counts one more under that name; false: it is not the first. */
static bool igvm_summary_count(json_object *counts, const char *name)
{
        json_object *found = json_member(counts, name);

        json_object_object_add(counts, name,
                               json_object_new_int64(found ? json_object_get_int64(found) + 1 : 1));
        return !found;
}

/* How many headers of each type there are; those without a name count under their number. */
static json_object *headers_json(const Igvm *igvm)
{
        json_object *counts = json_object_new_object();
        size_t cursor = 0;
        IgvmHeader header;

        while (igvm_next(igvm, &cursor, &header)) {
                char number[24];

                snprintf(number, sizeof(number), "0x%x", header.type);
                igvm_summary_count(counts, igvm_type_name(header.type) ?: number);
        }
        return counts;
}

json_object *igvm_not_loadable(const Igvm *igvm)
{
        _cleanup_json_ json_object *refused = json_object_new_object(); /* by number */
        json_object *array = json_object_new_array();
        size_t cursor = 0;
        IgvmHeader header;

        while (array && igvm_next(igvm, &cursor, &header)) {
                const char *name = igvm_type_name(header.type);
                char number[24];

                snprintf(number, sizeof(number), "0x%x", header.type);
                if (!igvm_type_loads(header.type) && igvm_summary_count(refused, number))
                        json_object_array_add(
                                array,
                                json_build("type", json_object_new_string(number), "name",
                                           name ? json_object_new_string(name) : NULL, NULL));
        }
        return array;
}

json_object *igvm_summary(const Igvm *igvm)
{
        json_object *platforms = json_object_new_array();

        for (size_t i = 0; i < igvm->n_platforms; i++)
                json_object_array_add(platforms, platform_json(igvm, &igvm->platforms[i]));
        return json_build("version", json_object_new_int64(igvm->version), "size",
                          json_object_new_int64((int64_t)igvm->file.size), "headers",
                          headers_json(igvm), "notLoadable", igvm_not_loadable(igvm), "platforms",
                          platforms, NULL);
}
