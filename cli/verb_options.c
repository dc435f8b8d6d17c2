/* SPDX-License-Identifier: Apache-2.0 */
#include "verb_options.h"

#include "cvm_text.h"
#include "spec/spec.h"

#define SECONDS_MAX 86400

const Option verb_json_option[] = {
        {"json", NULL, "print JSON"},
        {},
};

const Option verb_table_options[] = {
        {"full", NULL, "do not fit the table to the terminal"},
        {"json", NULL, "print JSON"},
        {},
};

/* The fields of a spec, for launch and render. */
const Option verb_spec_options[] = {
        {"file", "SPEC", "a spec as JSON or YAML, see cvm-spec(5); - reads standard input",
         .completion = "file", .letter = 'f', .section = "Spec"},
        {"platform", "P", "a template's name, or auto", .completion = "auto platforms"},
        {"driver", "D", "back end: qemu or libvirt", .completion = "qemu libvirt"},
        {"cpus", "N", "virtual CPUs", OPTION_NUMBER, 0, UINT32_MAX},
        {"memory", "SIZE", "for example 512M, 2G or 1.5GiB"},
        {"image", "NAME[@sha256:HEX]", "kernel and initramfs: an image's (see images)",
         .completion = "images", .section = "What boots"},
        {"kernel", "F", "kernel: a file, or embedded:NAME", .completion = "artifacts file"},
        {"initramfs", "F", "initramfs: a file, or embedded:NAME", .completion = "artifacts file"},
        {"firmware", "F", "firmware: a file, or embedded:NAME", .completion = "artifacts file"},
        {"igvm", "F", "IGVM: a file, or embedded:NAME", .completion = "artifacts file"},
        {"cmdline", "S", "kernel command line"},
        {"env", "K=V", "a variable of the guest's environment", OPTION_REPEATS, .letter = 'e',
         .section = "For the guest"},
        {"env-file", "F",
         "variables from a file, as systemd's EnvironmentFile=", .completion = "file"},
        {"certs", "DIR", "a directory whose files go to the guest's /etc/certs",
         .completion = "directory"},
        {"share", "TAG=PATH[:rw]", "a host directory for the guest to mount", OPTION_REPEATS,
         .completion = "=directory"},
        {"disk", "PATH[,rw][,format=F][,bus=B][,id=ID]",
         "a file or block device that the guest sees as a disk", OPTION_REPEATS,
         .completion = "file"},
        {"gpu", "ADDRESS", "a PCI device for the guest's exclusive use", OPTION_REPEATS},
        {"publish", "[ADDR:]HOST:GUEST[/udp]", "forward a host port to a guest port, or 'none'",
         OPTION_REPEATS, .letter = 'p', .section = "Network"},
        {"network", "N", "user, isolated, passt, none, bridge:NAME or tap:NAME",
         .completion = "user isolated passt none bridge: tap:"},
        {"vsock", "CID", "a vsock device; without CID a free one is chosen",
         OPTION_NUMBER | OPTION_OPTIONAL, 3, UINT32_MAX - 1},
        {"require-confidential", NULL, "refuse a platform that is not confidential",
         .section = "Confidential computing"},
        {"svsm-attestation", "URL[,vsock][,protocol=P]",
         "let the SVSM attest to a server, through a proxy on this host"},
        {"svsm-log", NULL, "keep what the SVSM writes on COM4, for logs --svsm"},
        {"launch-security", "FIELD=VALUE", "a setting of the confidential object, see cvm-spec(5)",
         OPTION_REPEATS},
        {"bind-workload", NULL, "bind the attestation to what is launched, see cvm-spec(5)"},
        {"restart", "POLICY", "whether to launch the CVM again when it has ended, see cvm-spec(5)",
         .choices = "no on-failure always", .section = "Life cycle"},
        {"rm", "WHEN", "remove the CVM and its logs when it has ended, or only if its launch fails",
         OPTION_OPTIONAL, .choices = "ended failed-launch"},
        {"ttl", "TIME", "stop the CVM after this time, for example 12h", OPTION_TIME, 1,
         SPEC_TTL_SEC_MAX},
        {"label", "NAME=VALUE", "a label, to find the CVM by with list and events", OPTION_REPEATS,
         .section = "Other"},
        {"debug", NULL, "console on ttyS0 and the debug initramfs; changes the measurement"},
        {},
};

