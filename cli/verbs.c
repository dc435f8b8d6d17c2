/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"

#include <string.h>

#include "spec/spec.h"

#define SECONDS_MAX 86400

const Option global_options[] = {
        {"socket", "PATH", "the daemon's socket", .completion = "file"},
        {"help", NULL, "show help"},
        {},
};

static const Option json_option[] = {
        {"json", NULL, "print JSON"},
        {},
};

/* The fields of a spec, for launch and render. */
static const Option spec_options[] = {
        {"file", "SPEC", "a spec as JSON, see cvm-spec(5); - reads standard input",
         .completion = "file"},
        {"platform", "P", "a template's name, or auto"},
        {"cpus", "N", "virtual CPUs", OPTION_NUMBER, 0, UINT32_MAX},
        {"memory", "SIZE", "bytes, or with a suffix K, M, G or T"},
        {"kernel", "F", "kernel: a file, or embedded:NAME", .completion = "file"},
        {"initramfs", "F", "initramfs: a file, or embedded:NAME", .completion = "file"},
        {"firmware", "F", "firmware: a file, or embedded:NAME", .completion = "file"},
        {"igvm", "F", "IGVM: a file, or embedded:NAME", .completion = "file"},
        {"cmdline", "S", "kernel command line"},
        {"env", "K=V", "a variable of the guest's environment", OPTION_REPEATS},
        {"env-file", "F",
         "variables from a file, as systemd's EnvironmentFile=", .completion = "file"},
        {"certs", "DIR", "each file in it for the guest's /etc/certs", .completion = "directory"},
        {"share", "TAG=PATH[:rw]", "a host directory for the guest to mount", OPTION_REPEATS,
         .completion = "directory"},
        {"disk", "PATH[,rw][,format=F][,bus=B][,id=ID]",
         "a file or block device for the guest to have as a disk", OPTION_REPEATS,
         .completion = "file"},
        {"gpu", "ADDRESS", "a PCI device that the guest gets for itself", OPTION_REPEATS},
        {"publish", "[ADDR:]HOST:GUEST[/udp]", "a host port that leads to a guest port, or none",
         OPTION_REPEATS},
        {"network", "N", "user, isolated, passt, none, bridge:NAME or tap:NAME"},
        {"vsock", "CID", "a vsock device; without CID a free one is taken",
         OPTION_NUMBER | OPTION_OPTIONAL, 3, UINT32_MAX - 1},
        {"svsm-attestation", "URL[,vsock][,protocol=P]",
         "let the SVSM attest to a server, through a proxy on this host"},
        {"svsm-log", NULL, "keep what the SVSM writes on COM4, for logs --svsm"},
        {"launch-security", "FIELD=VALUE", "a setting of the confidential object, see cvm-spec(5)",
         OPTION_REPEATS},
        {"bind-workload", NULL, "name what is launched in the CVM's attestation, see cvm-spec(5)"},
        {"restart", "POLICY", "launch it again when it has ended, see cvm-spec(5)",
         .choices = "no on-failure always"},
        {"ttl", "S", "stop it after so many seconds", OPTION_NUMBER, 1, SPEC_TTL_SEC_MAX},
        {"driver", "D", "what runs the CVM: qemu or libvirt"},
        {"debug", NULL, "console on ttyS0 and the debug initramfs; the measurement changes"},
        {},
};

/* How a launch goes, for launch and run. */
static const Option start_options[] = {
        {"wait", "running|ready", "what to wait for", .choices = "running ready"},
        {"timeout", "S", "give up after so many seconds", OPTION_NUMBER, 1, SECONDS_MAX},
        {"id", "UUID", "an id of your own, so that a repeated launch is the same launch"},
        {"json", NULL, "print the CVM as JSON"},
        {},
};

static const Option doctor_options[] = {
        {"platform", "P", "all checks of this platform"},
        {"driver", "D", "by which driver it would run", .choices = "qemu libvirt"},
        {"json", NULL, "print platforms and checks as JSON"},
        {},
};

static const Option launch_options[] = {
        {"paused", NULL, "wait for resume before the guest's first instruction"},
        {},
};

static const Option run_options[] = {
        {"console", NULL, "print the guest's console"},
        {"notify", NULL, "tell systemd by sd_notify(3) what becomes of the CVM"},
        {"reconnect-timeout", "S", "how long a daemon that went away may take to come back",
         OPTION_NUMBER, 0, SECONDS_MAX},
        {},
};

