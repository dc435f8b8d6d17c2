/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "igvm_id_block.h"
#include "measure/igvm_ranges.h"
#include "measure/igvm_summary.h"
#include "measure_files.h"
#include "output.h"
#include "table.h"

static char *igvm_pages(json_object *platform, const char *key)
{
        return output_member(json_member(platform, "pages"), key);
}

static const TableColumn columns[] = {
        {"PLATFORM", "platform"},
        {"MODE", "mode"},
        {"VTL", "highestVtl", .right = true},
        {"POLICY", "policy"},
        {"VMSAS", "vmsas", .right = true},
        {"DATA", "data", .text = igvm_pages, .right = true},
        {"ZEROS", "zeros", .text = igvm_pages, .right = true},
        {"UNMEASURED", "unmeasured", .text = igvm_pages, .right = true},
        {"SECRETS", "secrets", .text = igvm_pages, .right = true},
        {"CPUID", "cpuid", .text = igvm_pages, .right = true},
        {"PARAMETERS", "parameters", .text = igvm_pages, .right = true},
        {"LOWEST", "lowest"},
        {"HIGHEST", "highest"},
        {},
};

static ExitStatus igvm_print(const Cli *cli, json_object *summary)
{
        json_object *refused = json_member(summary, "notLoadable");

        if (table_print(stdout, columns, json_member(summary, "platforms"), NULL, NULL) < 0)
                return fail_memory(cli);
        for (size_t i = 0; i < json_object_array_length(refused); i++) {
                json_object *header = json_object_array_get_idx(refused, i);

                printf("QEMU 10.1 and 10.2 do not load its headers of type %s (%s)\n",
                       json_member_string(header, "type"),
                       json_member_string(header, "name") ?: "unknown");
        }
        if (json_member(summary, "idBlock"))
                igvm_id_block_print(json_member(summary, "idBlock"));
        return EXIT_OK;
}

static int check_overlaps(const Igvm *igvm, const char *path, CvmError *error)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < igvm->n_platforms; i++)
                r = igvm_check_overlap(igvm, path, igvm->platforms[i].mask, error);
        return r;
}

ExitStatus verb_igvm(const Arguments *arguments)
{
        const char *path = arguments_operand(arguments, 0);
        _cleanup_(measured_file_done) MeasuredFile file = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *summary = NULL, *block = NULL;
        Igvm igvm;
        ExitStatus status;

        status = measured_file_open(&arguments->cli, ARTIFACT_IGVM, path, &file);
        if (status.code)
                return status;
        if (igvm_read(measured_file_bytes(&file).bytes, path, &igvm, &error) < 0 ||
            check_overlaps(&igvm, path, &error) < 0 ||
            igvm_id_block_json(&igvm, path, &block, &error) < 0)
                return fail_error(&arguments->cli, &error, NULL);
        summary = igvm_summary(&igvm);
        if (block)
                json_add(summary, "idBlock", TAKE_PTR(block));
        if (!arguments->cli.json)
                return igvm_print(&arguments->cli, summary);
        output_json(summary);
        return EXIT_OK;
}
