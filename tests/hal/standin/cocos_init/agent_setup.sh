#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the set-up script of the reference does: an override for Docker, Docker's units, and a look
# at the interfaces and at the root.
echo "environment $AGENT_LOG_LEVEL $AGENT_CVM_ID"
mkdir -p /etc/systemd/system/docker.service.d
printf '[Service]\nEnvironment=DOCKER_RAMDISK=true\n' |
    tee /etc/systemd/system/docker.service.d/override.conf >/dev/null
systemctl daemon-reload || echo "missing systemctl daemon-reload"
for unit in containerd docker; do
    systemctl start "$unit" || echo "missing $unit.service"
done
for interface in $(ip -o link show | awk -F': ' '{print $2}' | grep -v -e lo -e docker0); do
    ip addr show "$interface" | grep -q "inet " || echo "missing an address of $interface"
done
mount | grep -q ' on / ' || echo "missing the root in mount"