/* How a launch goes, for launch and run. */
const Option verb_start_options[] = {
        {"wait", "running|ready", "what to wait for", .choices = "running ready",
         .section = "Launch"},
        {"timeout", "TIME", "give up after this time, for example 90s or 5m", OPTION_TIME, 1,
         SECONDS_MAX},
        {"id", "UUID", "an id of your choice, which makes a launch safe to repeat"},
        {"json", NULL, "print the CVM as JSON"},
        {},
};

const Option verb_doctor_options[] = {
        {"platform", "P", "all checks of this platform", .completion = "platforms"},
        {"driver", "D", "back end to check", .choices = "qemu libvirt"},
        {"json", NULL, "print platforms and checks as JSON"},
        {},
};

const Option verb_launch_options[] = {
        {"paused", NULL, "pause the guest before its first instruction, until resume"},
        {"quiet", NULL, "print only the name of the CVM, and no progress", .letter = 'q'},
        {},
};

const Option verb_run_options[] = {
        {"defaults", NULL, "launch without a spec file"},
        {"console", NULL, "print the guest's console", .section = "Foreground"},
        {"notify", NULL, "report the CVM's state to systemd with sd_notify(3)"},
        {"reconnect-timeout", "TIME", "how long to wait for a daemon that went away", OPTION_TIME,
         0, SECONDS_MAX},
        {},
};

const Option verb_render_options[] = {
        {"shell", NULL, "print a command for a shell (the default)"},
        {"json", NULL, "print argv, descriptors and what is missing as JSON"},
        {},
};

const Option verb_stop_options[] = {
        {"force", NULL, "skip the power button and make QEMU quit at once"},
        {"all", NULL, "all CVMs that run and that you may stop"},
        {"own", NULL, "only your own CVMs; ignore names that do not exist"},
        {"timeout", "TIME", "how long the guest may take to power off", OPTION_TIME, 1,
         SECONDS_MAX},
        {"json", NULL, "print each CVM as JSON"},
        {},
};

const Option verb_remove_options[] = {
        {"all", NULL, "all CVMs that have ended and that you may remove"},
        {"own", NULL, "with --all, only your own CVMs"},
        {"json", NULL, "print an object with the name of each"},
        {},
};

const Option verb_prune_options[] = {
        {"older-than", "TIME", "only CVMs that ended longer ago, for example 7d", OPTION_TIME, 1,
         SPEC_TTL_SEC_MAX},
        {"own", NULL, "only your own CVMs"},
        {"json", NULL, "print an object with the name of each"},
        {},
};

const Option verb_port_options[] = {
        {"json", NULL, "print the forwards as JSON"},
        {},
};

const Option verb_restart_options[] = {
        {"force", NULL, "skip the power button and make QEMU quit at once"},
        {"timeout", "TIME", "how long the guest may take to power off", OPTION_TIME, 1,
         SECONDS_MAX},
        {"json", NULL, "print each CVM as JSON"},
        {},
};

/* Which CVMs, or whose events, for list and events. */
const Option verb_filter_options[] = {
        {"platform", "P", "only CVMs of this platform", .completion = "platforms"},
        {"label", "NAME=VALUE", "only CVMs with this label", OPTION_REPEATS, .completion = "labels",
         .letter = 'l'},
        {"owner", "USER", "only CVMs of this user, by name or uid"},
        {"name-prefix", "PREFIX", "only CVMs whose name begins with this"},
        {"id", "UUID", "only the CVM with this id"},
        {},
};

const Option verb_update_options[] = {
        {"label", "NAME=VALUE", "set a label", OPTION_REPEATS, .letter = 'l'},
        {"remove-label", "NAME", "remove a label", OPTION_REPEATS},
        {"ttl", "TIME", "stop the CVM this long after its launch; 0: never", OPTION_TIME, 0,
         SPEC_TTL_SEC_MAX},
        {"restart", "POLICY", "whether to launch the CVM again when it has ended, see cvm-spec(5)",
         .choices = "no on-failure always"},
        {"cpu-weight", "N", "share of the CPUs among CVMs; 0: the default", OPTION_NUMBER, 0,
         10000},
        {"memory-high", "SIZE", "memory above which the kernel reclaims; 0: no limit"},
        {"json", NULL, "print each CVM as JSON"},
        {},
};

const Option verb_wait_options[] = {
        {"for", "running|ready|stopped", "what to wait for (default: stopped)",
         .choices = "running ready stopped"},
        {"timeout", "TIME", "give up after this time, for example 90s or 5m", OPTION_TIME, 1,
         SECONDS_MAX},
        {"json", NULL, "print each CVM as JSON"},
        {},
};