static const Option render_options[] = {
        {"shell", NULL, "print a command for a shell (the default)"},
        {"json", NULL, "print argv, descriptors and what is missing as JSON"},
        {},
};

static const Option stop_options[] = {
        {"force", NULL, "without the power button"},
        {"own", NULL, "leave alone what is not yours, and what is not there"},
        {"timeout", "S", "seconds that the guest has to power off", OPTION_NUMBER, 1, SECONDS_MAX},
        {"json", NULL, "print each CVM as JSON"},
        {},
};

static const Option list_options[] = {
        {"state", "S", "only CVMs in this state",
         .choices = "preparing starting running paused stopping restarting stopped failed"},
        {"platform", "P", "only CVMs of this platform"},
        {"json", NULL, "print an array of CVMs as JSON"},
        {},
};

static const Option logs_options[] = {
        {"follow", NULL, "go on with what comes later"},
        {"lines", "N", "only the last N lines", OPTION_NUMBER, 0, 1000000000},
        {"raw", NULL, "leave control characters as they are on a terminal"},
        {"svsm", NULL, "what the SVSM wrote, not the guest"},
        {"json", NULL, "print the data in base64, an object a piece"},
        {},
};

static const Option events_options[] = {
        {"from", "N", "begin with event number N", OPTION_NUMBER, 0, INT64_MAX},
        {"json", NULL, "print an object a line"},
        {},
};

static const Option measure_options[] = {
        {"file", "SPEC", "a spec as JSON, see cvm-spec(5); - reads standard input",
         .completion = "file"},
        {"platform", "P", "a template's name, or a measuring method"},
        {"igvm", "F", "IGVM file", .completion = "file"},
        {"firmware", "F", "OVMF or TDVF image", .completion = "file"},
        {"kernel", "F", "kernel", .completion = "file"},
        {"initramfs", "F", "initramfs", .completion = "file"},
        {"cmdline", "S", "kernel command line"},
        {"cpus", "N", "virtual CPUs", OPTION_NUMBER, 1, SPEC_CPUS_MAX},
        {"memory", "SIZE", "bytes, or with a suffix K, M, G or T"},
        {"cpu-model", "M", "QEMU's CPU model, or a CPUID signature as 0x800f12"},
        {"guest-features", "X", "SEV_FEATURES of the vCPUs, as 0x1"},
        {"qemu", "V", "version of the QEMU that will boot it"},
        {"acpi", "DIR", "files table-loader, rsdp and tables of the machine's ACPI",
         .completion = "directory"},
        {"profile", "K=V,...", "what depends on firmware and QEMU, see cvm-measure(7)"},
        {"json", NULL, "print JSON, see cvm-measure(7)"},
        {},
};

static const Option measure_format_options[] = {
        {"format", "json|corim|snp-id-block|igvm", "how to print it, see cvm-measure(7)",
         .choices = "json corim snp-id-block igvm"},
        {"output", "FILE", "where --format igvm writes the signed IGVM file", .completion = "file"},
        {"key", "FILE", "sign the CoRIM with this EC key in PEM", .completion = "file"},
        {"signer", "NAME", "who signs the CoRIM"},
        {"id-key", "FILE", "sign the ID block with this P-384 key in PEM", .completion = "file"},
        {"author-key", "FILE", "sign the ID key with this P-384 key in PEM", .completion = "file"},
        {"family-id", "HEX", "16 bytes of your own in the ID block"},
        {"image-id", "HEX", "16 bytes of your own in the ID block"},
        {"svn", "N", "the guest's security version in the ID block", OPTION_NUMBER, 0, UINT32_MAX},
        {"policy", "P", "the guest policy in the ID block, as 0x30000"},
        {"digest", "REGISTER", "the launch digest in the ID block, where there are two",
         .choices = "LaunchDigest LaunchDigestAllVcpus"},
        {},
};

