/* SPDX-License-Identifier: Apache-2.0 */

/* What a launch asks of the machine that QEMU makes, and that no machine of the kind has. */

#include <stdio.h>
#include <string.h>

#include "template/template_internal.h"

/* Of the 32 of a PCI Express root complex or a PCI bus the host bridge has one, and q35's ISA
 * bridge another (QEMU, docs/pcie.txt). */
#define PCI_SLOTS 30u
/* hw/i386/x86.c: more have APIC ids that need X2APIC, which only KVM has in each version. */
#define TCG_PC_CPUS 255u
#define MAXMEM_ROOM (1ull << 30)

/* The value behind the option at argv[i], or NULL. */
static const char *machine_limits_value_of(const LaunchPlan *plan, size_t i, const char *option)
{
        return i + 1 < plan->argc && strcmp(plan->argv[i], option) == 0 ? plan->argv[i + 1] : NULL;
}

static bool takes_slot(const char *device)
{
        size_t length = strcspn(device, ",");
        const char *bus = strstr(device, ",bus=");
        bool pci = strncmp(device, "pcie-root-port", length) == 0 ||
                   strncmp(device, "vfio-pci", length) == 0 ||
                   (length > 4 && strncmp(device + length - 4, "-pci", 4) == 0);

        return pci && (!bus || strncmp(bus, ",bus=pcie.0", sizeof(",bus=pcie.0") - 1) == 0);
}

static int check_slots(const LaunchPlan *plan, HostCheckList *missing)
{
        unsigned n = 0;
        char found[32], needed[48];

        for (size_t i = 0; i < plan->argc; i++) {
                const char *device = machine_limits_value_of(plan, i, "-device");

                n += device && takes_slot(device);
        }
        if (n <= PCI_SLOTS)
                return 0;
        snprintf(found, sizeof(found), "%u PCI devices", n);
        snprintf(needed, sizeof(needed), "at most %u, one slot each", PCI_SLOTS);
        return host_check_list_add_new(
                missing, "pci-slots", found, needed, false,
                "use fewer shares, disks and GPUs; all disks of bus scsi share one device");
}

/* "q35" of "q35,hpet=off" and "type=q35"; newly allocated. */
static char *machine_type(const LaunchPlan *plan)
{
        for (size_t i = 0; i < plan->argc; i++) {
                const char *machine = machine_limits_value_of(plan, i, "-machine");

                if (!machine)
                        continue;
                if (strncmp(machine, "type=", 5) == 0)
                        machine += 5;
                if (memchr(machine, '=', strcspn(machine, ",")))
                        continue;
                return strndup(machine, strcspn(machine, ","));
        }
        return strdup("");
}

static int machine_limits_check_cpus(const LaunchPlan *plan, const Template *template,
                                     const PlanInputs *inputs, const QemuProbe *probe,
                                     HostCheckList *missing)
{
        uint64_t wanted = (uint64_t) template->floor_maxcpus, most;
        _cleanup_free_ char *type = machine_type(plan);
        char found[160], needed[32];
        bool emulated;

        if (!type)
                return -ENOMEM;
        if (wanted < inputs->cpus)
                wanted = inputs->cpus;
        most = probe ? qemu_probe_cpus_max(probe, type) : 0;
        emulated = !inputs->kvm && !template->confidential &&
                   (strcmp(type, "q35") == 0 || strcmp(type, "pc") == 0) &&
                   (most == 0 || most > TCG_PC_CPUS);
        if (emulated)
                most = TCG_PC_CPUS;
        if (most == 0 || wanted <= most)
                return 0;
        snprintf(found, sizeof(found), "machine type %s supports at most %llu vCPUs%s%s", type,
                 (unsigned long long)most, emulated ? " by emulation (TCG)" : " with QEMU ",
                 emulated ? "" : qemu_probe_version(probe));
        snprintf(needed, sizeof(needed), "%llu vCPUs", (unsigned long long)wanted);
        return host_check_list_add_new(missing, "cpus", found, needed, false,
                                       emulated ? "use fewer vCPUs, or a host with KVM"
                                                : "use fewer vCPUs, or a newer QEMU");
}

