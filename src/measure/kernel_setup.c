/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/kernel_setup.h"

#include <string.h>

#include "measure/bytes.h"

#define SETUP_MIN 0x264 /* end of the header of protocol 2.12 */
#define CMDLINE_ADDRESS 0x20000
#define ACPI_DATA_SIZE 0x28000u /* what QEMU keeps below the end of low memory */
#define Q35_LOW_MEMORY_SPLIT 0xb0000000ull
#define Q35_LOW_MEMORY 0x80000000ull

/* Memory below 4 GiB of a q35 machine (hw/i386/pc_q35.c). */
static uint64_t memory_below_4g(uint64_t memory)
{
        return memory >= Q35_LOW_MEMORY_SPLIT ? Q35_LOW_MEMORY : memory;
}

/* vid_mode, as QEMU reads "vga=". Returns 1 if it is there, 0 if not. */
static int video_mode(const char *cmdline, uint16_t *ret, CvmError *error)
{
        static const struct {
                const char *name;
                uint16_t mode;
        } modes[] = {{"normal", 0xffff}, {"ext", 0xfffe}, {"ask", 0xfffd}};
        const char *vga = strstr(cmdline, "vga=");
        unsigned long value;
        char *end;

        if (!vga)
                return 0;
        vga += 4;
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
                if (strncmp(vga, modes[i].name, strlen(modes[i].name)) == 0) {
                        *ret = modes[i].mode;
                        return 1;
                }
        errno = 0;
        value = strtoul(vga, &end, 0);
        if (errno != 0 || end == vga || (*end && *end != ' ') || value > UINT32_MAX)
                return cvm_error_invalid_spec(error, "cmdline",
                                              "QEMU does not accept its vga= value");
        *ret = (uint16_t)value;
        return 1;
}

static int patch_initrd(const KernelSetup *setup, uint8_t *kernel, CvmError *error)
{
        uint64_t max = le16_get(kernel + 0x236) & 2 ? UINT32_MAX : le32_get(kernel + 0x22c);
        uint64_t below_4g = memory_below_4g(setup->memory);

        if (below_4g <= ACPI_DATA_SIZE)
                return cvm_error_invalid_spec(error, "memory", "too little for an initramfs");
        if (max >= below_4g - ACPI_DATA_SIZE)
                max = below_4g - ACPI_DATA_SIZE - 1;
        if (setup->initrd_size >= max)
                return cvm_error_invalid_spec(
                        error, "memory",
                        "the initramfs does not fit into it: %llu bytes below "
                        "0x%llx",
                        (unsigned long long)setup->initrd_size, (unsigned long long)max);
        le32_put(kernel + 0x218, (uint32_t)(max - setup->initrd_size) & ~0xfffu);
        le32_put(kernel + 0x21c, (uint32_t)setup->initrd_size);
        return 0;
}

int kernel_setup_patch(const KernelSetup *setup, uint8_t **ret, CvmError *error)
{
        _cleanup_free_ uint8_t *kernel = NULL;
        uint16_t mode = 0;
        int r;

        if (setup->kernel.size < SETUP_MIN || memcmp(setup->kernel.data + 0x202, "HdrS", 4) != 0)
                return cvm_error_artifact(error, setup->name,
                                          "not a bzImage (no Linux boot header)");
        if (le16_get(setup->kernel.data + 0x206) < 0x20c)
                return cvm_error_artifact(error, setup->name,
                                          "a bzImage with a boot protocol older than 2.12");
        kernel = malloc(setup->kernel.size);
        if (!kernel)
                return cvm_error_system(error, -ENOMEM, "read '%s'", setup->name);
        memcpy(kernel, setup->kernel.data, setup->kernel.size);
        r = video_mode(setup->cmdline, &mode, error);
        if (r < 0)
                return r;
        if (r > 0)
                le16_put(kernel + 0x1fa, mode);
        kernel[0x210] = 0xb0;                      /* type_of_loader: QEMU, version 0 */
        kernel[0x211] |= 0x80;                     /* loadflags: CAN_USE_HEAP */
        le16_put(kernel + 0x224, 0xfe00);          /* heap_end_ptr */
        le32_put(kernel + 0x228, CMDLINE_ADDRESS); /* cmd_line_ptr */
        if (setup->has_initrd) {
                r = patch_initrd(setup, kernel, error);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(kernel);
        return 0;
}
