/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Launches to render: one that asks for nothing and one that asks for all there is. */

#include "base/json.h"
#include "template/plan.h"

typedef struct Launch {
        CvmSpec spec;
        HostFacts host;
        SpecShare shares[2];
        SpecDisk disks[3];
        SpecForward forwards[3];
        PlanInputs inputs;
} Launch;

/* Points into *launch, which must stay where it is. */
static inline void launch_minimal(Launch *launch)
{
        *launch = (Launch){
                .spec = {.name = (char *)"web",
                         .platform = (char *)"auto",
                         .network = SPEC_NETWORK_USER},
                .host = {.cpu_vendor = (char *)"AuthenticAMD",
                         .has_kvm = true,
                         .kvm_usable = true,
                         .kvm_found = (char *)"KVM",
                         .has_vhost_vsock = true,
                         .qgs = HOST_QGS_VSOCK,
                         .memlock = UINT64_MAX,
                         .cbitpos = 51},
                .forwards = {{(char *)"127.0.0.1", 6100, SPEC_AGENT_PORT, SPEC_TCP}},
        };
        launch->inputs = (PlanInputs){
                .spec = &launch->spec,
                .host = &launch->host,
                .qemu = "/usr/bin/qemu-system-x86_64",
                .id = "3d1c3d0a-5a0e-4a53-9c3c-0f6a6c8d1e22",
                .cpus = 2,
                .memory = 2ull << 30,
                .forwards = launch->forwards,
                .n_forwards = 1,
                .cmdline = "console=null quiet",
                .artifacts = {[ARTIFACT_KERNEL] = {.present = true},
                              [ARTIFACT_INITRAMFS] = {.present = true}},
        };
}

static inline void launch_vsock(Launch *launch, uint32_t cid, uint32_t notify_port)
{
        launch->inputs.vsock = true;
        launch->inputs.vsock_cid = cid;
        launch->inputs.notify_port = notify_port;
}

/* What a confidential platform needs besides kernel and initramfs, and a vsock where it has one. */
static inline void launch_needs(Launch *launch, const Template *template)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (template_needs_artifact(template, kind))
                        launch->inputs.artifacts[kind].present = true;
        if (template_needs_vsock(template))
                launch_vsock(launch, 6, 0);
}

static inline void launch_full(Launch *launch)
{
        launch_minimal(launch);
        launch->spec.debug = true;
        launch->shares[0] = (SpecShare){(char *)"data", (char *)"/srv/a,b=c d", -1, true};
        launch->shares[1] = (SpecShare){(char *)"work", (char *)"/srv/work", -1, false};
        launch->spec.shares = launch->shares;
        launch->spec.n_shares = 2;
        launch->disks[0] = (SpecDisk){
                .id = (char *)"root", .path = (char *)"/srv/a,b", .fd = -1, .read_only = true};
        launch->disks[1] = (SpecDisk){.id = (char *)"data",
                                      .path = (char *)"/srv/data.qcow2",
                                      .fd = -1,
                                      .format = SPEC_DISK_QCOW2,
                                      .bus = SPEC_DISK_VIRTIO};
        launch->disks[2] =
                (SpecDisk){.id = (char *)"disk2", .path = (char *)"/dev/vg/lv", .fd = -1};
        launch->spec.disks = launch->disks;
        launch->spec.n_disks = 3;
        launch->inputs.disk_is_device[2] = true;
        launch->spec.gpus[0] = (char *)"0000:41:00.0";
        launch->spec.gpus[1] = (char *)"0001:c1:00.1";
        launch->spec.n_gpus = 2;
        launch->forwards[1] = (SpecForward){(char *)"192.0.2.1", 8443, 443, SPEC_TCP};
        launch->forwards[2] = (SpecForward){(char *)"127.0.0.1", 6101, 53, SPEC_UDP};
        launch->inputs.n_forwards = 3;
        launch->inputs.cpus = 48;
        launch->inputs.memory = 64ull << 30;
        launch->inputs.cmdline = "console=ttyS0 a=\"b c\" d,e=f $g `h` %i";
        launch->inputs.kvm = true;
        launch_vsock(launch, 4294967294, 1024);
}

/* For a template that has no place for them. */
static inline void launch_without_devices(Launch *launch)
{
        launch->spec.n_disks = launch->spec.n_gpus = 0;
}