/* What -m says at most: the template's floor, raised to what the spec asks. */
static uint64_t plan_memory_max(const Template *template, const PlanInputs *inputs)
{
        if (template->floor_maxmem > inputs->memory)
                return template->floor_maxmem;
        /* with slots it must be more than there is at the start, or QEMU refuses */
        return inputs->memory + (template->floor_slots ? MAXMEM_ROOM : 0);
}

AddressNeeds plan_address_needs(const Template *template, const PlanInputs *inputs, bool amd)
{
        /* a domain has no room for more memory */
        bool fixed = inputs->domain;

        return (AddressNeeds){
                .memory = inputs->memory,
                .memory_max = fixed ? inputs->memory : plan_memory_max(template, inputs),
                .slots = fixed ? 0 : (uint64_t) template->floor_slots,
                .amd = amd,
                .gpus = inputs->spec->n_gpus > 0,
        };
}

static const char *find_value(const LaunchPlan *plan, const char *option)
{
        const char *found = NULL;

        for (size_t i = 0; i < plan->argc; i++)
                found = machine_limits_value_of(plan, i, option) ?: found;
        return found ?: "";
}

/* Models that have as many address bits as the host. */
static bool has_host_bits(const char *cpu)
{
        size_t length = strcspn(cpu, ",");

        return (length == 4 && strncmp(cpu, "host", 4) == 0) ||
               (length == 3 && strncmp(cpu, "max", 3) == 0) || strstr(cpu, ",host-phys-bits=on");
}

/* The address bits of the vCPUs. */
typedef struct VcpuAddresses {
        unsigned bits; /* 0: unknown */
        bool amd;
        const char *owner, *fix;
} VcpuAddresses;

/* By KVM they have the host's maker, by TCG all are AMD's. */
static VcpuAddresses find_addresses(const LaunchPlan *plan, const Template *template,
                                    const PlanInputs *inputs)
{
        const char *cpu = find_value(plan, "-cpu");
        bool amd = strncmp(cpu, "EPYC", 4) == 0 ||
                   strcmp(inputs->host->cpu_vendor, "AuthenticAMD") == 0;

        if (!inputs->kvm && !template->confidential)
                return (VcpuAddresses){ADDRESS_BITS_DEFAULT, true, "an emulated CPU (TCG)",
                                       "use less memory, or a host with KVM"};
        if (inputs->domain || has_host_bits(cpu))
                return (VcpuAddresses){
                        inputs->host->address_bits, amd, "this host's CPU",
                        "use less memory, or a host whose CPU has more address bits"};
        return (VcpuAddresses){ADDRESS_BITS_DEFAULT, amd, "the template's CPU model",
                               "use less memory, or set host-phys-bits=on for the template's cpu"};
}

static int check_address_space(const LaunchPlan *plan, const Template *template,
                               const PlanInputs *inputs, HostCheckList *missing)
{
        const VcpuAddresses addresses = find_addresses(plan, template, inputs);
        const AddressNeeds needs = plan_address_needs(template, inputs, addresses.amd);
        unsigned wanted = address_space_bits(&needs);
        _cleanup_free_ char *type = machine_type(plan);
        char memory[24], found[96], needed[64];

        if (!type)
                return -ENOMEM;
        if ((*type && strcmp(type, "q35") != 0) || addresses.bits == 0 || wanted <= addresses.bits)
                return 0;
        snprintf(found, sizeof(found), "memory of %s%s requires %u physical address bits",
                 text_format_size(inputs->memory, memory),
                 needs.gpus ? ", with the window for GPUs," : "", wanted);
        snprintf(needed, sizeof(needed), "at most %u, the limit of %s", addresses.bits,
                 addresses.owner);
        return host_check_list_add_new(missing, "address-space", found, needed, false,
                                       addresses.fix);
}

int plan_check_machine(const LaunchPlan *plan, const Template *template, const PlanInputs *inputs,
                       const QemuProbe *probe, HostCheckList *missing)
{
        int r = check_slots(plan, missing);

        if (r == 0)
                r = machine_limits_check_cpus(plan, template, inputs, probe, missing);
        return r < 0 ? r : check_address_space(plan, template, inputs, missing);
}
