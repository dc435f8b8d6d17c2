/* SPDX-License-Identifier: Apache-2.0 */

/* A kernel: its PE image hash, its setup header as QEMU changes it, what its stub measures, and
 * what it is where it is not a kernel. */

#include "artifact/artifact.h"
#include "fuzz.h"
#include "measure/kernel_setup.h"
#include "measure/kernel_stub.h"
#include "measure/pe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {}, other = {};
        KernelSetup setup = {.kernel = {data, size},
                             .name = "kernel",
                             .has_initrd = true,
                             .initrd_size = size,
                             .cmdline = "vga=ask",
                             .memory = 1u << 30};
        _cleanup_free_ uint8_t *patched = NULL;
        HashDigest digest;
        PeImage image;

        if (pe_parse(setup.kernel, "kernel", &image, &error) == 0 &&
            pe_hash(&image, HASH_SHA384, &digest) < 0)
                abort();
        kernel_setup_patch(&setup, &patched, &other);
        kernel_stub_read(setup.kernel);
        artifact_check_kind(ARTIFACT_KERNEL, data, size);
        return 0;
}