static const Option verify_options[] = {
        {"report", "FILE",
         "an SEV-SNP report, a TDX quote, the agent's answer or PCRs; - reads standard input",
         .completion = "file"},
        {"expect", "FILE|NAME", "what it must show: as measure --json prints it, or a CVM's",
         .completion = "file"},
        {"event-log", "FILE", "event log of the boot", .completion = "file"},
        {"vcek", "FILE", "certificate of the VCEK or VLEK that signed the report",
         .completion = "file"},
        {"cert-chain", "FILE", "certificates from there to the root", .completion = "file"},
        {"root-ca", "FILE", "the only root to trust, instead of AMD's or Intel's own",
         .completion = "file"},
        {"report-data", "HEX", "64 bytes that the report must be over"},
        {"nonce", "BASE64", "the same, as it was sent to the agent"},
        {"at", "DATE", "when the certificates must be valid, as 2026-11-21; now by default"},
        {"json", NULL, "print JSON, see cvm-verify(7)"},
        {},
};

const Verb verbs[] = {
        {"launch",
         "NAME",
         "launch a CVM",
         0,
         1,
         {spec_options, start_options, launch_options},
         verb_launch},
        {"run",
         "NAME",
         "launch a CVM and stay as long as it lives",
         0,
         1,
         {spec_options, start_options, run_options},
         verb_run},
        {"stop",
         "NAME...",
         "stop CVMs",
         1,
         VERB_NAMES_ANY,
         {stop_options},
         verb_stop,
         .takes_names = true},
        {"status",
         "[NAME]",
         "show a CVM, or all",
         0,
         1,
         {json_option},
         verb_status,
         .takes_names = true},
        {"list", "", "list CVMs", 0, 0, {list_options}, verb_list},
        {"logs",
         "NAME",
         "print a CVM's console output",
         1,
         1,
         {logs_options},
         verb_logs,
         .takes_names = true},
        {"console",
         "NAME",
         "connect this terminal to a CVM's console",
         1,
         1,
         {},
         verb_console,
         .takes_names = true},
        {"events",
         "[NAME]",
         "print events as they come",
         0,
         1,
         {events_options},
         verb_events,
         .takes_names = true},
        {"pause",
         "NAME...",
         "halt the CPUs of CVMs",
         1,
         VERB_NAMES_ANY,
         {json_option},
         verb_pause,
         .takes_names = true},
        {"resume",
         "NAME...",
         "let paused CVMs go on",
         1,
         VERB_NAMES_ANY,
         {json_option},
         verb_resume,
         .takes_names = true},
        {"remove",
         "NAME...",
         "forget stopped CVMs and their logs",
         1,
         VERB_NAMES_ANY,
         {json_option},
         verb_remove,
         .takes_names = true},
        {"render",
         "[NAME]",
         "print the command that a launch would run",
         0,
         1,
         {spec_options, render_options},
         verb_render},
        {"templates", "", "list platforms", 0, 0, {json_option}, verb_templates},
        {"artifacts",
         "",
         "list the daemon's kernels, initramfs, firmware and IGVM files",
         0,
         0,
         {json_option},
         verb_artifacts},
        {"measure",
         "[NAME]",
         "predict what an attestation must show",
         0,
         1,
         {measure_options, measure_format_options},
         verb_measure,
         .takes_names = true},
        {"verify",
         "",
         "check an attestation against what is expected of it",
         0,
         0,
         {verify_options},
         verb_verify},
        {"igvm", "FILE", "show what an IGVM file holds", 1, 1, {json_option}, verb_igvm},
        {"doctor",
         "",
         "say what this host lacks for each platform",
         0,
         0,
         {doctor_options},
         verb_doctor},
        {"version", "", "print versions", 0, 0, {json_option}, verb_version},
        {"help", "[VERB]", "explain cvmctl or a verb", 0, 1, {json_option}, verb_help},
        {"completion",
         "bash|names",
         "print what a shell needs to complete",
         1,
         1,
         {},
         verb_completion,
         .hidden = true},
        {},
};

const Verb *verb_find(const char *name)
{
        for (const Verb *verb = verbs; verb->name; verb++)
                if (strcmp(verb->name, name) == 0)
                        return verb;
        return NULL;
}

const Option *verb_option_at(const Verb *verb, size_t index)
{
        for (size_t i = 0; i <= VERB_OPTION_GROUPS; i++) {
                const Option *option = i == VERB_OPTION_GROUPS ? global_options
                                       : verb                  ? verb->groups[i]
                                                               : NULL;

                for (; option && option->name; option++)
                        if (index-- == 0)
                                return option;
        }
        return NULL;
}

const Option *verb_option(const Verb *verb, const char *name)
{
        const Option *option;

        for (size_t i = 0; (option = verb_option_at(verb, i)); i++)
                if (strcmp(option->name, name) == 0)
                        return option;
        return NULL;
}
