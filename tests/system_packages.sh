#!/bin/sh
# What the tests need of the system beside Python: a browser for the web pages, an X server and a software GPU for the
# native Rerun viewer, systemd-analyze for the units. Tests whose tool is missing are skipped and say so.
set -u

wanted=""
have() { command -v "$1" >/dev/null 2>&1; }
have chromium || have chromium-browser || have google-chrome || wanted="$wanted chromium"
have Xvfb || wanted="$wanted xvfb xauth"
have systemd-analyze || wanted="$wanted systemd"
ls /usr/share/vulkan/icd.d/lvp_icd*.json >/dev/null 2>&1 || wanted="$wanted mesa-vulkan-drivers libvulkan1 libxkbcommon-x11-0"
[ -z "$wanted" ] && exit 0

if ! have apt-get; then
    echo "not on this machine, and without apt-get not installed either:$wanted; the tests that need them are skipped"
    exit 0
fi
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo --non-interactive"
echo "installing with apt-get:$wanted"
if ! { $as_root env DEBIAN_FRONTEND=noninteractive apt-get update --quiet --quiet &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends $wanted; } >/dev/null 2>&1; then
    echo "apt-get could not install$wanted (needs root and a network); the tests that need them are skipped"
fi
