/* SPDX-License-Identifier: Apache-2.0 */
#include "igvm_id_block.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "measure/igvm_id_block.h"
#include "measure/snp_igvm.h"
#include "verify/id_block_check.h"

/* Of the first vCPU's VMSA alone; -EBADMSG: the file cannot be measured. */
static int predict(const Igvm *igvm, const char *path, HashDigest *ret, CvmError *error)
{
        _cleanup_(measurement_freep) Measurement *measurement = measurement_new();
        uint64_t features;
        Register *reg =
                measurement ? measurement_add(measurement, "LaunchDigest", HASH_SHA384) : NULL;
        int r;

        if (!reg)
                return cvm_error_system(error, -ENOMEM, "measure");
        r = snp_igvm_measure(&(SnpIgvm){.igvm = igvm, .name = path}, reg, NULL, &features, error);
        if (r == 0)
                *ret = reg->value;
        return r;
}

static json_object *hex_json(const void *data, size_t size)
{
        _cleanup_free_ char *hex = text_hex(data, size);

        return hex ? json_object_new_string(hex) : NULL;
}

/* NULL also where libcrypto fails. */
static json_object *key_json(const uint8_t *key)
{
        HashDigest digest;

        return id_block_key_digest(key, &digest) == 0 ? hex_json(digest.bytes, SHA384_SIZE) : NULL;
}

int igvm_id_block_json(const Igvm *igvm, const char *path, json_object **ret, CvmError *error)
{
        uint8_t encoded[ID_BLOCK_SIZE];
        HashDigest predicted;
        IgvmIdBlock found;
        const IdBlock *block = &found.block;
        const char *wrong;
        _cleanup_(cvm_error_done) CvmError unmeasured = {};
        char policy[24];
        bool has_prediction, same;
        int r = igvm_find_id_block(igvm, path, &found, error);

        *ret = NULL;
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        has_prediction = predict(igvm, path, &predicted, &unmeasured) == 0;
        id_block_encode(block, encoded);
        wrong = id_block_check(encoded, found.auth, found.has_author);
        same = has_prediction &&
               memcmp(block->launch_digest.bytes, predicted.bytes, SHA384_SIZE) == 0;
        snprintf(policy, sizeof(policy), "0x%" PRIx64, block->policy);
        *ret = json_build("launchDigest", hex_json(block->launch_digest.bytes, SHA384_SIZE),
                          "predicted",
                          has_prediction ? hex_json(predicted.bytes, SHA384_SIZE) : NULL, "matches",
                          has_prediction ? json_object_new_boolean(same) : NULL, "signature",
                          json_object_new_string(wrong ?: "valid"), "idKeyDigest",
                          key_json(found.auth + ID_AUTH_ID_KEY), "authorKeyDigest",
                          found.has_author ? key_json(found.auth + ID_AUTH_AUTHOR_KEY) : NULL,
                          "familyId", hex_json(block->family_id, sizeof(block->family_id)),
                          "imageId", hex_json(block->image_id, sizeof(block->image_id)), "guestSvn",
                          json_object_new_int64(block->guest_svn), "policy",
                          json_object_new_string(policy), NULL);
        return 0;
}

void igvm_id_block_print(json_object *block)
{
        static const struct {
                const char *member, *title;
        } lines[] = {
                {"idKeyDigest", "ID key digest"},
                {"authorKeyDigest", "author key digest"},
                {"familyId", "family ID"},
                {"imageId", "image ID"},
                {"policy", "policy"},
        };
        const char *signature = json_member_string(block, "signature");

        printf("ID block for SEV-SNP\n");
        printf("    launch digest %s\n", json_member_string(block, "launchDigest"));
        if (!json_member(block, "predicted"))
                printf("    not compared, because this file cannot be measured (see cvmctl "
                       "measure)\n");
        if (!json_member_bool(block, "matches", true))
                printf("    MISMATCH: the file's launch digest is %s (with only the VMSAs in the "
                       "file); on a host that measures this, QEMU fails at the end of the launch\n",
                       json_member_string(block, "predicted"));
        if (strcmp(signature, "valid") != 0)
                printf("    INVALID SIGNATURE: %s; the hardware refuses the launch\n", signature);
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
                if (json_member(block, lines[i].member))
                        printf("    %s %s\n", lines[i].title,
                               json_member_string(block, lines[i].member));
        printf("    guest SVN %" PRId64 "\n", json_member_int(block, "guestSvn", 0));
}