const Option verb_list_options[] = {
        {"state", "S[,S...]", "only CVMs in this state, or in one of these", OPTION_LIST,
         .choices = CVM_STATES},
        {"running", NULL, "the same as --state running"},
        {"all", NULL, "all CVMs, also those that have ended (the default)", .letter = 'a'},
        {"filter", "KEY=VALUE", "any of these conditions: label, state, platform, owner, name, id",
         OPTION_REPEATS, .completion = "filters"},
        {"quiet", NULL, "print only names", .letter = 'q', .section = "Output"},
        {"format", "FIELDS|json|jsonl", "print these fields, for example name,state,ending.reason",
         OPTION_LIST, .completion = "json jsonl fields"},
        {"sort", "[-]FIELD", "sort by this field; with - from the largest down",
         .completion = "-fields"},
        {"watch", NULL, "draw the table again and again; q leaves it", .letter = 'w'},
        {"full", NULL, "do not fit the table to the terminal"},
        {"no-legend", NULL, "print no column titles"},
        {"json", NULL, "print an array of CVMs as JSON"},
        {},
};

const Option verb_stats_options[] = {
        {"watch", NULL, "show them again and again", .letter = 'w'},
        {"interval", "TIME", "how often, with --watch (default: 2s)", OPTION_TIME, 1, SECONDS_MAX},
        {"json", NULL, "print an array of CvmStats as JSON"},
        {},
};

const Option verb_top_options[] = {
        {"state", "S", "only CVMs in this state", .choices = CVM_STATES},
        {"interval", "TIME", "how often to ask the daemon (default: 2s)", OPTION_TIME, 1,
         SECONDS_MAX},
        {"json", NULL, "print an array of CVMs as JSON, once"},
        {},
};

const Option verb_inspect_options[] = {
        {"spec", NULL, "print only the spec, as a file for launch"},
        {"json", NULL, "print one line"},
        {},
};

const Option verb_timeline_options[] = {
        {"svg", "FILE", "write a drawing to this file; - is standard output", .completion = "file"},
        {"json", NULL, "print the steps and their times as JSON"},
        {},
};

const Option verb_logs_options[] = {
        {"follow", NULL, "continue with new output", .letter = 'f'},
        {"since", "TIME", "only what was written since then: 5m, or 14:03"},
        {"timestamps", NULL, "print before each line when it was written", .letter = 't'},
        {"lines", "N", "only the last N lines", OPTION_NUMBER, 0, 1000000000, .letter = 'n'},
        {"raw", NULL, "print control characters unchanged on a terminal"},
        {"svsm", NULL, "print the SVSM's log instead of the console"},
        {"json", NULL, "print the data in base64, one object per piece"},
        {},
};

const Option verb_events_options[] = {
        {"state", "S", "only events of a change to this state", .choices = CVM_STATES},
        {"since", "TIME", "print first what happened since then: 5m, or 14:03"},
        {"from", "oldest|N", "print first what is kept, from event number N on"},
        {"quit", NULL, "quit after the events that are kept; do not wait for new ones",
         .letter = 'q'},
        {"kind", "KIND", "only events of this kind", OPTION_REPEATS,
         .choices = "state ready status panic internal-error note updated removed events-lost"},
        {"json", NULL, "print one object per line"},
        {},
};

const Option verb_measure_options[] = {
        {"file", "SPEC", "a spec as JSON or YAML, see cvm-spec(5); - reads standard input",
         .completion = "file", .letter = 'f'},
        {"platform", "P", "a template's name, or a measuring method",
         .completion = "platforms sev-snp-igvm vtpm"},
        {"igvm", "F", "IGVM file", .completion = "file"},
        {"firmware", "F", "OVMF or TDVF image", .completion = "file"},
        {"image", "NAME", "kernel and initramfs: an image's, by name, or by directory (with a '/')",
         .completion = "images directory"},
        {"kernel", "F", "kernel", .completion = "file"},
        {"initramfs", "F", "initramfs", .completion = "file"},
        {"cmdline", "S", "kernel command line"},
        {"cpus", "N", "virtual CPUs", OPTION_NUMBER, 1, SPEC_CPUS_MAX},
        {"memory", "SIZE", "for example 512M, 2G or 1.5GiB"},
        {"cpu-model", "M", "QEMU's CPU model, or a CPUID signature such as 0x800f12"},
        {"guest-features", "X", "SEV_FEATURES of the vCPUs, for example 0x1"},
        {"qemu", "V", "version of the QEMU that will boot it"},
        {"acpi", "DIR", "files table-loader, rsdp and tables of the machine's ACPI",
         .completion = "directory"},
        {"profile", "K=V,...", "facts that depend on firmware and QEMU, see cvm-measure(7)"},
        {"tree", NULL, "show which input leads by which event to which register"},
        {"svg", "FILE", "write the same as a drawing; - is standard output", .completion = "file"},
        {"json", NULL, "print JSON, see cvm-measure(7)"},
        {},
};

const Option verb_measure_format_options[] = {
        {"format", "json|corim|snp-id-block|igvm", "output format, see cvm-measure(7)",
         .choices = "json corim snp-id-block igvm", .section = "Output"},
        {"output", "FILE", "where --format igvm writes the signed IGVM file; - is standard output",
         .completion = "file"},
        {"key", "FILE", "sign the CoRIM with this EC key in PEM", .completion = "file"},
        {"signer", "NAME", "name of the CoRIM's signer"},
        {"id-key", "FILE", "sign the ID block with this P-384 key in PEM", .completion = "file"},
        {"author-key", "FILE", "sign the ID key with this P-384 key in PEM", .completion = "file"},
        {"family-id", "HEX", "16 bytes of your own in the ID block"},
        {"image-id", "HEX", "16 bytes of your own in the ID block"},
        {"svn", "N", "the guest's security version in the ID block", OPTION_NUMBER, 0, UINT32_MAX},
        {"policy", "P", "the guest policy in the ID block, for example 0x30000"},
        {"digest", "REGISTER", "which launch digest to put in the ID block, if there are two",
         .choices = "LaunchDigest LaunchDigestAllVcpus"},
        {},
};

const Option verb_attest_options[] = {
        {"expect", "FILE|NAME", "the expected values: a file of measure --json, or a CVM's name",
         .completion = "names file"},
        {"evidence", "FILE", "write what the CVM showed to this file, for verify --evidence",
         .completion = "file"},
        {"timeout", "TIME", "give up after this time (default: 60s)", OPTION_TIME, 1, 3600},
        {"vcek", "FILE", "certificate of the VCEK or VLEK that signed the report",
         .completion = "file"},
        {"cert-chain", "FILE", "certificates between the VCEK and the root", .completion = "file"},
        {"root-ca", "FILE", "the only root to trust, instead of AMD's or Intel's own",
         .completion = "file"},
        {"at", "DATE", "when the certificates must be valid, for example 2026-11-21; default: now"},
        {"json", NULL, "print JSON, see cvm-verify(7)"},
        {},
};

const Option verb_verify_options[] = {
        {"report", "FILE",
         "an SEV-SNP report, a TDX quote, the agent's answer or PCRs; - reads standard input",
         .completion = "file"},
        {"evidence", "FILE", "what a running CVM showed, in place of --report; see cvm-verify(7)",
         .completion = "file"},
        {"expect", "FILE|NAME", "the expected values: a file of measure --json, or a CVM's name",
         .completion = "names file"},
        {"event-log", "FILE", "event log of the boot", .completion = "file"},
        {"vcek", "FILE", "certificate of the VCEK or VLEK that signed the report",
         .completion = "file"},
        {"cert-chain", "FILE", "certificates between the VCEK and the root", .completion = "file"},
        {"root-ca", "FILE", "the only root to trust, instead of AMD's or Intel's own",
         .completion = "file"},
        {"report-data", "HEX", "the 64 bytes that the report must cover"},
        {"nonce", "BASE64", "the same, as the nonce that was sent to the agent"},
        {"at", "DATE", "when the certificates must be valid, for example 2026-11-21; default: now"},
        {"json", NULL, "print JSON, see cvm-verify(7)"},
        {},
};

const Option verb_metrics_options[] = {
        {"format", "openmetrics|prometheus", "text format (default: openmetrics)",
         .choices = "openmetrics prometheus"},
        {"output", "FILE", "replace this file at once, instead of printing", .completion = "file"},
        {"json", NULL, "print the text as JSON"},
        {},
};

const Option verb_complete_options[] = {
        {"quoted", NULL, "the words have a shell's quotes and backslashes"},
        {},
};
